"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no fault of the code: no test of ours asserts a wall-clock time.
settings.register_profile("melisma", deadline=None)
settings.load_profile("melisma")
