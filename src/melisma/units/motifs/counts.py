"""What is counted of a corpus that is cut into motifs: a batch of utterances at a time, never all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from melisma.core.records import Int64
from melisma.units.motifs.corpus import Utterance
from melisma.units.motifs.model import MotifModel
from melisma.units.motifs.sample import Occurrences

_PENDING = 1 << 18  # pairs that wait to be counted


@dataclass(slots=True, eq=False)
class PairCounts:
    """How often each pair of two numbers was seen; its memory is that of the pairs that differ.

    Examples
    --------
    >>> counts = PairCounts()
    >>> counts.add(np.array([3, 3, 1]), np.array([5, 5, 0]))
    >>> [each.tolist() for each in counts.of(3)]
    [[5], [2]]
    """

    _keys: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _n: Int64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _waiting: list[Int64] = field(default_factory=list)
    _n_waiting: int = 0

    def add(self, first: Int64, second: Int64) -> None:
        """Count pairs of numbers from 0 to 2³¹-1, both int64 [n]."""
        self._waiting.append(first << 32 | second)
        self._n_waiting += len(first)
        if self._n_waiting > max(_PENDING, len(self._keys)):
            self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        keys, n = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting, self._n_waiting = [], 0
        every, at = np.unique(np.concatenate((self._keys, keys)), return_inverse=True)
        counts = np.zeros(len(every), dtype=np.int64)
        np.add.at(counts, at, np.concatenate((self._n, n)))
        self._keys, self._n = every, counts

    def of(self, first: int) -> tuple[Int64, Int64]:
        """Return the second numbers that were seen with a first one, going up, and how often."""
        self._settle()
        begin, end = np.searchsorted(self._keys, [first << 32, (first + 1) << 32])
        return self._keys[begin:end] & 0xFFFFFFFF, self._n[begin:end]


@dataclass(slots=True)
class Names:
    """Speakers or languages, numbered from 1 as they come; 0 is who has none."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str | None) -> int:
        """Return the number of a name."""
        return 0 if name is None else self.numbers.setdefault(name, len(self.numbers) + 1)

    def listed(self) -> list[str]:
        """Return the names by their numbers; the first is empty."""
        return ["", *self.numbers]


@dataclass(slots=True, eq=False)
class Counts:
    """What a corpus has of each piece of a model.

    Parameters
    ----------
    model : MotifModel
        What cuts it.
    n_examples : int
        Occurrences of each piece that are remembered.
    seed : int
        Which ones.
    """

    model: MotifModel
    n_examples: int
    seed: int
    n_utterances: int = 0
    frequency: Int64 = field(init=False)  # of each piece
    utterances: Int64 = field(init=False)  # that each piece is in
    unit_frequency: Int64 = field(init=False)
    unit_frames: Int64 = field(init=False)
    durations: PairCounts = field(default_factory=PairCounts)  # piece, frames
    speakers: PairCounts = field(default_factory=PairCounts)  # piece, number of the speaker
    languages: PairCounts = field(default_factory=PairCounts)
    before: PairCounts = field(default_factory=PairCounts)  # piece, the piece in front of it; 0 at the beginning
    after: PairCounts = field(default_factory=PairCounts)
    speaker_names: Names = field(default_factory=Names)
    language_names: Names = field(default_factory=Names)
    occurrences: Occurrences = field(init=False)

    def __post_init__(self) -> None:
        n_pieces, n_units = len(self.model.pieces), max(self.model.units) + 1
        self.frequency, self.utterances = np.zeros(n_pieces, np.int64), np.zeros(n_pieces, np.int64)
        self.unit_frequency, self.unit_frames = np.zeros(n_units, np.int64), np.zeros(n_units, np.int64)
        self.occurrences = Occurrences(self.n_examples, self.seed)

    def add(self, batch: Sequence[Utterance]) -> None:
        """Count a batch of utterances, none of them empty, which follow those that were counted before."""
        cut = self.model.encode([each.units for each in batch])
        pieces = np.concatenate(cut)
        of = np.repeat(np.arange(len(batch)), [len(each) for each in cut])
        self.frequency += np.bincount(pieces, minlength=len(self.frequency))
        together = np.unique(pieces * len(batch) + of)
        self.utterances += np.bincount(together // len(batch), minlength=len(self.frequency))
        for names, counts, said in (
            (self.speaker_names, self.speakers, [each.speaker for each in batch]),
            (self.language_names, self.languages, [each.language for each in batch]),
        ):
            counts.add(pieces, np.array([names.number(name) for name in said], dtype=np.int64)[of])
        edges = np.flatnonzero(np.diff(of)) + 1  # where an utterance begins, but for the first
        left, right = np.roll(pieces, 1), np.roll(pieces, -1)
        left[np.append(0, edges)] = 0
        right[np.append(edges - 1, len(right) - 1)] = 0
        self.before.add(pieces, left)
        self.after.add(pieces, right)
        self._time(batch, pieces, of)
        self.n_utterances += len(batch)

    def _time(self, batch: Sequence[Utterance], pieces: Int64, of: Int64) -> None:
        units = np.concatenate([each.units for each in batch])
        self.unit_frequency += np.bincount(units, minlength=len(self.unit_frequency))
        runs = np.concatenate([np.ones_like(each.units) if each.runs is None else each.runs for each in batch])
        np.add.at(self.unit_frames, units, runs)
        frames = np.append(0, np.cumsum(runs))  # before each unit of the batch
        last = np.cumsum(self.model.lengths[pieces])  # unit behind each piece
        first = last - self.model.lengths[pieces]
        n_frames = frames[last] - frames[first]
        self.durations.add(pieces, n_frames)
        begin = np.append(0, np.cumsum([len(each.units) for each in batch]))[:-1]
        self.occurrences.add(batch, self.n_utterances, pieces, of, frames[first] - frames[begin[of]], n_frames)
