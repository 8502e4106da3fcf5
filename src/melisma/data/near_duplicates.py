"""Copies of one recording among many, found without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melisma.data import fingerprint
from melisma.data.fingerprint import MIN_OVERLAP, NEAR, WORDS_PER_S, Words

_KEY_SHIFT = np.uint32(6)  # a key is the 26 lower bands: more copies share one than share a whole word, few others do
_MOST_KEYS = 512  # of a recording, ten seconds of it: longer ones are known by a sample of their words
_NEIGHBOURS = 32  # recordings with the same key that each is compared with
_PARTS = 16  # keys are joined part by part, so that memory stays near that of the fingerprints
_SAMPLED = np.array([-75, -60, -45, -30, -15, 15, 30, 45, 60, 75])  # words beside the key that must be alike too
_SAMPLED_BER = 0.38  # share of their bits that may differ: 1 in 100 of other recordings passes
_MANY = 1_000_000  # candidates that are looked at together


@dataclass(frozen=True, slots=True)
class Pair:
    """Two recordings of one sound, by the order in which they were added, and where the second begins in the first."""

    first: int
    second: int
    similarity: float  # as `melisma.data.fingerprint.similar`
    offset_s: float


class Index:
    """Fingerprints of many recordings.

    Memory is 4 bytes a word (200 a second of sound), and for the search at most 20 kB a recording.
    """

    def __init__(self) -> None:
        self._words: list[Words] = []

    def __len__(self) -> int:
        return len(self._words)

    def add(self, words: Words) -> int:
        """Take the fingerprint of a recording, uint32 [n_words]; return its number, from 0."""
        self._words.append(np.asarray(words, np.uint32))
        return len(self._words) - 1

    def words(self, number: int) -> Words:
        """Return the fingerprint of a recording."""
        return self._words[number]

    def length_s(self, number: int) -> float:
        """Return how long a recording is, by its fingerprint, in seconds."""
        return len(self._words[number]) / WORDS_PER_S

    def pairs(self, *, near: float = NEAR, min_overlap: float = MIN_OVERLAP) -> list[Pair]:
        """Return pairs of recordings that are alike, in order; of many copies of one sound each is in some pair."""
        best: dict[tuple[int, int], Pair] = {}
        for first, second, offset in self._candidates():
            found = best.get((first, second))
            if found is None or found.similarity < near:
                pair = self._compare(first, second, offset, min_overlap)
                if found is None or pair.similarity > found.similarity:
                    best[first, second] = pair
        return [best[key] for key in sorted(best) if best[key].similarity >= near]

    def groups(self, *, near: float = NEAR, min_overlap: float = MIN_OVERLAP) -> list[list[int]]:
        """Return the numbers of recordings that are copies of each other, also by way of a third, in order."""
        root = list(range(len(self)))

        def find(i: int) -> int:
            while root[i] != i:
                root[i] = root[root[i]]
                i = root[i]
            return i

        for pair in self.pairs(near=near, min_overlap=min_overlap):
            first, second = sorted((find(pair.first), find(pair.second)))
            root[second] = first
        members: dict[int, list[int]] = {}
        for i in range(len(self)):
            members.setdefault(find(i), []).append(i)
        return [group for group in members.values() if len(group) > 1]

    def _compare(self, first: int, second: int, offset: int, min_overlap: float) -> Pair:
        a, b = self._words[first], self._words[second]
        least = fingerprint.least_overlap(a, b, min_overlap)
        score, at = 0.0, offset
        for tried in (offset - 1, offset, offset + 1):
            if min(len(a), tried + len(b)) - max(0, tried) >= least:
                score, at = max((score, at), (fingerprint.at_offset(a, b, tried), tried))
        return Pair(first, second, score, at / WORDS_PER_S)

    def _candidates(self) -> Iterator[tuple[int, int, int]]:
        """Yield (first, second, offset in words) where a key is shared and what lies around it is alike."""
        if not self._words:
            return
        flat = np.concatenate(self._words)
        lengths = np.array([len(words) for words in self._words], np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        keys, owners, places = self._keys()
        for part in range(_PARTS):
            chosen = np.nonzero((keys & (_PARTS - 1)) == part)[0]
            where = starts[owners[chosen]] + places[chosen]
            # Behind the key, what follows it: of very many with one key, copies stand side by side.
            following = flat[np.minimum(where + 20, len(flat) - 1)]
            order = np.lexsort((owners[chosen], following, keys[chosen]))
            chosen, where = chosen[order], where[order]
            yield from _joined(keys[chosen], owners[chosen], where, flat, starts)

    def _keys(self) -> tuple[Words, NDArray[np.int64], NDArray[np.int64]]:
        """Keys of all recordings, with whose they are and where they stand."""
        keys, owners, places = [], [], []
        for number, words in enumerate(self._words):
            own: Words = words >> _KEY_SHIFT
            begins = np.ones(len(own), bool)
            begins[1:] = own[1:] != own[:-1]
            at = np.nonzero(begins & (words != 0))[0]
            step = 1
            while len(at) > step * _MOST_KEYS:
                step *= 2  # powers of two: what a long recording is known by, a short cut of it is known by as well
            at = at[(_mixed(own[at]) & np.uint32(step - 1)) == 0]
            keys.append(own[at])
            owners.append(np.full(len(at), number, np.int64))
            places.append(at)
        return np.concatenate(keys), np.concatenate(owners), np.concatenate(places)


def _mixed(keys: Words) -> Words:
    """Spread keys evenly (the last step of MurmurHash3), so that a share of them can be taken by their low bits."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        keys = (keys ^ (keys >> np.uint32(shift))) * np.uint32(factor)
    return keys


def _joined(
    keys: Words, owners: NDArray[np.int64], where: NDArray[np.int64], flat: Words, starts: NDArray[np.int64]
) -> Iterator[tuple[int, int, int]]:
    for step in range(1, _NEIGHBOURS + 1):
        equal = np.nonzero((keys[:-step] == keys[step:]) & (owners[:-step] != owners[step:]))[0]
        if step > 1 and not np.any(keys[:-step] == keys[step:]):
            return
        for at in range(0, len(equal), _MANY):
            one, other = equal[at : at + _MANY], equal[at : at + _MANY] + step
            alike = _alike(where[one], where[other], owners[one], owners[other], flat, starts)
            one, other = one[alike], other[alike]
            swapped = owners[one] > owners[other]
            one, other = np.where(swapped, other, one), np.where(swapped, one, other)
            offsets = (where[one] - starts[owners[one]]) - (where[other] - starts[owners[other]])
            found = np.unique(np.stack([owners[one], owners[other], offsets], axis=1), axis=0)
            yield from ((int(a), int(b), int(offset)) for a, b, offset in found)


def _alike(
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    owners: NDArray[np.int64],
    other_owners: NDArray[np.int64],
    flat: Words,
    starts: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Tell which of the candidates are alike around the key as well, as far as both reach."""
    differing = np.zeros(len(one), np.int64)
    n_words = np.zeros(len(one), np.int64)
    for step in _SAMPLED:
        a, b = one + step, other + step
        inside = (a >= starts[owners]) & (a < starts[owners + 1])
        inside &= (b >= starts[other_owners]) & (b < starts[other_owners + 1])
        x, y = flat[np.where(inside, a, 0)], flat[np.where(inside, b, 0)]
        inside &= (x != 0) & (y != 0)
        differing += np.where(inside, fingerprint.n_bits(x ^ y), 0)
        n_words += inside
    found: NDArray[np.bool_] = differing <= _SAMPLED_BER * 32 * n_words
    return found
