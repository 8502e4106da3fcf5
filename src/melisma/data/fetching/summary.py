"""What a run of fetching came to: how much is here, what is missing and why, what has no licence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from melisma.core import licences
from melisma.data.fetching.protocol import GOOD, LASTING, Fate, Fetched
from melisma.data.report import Problem, Report


class Tally:
    """Counts what came, as it comes, in the memory of what did not."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        self.hours = 0.0
        self.problems: list[Problem] = []
        self._n_nameless = 0

    def add(self, got: Fetched) -> None:
        """Count one recording."""
        self.fates[got.fate] += 1
        if got.fate not in GOOD:
            self.problems.append(Problem(got.url, got.fate.value, got.reason))
            return
        self.hours += got.duration_s / 3600
        if got.path is None:
            self.problems.append(Problem(got.url, "moved", got.reason))
            return
        if not got.licence:
            self._n_nameless += 1
            self.problems.append(Problem(got.id, "no licence", "neither the list nor the site says its licence"))
        elif (conflict := _conflict(got)) is not None:
            self.problems.append(Problem(got.id, "licence", conflict))

    @property
    def to_be_tried_again(self) -> int:
        """How many another run may get."""
        return sum(n for fate, n in self.fates.items() if fate not in GOOD | LASTING)

    @property
    def exit_code(self) -> int:
        """0 where all is done that can be done: 1 if another run may get more, or nothing at all is here."""
        n_good = sum(self.fates[fate] for fate in GOOD)
        return 1 if self.to_be_tried_again or (self.fates and not n_good) else 0

    def report(self, settings: Mapping[str, Any], manifest: str, n_added: int) -> Report:
        """Return what happened, kind by kind and one by one."""
        counts: dict[str, int | float] = {fate.value: self.fates[fate] for fate in Fate if self.fates[fate]}
        counts = {"fetched": 0, **counts, "hours": self.hours, "without_licence": self._n_nameless}
        kinds = {fate.value for fate in Fate}
        missing: dict[str, list[dict[str, str]]] = {}
        for problem in self.problems:
            if problem.kind in kinds:
                missing.setdefault(problem.kind, []).append({"url": problem.item, "reason": problem.message})
        details = {"manifest": manifest, "lines_added": n_added, "missing": missing}
        return Report("data fetch", settings, counts, self.problems, details)


def _conflict(got: Fetched) -> str | None:
    """Say where the list and the site give different licences; the list's holds."""
    said = got.facts.licence if got.facts else ""
    if not said or licences.label(said) == licences.label(got.licence):
        return None
    return f"the list says {licences.label(got.licence)}, the site {licences.label(said)}: the list's word was taken"
