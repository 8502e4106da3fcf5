"""Which clips each step learns from: batches by seconds, of clips of like length, the same whenever they are asked for.

A training is one long row of batches. How many clips each has is settled once, so every pass over the clips has as many
batches as the others and holds every clip once, or as often as its weight says; which clips meet is drawn anew for
every pass, from the seed and the number of the pass alone. So the batch of any step can be made at any time, and a
training that was killed goes on with the batch that came next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

from melisma.core.records import Float32, Int64
from melisma.train.clip_audio import SAMPLE_RATE

# Lengths are bent by up to this share before they are sorted, so that clips meet others than their neighbours.
_BENT = 0.05
_ORDER = 7  # what a generator is for: part of its seed


@dataclass(frozen=True, slots=True)
class Key:
    """A clip's place in a training: number of its batch, its row there, which clip it is, and what its piece weighs.

    `weight` is the same for all clips of a piece: the labels of the piece per label of its batch, times the number of
    pieces, so that the mean over the pieces is the loss of the batch. `longest` is the longest clip of the whole batch,
    in samples: all of its pieces are padded alike, or group norms would see other means.
    """

    number: int
    row: int
    clip: int
    weight: float = 1.0
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What a process is given of every batch: of `world` times `pieces` pieces, those from `rank` on, every world-th.

    So as many processes as there are learn the same as one: a batch is one step's, however it is shared out.
    """

    pieces: int = 1
    rank: int = 0
    world: int = 1


class Plan:
    """The batches of a training.

    Parameters
    ----------
    lengths_s : float32 [n_clips]
        Seconds of each clip.
    n_labels : int64 [n_clips]
        Labels of each.
    batch_s : float
        Seconds of a batch, padding counted; a batch whose clips were bent apart is longer by a tenth at most.
    seed : int
        Another one draws other batches.
    short_first : bool
        Whether the first pass goes from short clips to long.
    weights : float64 [n_clips], optional
        How many times each clip is drawn in a pass: in every one as often as its whole part, once more in the share of
        the passes that the rest says. Without them each clip is drawn once.
    """

    def __init__(
        self,
        lengths_s: Float32,
        n_labels: Int64,
        batch_s: float,
        seed: int = 1,
        *,
        short_first: bool = True,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.lengths_s, self.n_labels, self.seed, self.short_first = lengths_s, n_labels, seed, short_first
        self.weights = weights
        self._lottery = _Lottery(lengths_s, np.ones(len(lengths_s)) if weights is None else weights)
        self._bounds = np.cumsum([0, *_sizes(self._lottery.longest_s(), batch_s)])
        self._pass = lru_cache(2)(self._draw)

    @property
    def n_per_pass(self) -> int:
        """Batches of one pass over the clips."""
        return len(self._bounds) - 1

    def batch(self, number: int) -> Int64:
        """Return the clips of a batch, counted from the beginning of the training."""
        which, at = divmod(number, self.n_per_pass)
        order, mix = self._pass(which)
        k = mix[at]
        return order[self._bounds[k] : self._bounds[k + 1]]

    def padding(self) -> float:
        """Return the share of the seconds of the first pass that is padding."""
        total = padded = 0.0
        for number in range(self.n_per_pass):
            lengths = self.lengths_s[self.batch(number)]
            total += float(lengths.sum())
            padded += float(lengths.max()) * len(lengths)
        return 1 - total / padded if padded else 0.0

    def _draw(self, which: int) -> tuple[Int64, Int64]:
        """Return the clips of a pass in order of their bent lengths, and the order of its batches."""
        rng = np.random.default_rng([self.seed, _ORDER, which])
        bends = rng.uniform(1 - _BENT, 1 + _BENT, self._lottery.n)
        in_order = which == 0 and self.short_first
        mix = np.arange(self.n_per_pass) if in_order else rng.permutation(self.n_per_pass)
        drawn = self._lottery.draw(rng)
        return drawn[np.argsort(self.lengths_s[drawn] * bends, kind="stable")], mix


class _Lottery:
    """Draws the clips of a pass: each has a stretch as long as its weight, and one falls on every whole step.

    Stretches lie in order of the clips' lengths, so that all passes are as long as each other, draw for draw.
    """

    def __init__(self, lengths_s: Float32, weights: npt.NDArray[np.float64]) -> None:
        self._lengths_s = lengths_s
        self._equal = bool((weights == 1).all())
        self._by_length = np.argsort(lengths_s, kind="stable").astype(np.int64)
        ends = np.cumsum(weights[self._by_length])
        self.n = max(1, round(float(ends[-1])))  # clips of a pass
        self._ends = ends * (self.n / ends[-1])

    def draw(self, rng: np.random.Generator) -> Int64:
        """Return the clips of a pass, int64 [n]."""
        if self._equal:
            return np.arange(self.n)
        return self._at(np.arange(self.n) + rng.random())

    def longest_s(self) -> Float32:
        """Return how long the clip of each draw may be at most, shortest first, float32 [n]."""
        return self._lengths_s[self._at(np.nextafter(np.arange(1.0, self.n + 1), 0))]

    def _at(self, places: npt.NDArray[np.floating[Any]]) -> Int64:
        """Return the clips whose stretches hold these places, in order of their lengths."""
        found = np.searchsorted(self._ends, places, side="right")
        last = np.searchsorted(self._ends, self._ends[-1])  # the last one that weighs anything
        clips: Int64 = self._by_length[np.minimum(found, last)]
        return clips


def _sizes(sorted_s: Float32, batch_s: float) -> tuple[int, ...]:
    """Cut clips that are sorted by length into batches, as few as fit; every batch holds one clip at least."""
    sizes: list[int] = []
    size = 0
    for length in sorted_s.tolist():
        if size and length * (size + 1) > batch_s:
            sizes.append(size)
            size = 0
        size += 1
    return (*sizes, size) if size else tuple(sizes)


class StepSampler(Sampler[list[Key]]):
    """Gives the batches of a plan, or pieces of them, from any one on.

    Parameters
    ----------
    plan : Plan
        The batches.
    n_pieces : int
        How many this process is given in all.
    share : Share
        Which of them.
    """

    def __init__(self, plan: Plan, n_pieces: int, share: Share | None = None) -> None:
        self.plan, self.n_pieces, self.share = plan, n_pieces, share or Share()
        self.first = 0  # of this process's pieces, the one to begin with

    def __iter__(self) -> Iterator[list[Key]]:
        for own in range(self.first, self.n_pieces):
            number, piece = divmod(own, self.share.pieces)
            yield self.keys(number, piece * self.share.world + self.share.rank)

    def keys(self, number: int, piece: int = 0) -> list[Key]:
        """Return the clips of a piece of a batch. A piece without any gets the first clip, at no weight."""
        clips, pieces = self.plan.batch(number), self.share.pieces * self.share.world
        rows = range(len(clips))[piece::pieces]
        total = max(1, int(self.plan.n_labels[clips].sum()))
        weight = pieces * int(self.plan.n_labels[clips[list(rows)]].sum()) / total
        longest = round(float(self.plan.lengths_s[clips].max()) * SAMPLE_RATE)
        return [Key(number, row, int(clips[row]), weight, longest) for row in rows or range(1)]

    def __len__(self) -> int:
        """Return how many pieces there are in all, those before `first` too."""
        return self.n_pieces
