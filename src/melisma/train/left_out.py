"""Clips that a training does not learn from: how many for each reason, and which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

_SHOWN = 5  # clips named for each reason


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Clips that are not learnt from: how many for each reason, and the ids of the first."""

    counts: dict[str, int]
    shown: dict[str, list[str]]


class Tally:
    """Counts clips that are left out, as they are found."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.shown: dict[str, list[str]] = {}

    def add(self, name: str, reason: str) -> None:
        """Count a clip, by its id."""
        self.counts[reason] += 1
        shown = self.shown.setdefault(reason, [])
        if len(shown) < _SHOWN:
            shown.append(name)

    @property
    def left_out(self) -> LeftOut:
        """What was counted, the commonest reason first."""
        return LeftOut(dict(self.counts.most_common()), self.shown)
