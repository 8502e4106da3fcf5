"""How much of a corpus was aligned, how sure, and how far from reference times, overall and by language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from melisma.data.manifest import TimedWord, Utterance

_BINS = 10_000  # milliseconds; what is further off is counted there


@dataclass(slots=True)
class Counted:
    """Sums over some utterances."""

    utterances: int = 0
    covered: int = 0
    seconds: float = 0.0
    words: int = 0
    words_timed: int = 0
    n_sure: int = 0
    sureness: float = 0.0

    def add(self, seconds: float, facts: dict[str, Any], *, covered: bool) -> None:
        """Enter an utterance that was to be aligned."""
        self.utterances += 1
        self.covered += covered
        self.seconds += seconds
        self.words += facts.get("n_words", 0)
        self.words_timed += len(facts.get("words", ()))
        if facts.get("confidence") is not None:
            self.n_sure += 1
            self.sureness += facts["confidence"]

    @property
    def share(self) -> float:
        """Share of the utterances that count as aligned; 0 where there is none."""
        return self.covered / self.utterances if self.utterances else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "utterances": self.utterances,
            "covered": self.covered,
            "coverage": round(self.share, 4),
            "hours": round(self.seconds / 3600, 4),
            "words": self.words,
            "words_timed": self.words_timed,
            "mean_confidence": round(self.sureness / self.n_sure, 4) if self.n_sure else None,
        }


@dataclass(slots=True)
class Figures:
    """Sums over a corpus; what they need does not grow with it."""

    all: Counted = field(default_factory=Counted)
    languages: dict[str, Counted] = field(default_factory=dict)
    n_without_transcript: int = 0
    _off: Any = field(default_factory=lambda: np.zeros(_BINS + 1, np.int64))
    _off_sum_ms: float = 0.0
    _lead_sum_ms: float = 0.0

    def add(self, utterance: Utterance, facts: dict[str, Any], *, covered: bool) -> None:
        """Enter an utterance that has a transcript."""
        for counted in (self.all, self.languages.setdefault(utterance.language, Counted())):
            counted.add(utterance.duration, facts, covered=covered)
        off = np.asarray(facts.get("off_ms") or [], np.int64)
        np.add.at(self._off, np.minimum(np.abs(off), _BINS), 1)
        self._off_sum_ms += float(np.abs(off).sum())
        self._lead_sum_ms += float(off.sum())

    @property
    def n_compared(self) -> int:
        """Number of words that have a time in the manifest and one of ours."""
        return int(self._off.sum())

    @property
    def mean_off_ms(self) -> float | None:
        """Mean distance of word starts to those of the manifest, in ms; None where there are none."""
        return self._off_sum_ms / self.n_compared if self.n_compared else None

    def offset(self) -> dict[str, Any] | None:
        """Return the distances to the manifest's word starts as plain values; None where it has none."""
        n = self.n_compared
        if not n:
            return None
        below = np.cumsum(self._off)
        return {
            "words": n,
            "mean_ms": round(self._off_sum_ms / n, 1),
            "median_ms": int(np.searchsorted(below, (n + 1) // 2)),
            "within_200_ms": round(int(below[199]) / n, 4),
            "late_ms": round(self._lead_sum_ms / n, 1),
        }


def differences_ms(words: Sequence[Sequence[Any]], reference: Sequence[TimedWord] | None) -> list[int]:
    """Return how many ms later words start than the same words of a reference, words that both have.

    Parameters
    ----------
    words : sequence of [text, start, end]
        Seconds.
    reference : sequence of TimedWord, optional
        Without it, nothing is compared.
    """
    if not reference:
        return []
    ours, theirs = [_folded(word[0]) for word in words], [_folded(word.text) for word in reference]
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    pairs = [(words[i + k], reference[j + k]) for i, j, n in blocks for k in range(n)]
    return [round(1000 * (mine[1] - other.start)) for mine, other in pairs]


def _folded(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum()) or text
