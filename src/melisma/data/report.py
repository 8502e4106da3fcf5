"""What a corpus command did, as JSON beside what it wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from melisma.core.files import make_folder, write_atomically


@dataclass(frozen=True, slots=True)
class Problem:
    """An item that something is wrong with: what it is called, a word for the kind of fault, and a sentence."""

    item: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """The facts of one run.

    Parameters
    ----------
    command : str
        Such as "data validate".
    settings : mapping
        What it was run with, as plain values.
    counts : mapping
        Numbers by name.
    problems : sequence of Problem
        Item by item, in order.
    details : mapping
        What else the command has to say, as plain values.
    applied : bool
        Whether anything was moved or written beyond the report, where a command asks for --apply.
    """

    command: str
    settings: Mapping[str, Any]
    counts: Mapping[str, int | float]
    problems: Sequence[Problem] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    applied: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = asdict(self)
        return {"schema": "melisma.report/1", **found, "problems": [asdict(each) for each in self.problems]}

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        make_folder(path.parent)
        write_atomically(
            path, (json.dumps(self.as_dict(), ensure_ascii=False, indent=1) + "\n").encode("utf-8", "backslashreplace")
        )
