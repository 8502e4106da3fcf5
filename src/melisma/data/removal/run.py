"""A removal from the first look to the report."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError
from melisma.data.removal import carry_out
from melisma.data.removal.choose import Selection, Table
from melisma.data.removal.lines import QUARANTINE
from melisma.data.removal.plan import Plan, plan
from melisma.data.report import Problem, Report
from melisma.scale.protocol import Progress

REPORT = Path(QUARANTINE, "removal_report.json")
_MOST = 1000  # names of each kind in a report


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal would do, or has done: `folders` bring it back, `problems` are what could not be moved."""

    selection: Selection
    plans: list[Plan]
    folders: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    applied: bool = False

    @property
    def n_utterances(self) -> int:
        """Lines that go, of all manifests: an utterance that is in three counts three times."""
        return sum(table.n_gone for table in self._tables)

    @property
    def _tables(self) -> list[Table]:
        return list(self.plans[0].gone.tables.values()) if self.plans else []

    def report(self) -> Report:
        """Return it file by file."""
        files = [path for each in self.plans for path in each.files]
        models = [model for each in self.plans for model in each.models]
        counts: dict[str, int | float] = {
            "lines": self.n_utterances,
            "hours": sum(table.seconds_gone for table in self._tables) / 3600,
            "manifests": sum(len(each.manifests) for each in self.plans),
            "files": len(files),
            "journals": sum(len(each.journals) for each in self.plans),
            "models_marked": len(models),
            "to_be_written_again": sum(len(each.mentions) for each in self.plans),
        }
        problems = [Problem(str(model.folder), "model", f"{model.why}: train it anew") for model in models]
        problems += [Problem(str(path), "kept", why) for each in self.plans for path, why in each.kept]
        problems += [
            Problem(
                str(path), "mentions", "it names what goes: write it again with the command that made it, or delete it"
            )
            for each in self.plans
            for path in each.mentions
        ]
        details = {
            "manifests": {
                str(table.manifest): {"lines": table.n_lines, "gone": table.n_gone}
                for table in self._tables
                if table.n_gone
            },
            "files": [str(path) for path in files[:_MOST]],
            "files_not_listed": max(0, len(files) - _MOST),
            "undo": [str(folder) for folder in self.folders],
        }
        everything = [*self.problems, *problems]
        return Report("data remove", self.selection.as_dict(), counts, everything, details, self.applied)


def remove(selection: Selection, roots: Iterable[Path], *, apply: bool, progress: Progress | None = None) -> Removal:
    """Look for what goes below folders and, with `apply`, take it out; what an earlier run began is ended first.

    Raises
    ------
    InputError
        If nothing is named, a folder is not there, another removal is at work, or an earlier one was cut short and
        `apply` is not given.
    ManifestError
        If a manifest cannot be read.
    OutputError
        If something cannot be written.
    """
    selection.check()
    folders = outermost(roots)
    with ExitStack() as kept:
        if apply:
            for root in folders:
                kept.enter_context(carry_out.alone(root))
                carry_out.resume(root)
        elif begun := [folder for root in folders for folder in carry_out.unfinished(root)]:
            raise InputError(f"a removal was cut short in {begun[0]}: end it with --apply, or take it back with --undo")
        plans = plan(selection, folders, progress)
        if not apply:
            return Removal(selection, plans)
        done = [carry_out.carry_out(each) for each in plans if not each.is_empty]
    problems = tuple(problem for _, some in done for problem in some)
    return Removal(selection, plans, tuple(folder for folder, _ in done), problems, applied=True)


def outermost(roots: Iterable[Path]) -> list[Path]:
    """Return folders without those that lie in others of them.

    Raises
    ------
    InputError
        If one is not there.
    """
    found: dict[Path, None] = {}
    for root in roots:
        if not root.is_dir():
            raise InputError(f"there is no folder {root}")
        found[Path(os.path.realpath(root))] = None
    return [root for root in found if not any(other in root.parents for other in found)]
