"""`melisma train …`: one command per trainer, in the extra `[train]`."""

from __future__ import annotations

from melisma.cli.program import group

app = group("Train the models (needs melisma[train]).")
