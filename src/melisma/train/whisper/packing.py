"""Which clips meet in a window of 30 s: of one language, of one speaker first; the same whenever a pass is asked for.

A pass holds every clip once. What meets is drawn anew for each, from the seed and the number of the pass alone, so that
a training that was killed goes on with the window that came next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from melisma.core.records import Int64
from melisma.train.whisper.config import WINDOW_S

_ORDER, _SHARES = 21, 22  # what a generator is for: part of its seed
_OPEN = 16  # windows that are looked at for room; more find little


@dataclass(frozen=True, slots=True)
class Window:
    """Clips that are heard on end as one.

    Parameters
    ----------
    epoch, index : int
        The pass, and the place in it.
    clips : tuple of int
        In their order.
    timed : bool
        Whether it is learnt with the times of its segments.
    """

    epoch: int
    index: int
    clips: tuple[int, ...]
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """What decides who fits: arrays by clip.

    Parameters
    ----------
    seconds : float64 [n_clips]
        Of audio.
    n_labels : int64 [n_clips]
        Tokens of its text with the timestamps of its segments.
    language, speaker : int64 [n_clips]
        Numbers; clips of a speaker meet first.
    """

    seconds: np.ndarray[tuple[int], np.dtype[np.float64]]
    n_labels: Int64
    language: Int64
    speaker: Int64


@dataclass(frozen=True, slots=True)
class Rules:
    """How windows are filled.

    Parameters
    ----------
    seed : int
        Another one packs otherwise.
    share : float
        Of the windows that are several clips.
    timed : float
        Of the windows that are learnt with times.
    gap_s : float
        Of silence between two clips.
    room_s : float
        Seconds that several clips may take together: less than 30 where an augmentation makes them longer.
    room_labels : int
        Tokens that their texts may take together.
    """

    seed: int
    share: float = 1.0
    timed: float = 0.0
    gap_s: float = 0.3
    room_s: float = WINDOW_S
    room_labels: int = 440


class Plan:
    """The windows of a training, pass by pass; a plan is made in n log n and the last two are kept."""

    def __init__(self, sizes: Sizes, rules: Rules) -> None:
        self.sizes, self.rules = sizes, rules
        self._pass = lru_cache(2)(self._draw)

    def windows(self, epoch: int) -> tuple[Window, ...]:
        """Return the windows of a pass."""
        return self._pass(epoch)

    def _draw(self, epoch: int) -> tuple[Window, ...]:
        rng = np.random.default_rng([self.rules.seed, _ORDER, epoch])
        order = rng.permutation(len(self.sizes.seconds))
        speakers = rng.permutation(int(self.sizes.speaker.max(initial=-1)) + 1)
        # Stable: within a speaker as they were drawn, the speakers of a language in an order that was drawn too.
        keys = (speakers[self.sizes.speaker[order]], self.sizes.language[order])
        order = order[np.lexsort(keys)]
        packed = [group for language in self._by_language(order) for group in self._filled(language)]
        mixed = [packed[i] for i in rng.permutation(len(packed))]
        groups = _taken_apart(mixed, self.rules.share)
        groups = [groups[i] for i in rng.permutation(len(groups))]
        timed = set(self._timed(epoch, len(groups)))
        return tuple(Window(epoch, i, tuple(group), i in timed) for i, group in enumerate(groups))

    def _timed(self, epoch: int, n: int) -> list[int]:
        """Return which of a pass's windows are learnt with times: exactly their share, rounded by chance."""
        rng = np.random.default_rng([self.rules.seed, _SHARES, epoch])
        wanted = int(self.rules.timed * n + rng.random())
        return [int(i) for i in rng.permutation(n)[: min(n, wanted)]]

    def _by_language(self, order: Int64) -> list[Int64]:
        changes = np.flatnonzero(np.diff(self.sizes.language[order])) + 1
        return list(np.split(order, changes)) if len(order) else []

    def _filled(self, clips: Int64) -> list[list[int]]:
        """Pack clips of one language that are sorted by speaker; what a speaker leaves half full takes others in."""
        whole, loose = [], []
        changes = np.flatnonzero(np.diff(self.sizes.speaker[clips])) + 1
        for own in np.split(clips, changes):
            groups = self._first_fit([[int(clip)] for clip in own])
            whole += groups[:-1]
            loose += groups[-1:]
        return whole + self._first_fit(loose)

    def _first_fit(self, groups: Sequence[list[int]]) -> list[list[int]]:
        """Put each group into the first open window that has room for it; return the windows, the emptiest last."""
        rules, sizes = self.rules, self.sizes
        done: list[_Bin] = []
        opened: list[_Bin] = []
        for group in groups:
            taken_s = float(sizes.seconds[group].sum()) + rules.gap_s * (len(group) - 1)
            labels = int(sizes.n_labels[group].sum())
            for each in opened:
                if each.taken_s + rules.gap_s + taken_s <= rules.room_s and each.labels + labels <= rules.room_labels:
                    each.clips += group
                    each.taken_s += rules.gap_s + taken_s
                    each.labels += labels
                    break
            else:
                opened.append(_Bin(list(group), taken_s, labels))
                if len(opened) > _OPEN:
                    opened.sort(key=lambda one: one.taken_s)
                    done.append(opened.pop())
        found = sorted([*done, *opened], key=lambda one: -one.taken_s)
        return [each.clips for each in found]


@dataclass(slots=True)
class _Bin:
    clips: list[int]
    taken_s: float
    labels: int


def _taken_apart(groups: list[list[int]], share: float) -> list[list[int]]:
    """Take windows apart, from the end on, until no more than a share of all are several clips."""
    packed = sum(len(group) > 1 for group in groups)
    total, out = len(groups), []
    for group in reversed(groups):
        if len(group) > 1 and packed > share * total:
            out += [[clip] for clip in group]
            packed, total = packed - 1, total + len(group) - 1
        else:
            out.append(group)
    return out
