"""Occurrences of each motif to look at and to listen to: drawn evenly from all, whatever order they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from melisma.core.records import Int64
from melisma.units.motifs.corpus import Utterance
from melisma.units.motifs.hashing import UInt64, hashed

_SPARE = 4  # as many times more are remembered as are shown, so that many speakers can be among those shown


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A motif in an utterance.

    Parameters
    ----------
    utterance : Utterance
        Which; without its units.
    number : int
        Of the utterance in the corpus, from 0.
    first, n_frames : int
        Where it begins, and how long it is, in frames of 20 ms; of units without times, in units.
    """

    utterance: Utterance
    number: int
    first: int
    n_frames: int


@dataclass(slots=True, eq=False)
class Occurrences:
    """Those whose hash is smallest, so that every occurrence has the same chance, and the same ones are drawn always.

    Parameters
    ----------
    n : int
        Of each piece.
    seed : int
        Which ones.
    """

    n: int
    seed: int
    _utterances: dict[int, Utterance] = field(default_factory=dict)
    _kept: Int64 = field(default_factory=lambda: np.zeros((0, 4), dtype=np.int64))  # piece, utterance, first, frames
    _ranks: UInt64 = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def add(
        self, batch: Sequence[Utterance], number: int, pieces: Int64, of: Int64, first: Int64, n_frames: Int64
    ) -> None:
        """Draw from a batch of utterances.

        Parameters
        ----------
        batch : sequence of Utterance
            Those from `number` on.
        number : int
            Of the first one.
        pieces, of, first, n_frames : int64 [n]
            Id of each piece, the index of its utterance in the batch, where it begins and how long it is, in frames.
        """
        rows = np.stack((pieces, of + number, first, n_frames), axis=1)
        ranks = hashed((rows[:, 1] * 0x1F123BB5 + first).astype(np.uint64), self.seed)
        rows, ranks = np.concatenate((self._kept, rows)), np.concatenate((self._ranks, ranks))
        order = np.lexsort((rows[:, 2], rows[:, 1], ranks, rows[:, 0]))
        rows, ranks = rows[order], ranks[order]
        begins = np.flatnonzero(np.diff(rows[:, 0], prepend=-1))
        place = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
        chosen = place < self.n * _SPARE
        self._kept, self._ranks = rows[chosen], ranks[chosen]
        wanted = set(self._kept[:, 1].tolist())
        new = {number + i: each for i, each in enumerate(batch)}
        known = {i: each for i, each in self._utterances.items() if i in wanted}
        self._utterances = known | {i: _without_units(each) for i, each in new.items() if i in wanted}

    def of(self, piece: int) -> list[Occurrence]:
        """Return at most `n` occurrences of a piece: one of each speaker first, then others; all if there are fewer."""
        begin, end = np.searchsorted(self._kept[:, 0], [piece, piece + 1])
        found = [
            Occurrence(self._utterances[number], number, first, n_frames)
            for _, number, first, n_frames in self._kept[begin:end].tolist()
        ]
        turn: dict[str | None, int] = {}
        turns = []
        for place, each in enumerate(found):
            turns.append((turn.get(each.utterance.speaker, 0), place))
            turn[each.utterance.speaker] = turns[-1][0] + 1
        return [found[place] for _, place in sorted(turns)[: self.n]]


def _without_units(each: Utterance) -> Utterance:
    nothing = np.zeros(0, dtype=np.int64)
    return Utterance(each.id, each.audio, nothing, None, each.start_s, each.speaker, each.language)
