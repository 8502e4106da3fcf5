"""Deal groups of utterances to parts, so that each part has its share of every language as nearly as groups allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from melisma.core.errors import InputError
from melisma.data import split_certificate
from melisma.data.index import Index
from melisma.data.split_certificate import lengths

Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

TRAIN = 0
_NEAR = 0.001  # of a language; a share as near as this is left alone
_SWAPS = 32  # at most, of each language and part


@dataclass(frozen=True, slots=True)
class Corpus:
    """Groups by language, in milliseconds.

    Parameters
    ----------
    languages : tuple of str
        By their codes.
    group : int64 [n]
        The group of each utterance, from 0.
    names : uint64 [n_groups]
        What a group is known by, whatever the order of the lines: the least key of its ids.
    owner, language, size : int64 [n_pieces]
        Group, language and milliseconds of each piece, a group's audio in one language, by group.
    speakers : int64 [n_languages]
        How many known speakers each language has.
    """

    languages: tuple[str, ...]
    group: Int64
    names: UInt64
    owner: Int64
    language: Int64
    size: Int64
    speakers: Int64

    @classmethod
    def of(cls, index: Index, labels: Int64) -> Self:
        """Add up the groups, by the labels of utterances, int64 [n]."""
        codes, languages = index.category("language")
        _, group = np.unique(labels, return_inverse=True)
        group = group.astype(np.int64).reshape(-1)
        names = np.full(int(group.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(names, group, np.asarray(index.column("id")))
        pieces, piece = np.unique(group * len(languages) + codes, return_inverse=True)
        size = np.bincount(piece.reshape(-1), weights=lengths(index), minlength=len(pieces))
        known = split_certificate.speakers(index)
        who = np.unique(np.stack([codes[known != 0].astype(np.uint64), known[known != 0]]), axis=1)
        return cls(
            languages,
            group,
            names,
            pieces // len(languages),
            pieces % len(languages),
            np.rint(size).astype(np.int64),
            np.bincount(who[0].astype(np.int64), minlength=len(languages)).astype(np.int64),
        )

    def sizes_of(self, language: int) -> Int64:
        """Return the sizes of the pieces of a language, int64 [n_groups of it]."""
        found: Int64 = self.size[self.language == language]
        return found

    def n_speakers(self, language: int) -> int:
        """Return how many known speakers a language has."""
        return int(self.speakers[language])


@dataclass(frozen=True, slots=True)
class Dealt:
    """Who has what.

    Parameters
    ----------
    part : int8 [n]
        The part of each utterance: 0 train, 1 valid, 2 test.
    have : int64 [3, n_languages]
        Milliseconds.
    """

    part: NDArray[np.int8]
    have: Int64

    def share(self, part: int, language: int) -> float:
        """Return which share of a language a part has."""
        return float(self.have[part, language] / self.have[:, language].sum())


def deal(corpus: Corpus, wanted: Mapping[str, float], seed: int, *, every_language: bool = False) -> Dealt:
    """Deal the groups; the same seed deals the same, on any machine and for any order of the lines.

    Groups of several languages come first, then each language by itself: what fits, in the order that the seed gives,
    then the one that comes nearest, then swaps of two that come nearer still.

    Parameters
    ----------
    corpus : Corpus
        The groups.
    wanted : mapping of str to float
        The shares of "valid" and "test".
    seed : int
        Gives the order.
    every_language : bool
        Whether each part gets a group of each language that can spare one, however far that is from its share.

    Raises
    ------
    InputError
        If a part would be empty.
    """
    table = _Table(corpus, wanted, seed)
    table.deal_mixed()
    for language in range(len(corpus.languages)):
        table.deal_language(language)
        if every_language:
            table.fill_language(language)
    table.fill_empty()
    have = np.zeros((3, len(corpus.languages)), np.int64)
    np.add.at(have, (table.part[corpus.owner], corpus.language), corpus.size)
    return Dealt(table.part[corpus.group].astype(np.int8), have)


class _Table:
    """The dealing as it goes on."""

    def __init__(self, corpus: Corpus, wanted: Mapping[str, float], seed: int) -> None:
        self.corpus = corpus
        self.numbers = {("train", "valid", "test").index(name): share for name, share in wanted.items()}
        self.part = np.zeros(len(corpus.names), np.int64)
        self.order = np.lexsort((corpus.names, mixed(corpus.names, seed)))
        self.rank = np.empty(len(corpus.names), np.int64)
        self.rank[self.order] = np.arange(len(corpus.names))
        total = np.bincount(corpus.language, weights=corpus.size, minlength=len(corpus.languages))
        self.total = np.rint(total).astype(np.int64)
        self.target = {n: np.rint(self.total * share).astype(np.int64) for n, share in self.numbers.items()}
        self.have = {n: np.zeros(len(corpus.languages), np.int64) for n in self.numbers}
        self.single = np.bincount(corpus.owner, minlength=len(corpus.names)) == 1

    def deal_mixed(self) -> None:
        """Give groups of several languages to a part that has room for all of them."""
        corpus = self.corpus
        pieces = np.flatnonzero(~self.single[corpus.owner])
        pieces = pieces[np.argsort(self.rank[corpus.owner[pieces]], kind="stable")]
        for own in np.split(pieces, np.flatnonzero(np.diff(corpus.owner[pieces])) + 1):
            language, size = corpus.language[own], corpus.size[own]
            for number in self.numbers if len(own) else ():
                if (self.have[number][language] + size <= self.target[number][language]).all():
                    self.have[number][language] += size
                    self.part[corpus.owner[own[0]]] = number
                    break

    def deal_language(self, language: int) -> None:
        """Give the groups of one language alone to the parts."""
        corpus = self.corpus
        own = np.flatnonzero((corpus.language == language) & self.single[corpus.owner])
        own = own[np.argsort(self.rank[corpus.owner[own]], kind="stable")]
        owners, sizes = corpus.owner[own], corpus.size[own]
        near = int(self.total[language] * _NEAR)
        rooms = {n: max(0, int(self.target[n][language] - self.have[n][language])) for n in self.numbers}
        # Where the groups that are small enough do not suffice for all parts, none is served first.
        small = int(sizes[sizes < 2 * max(rooms.values())].sum())
        if small < sum(rooms.values()):
            rooms = {n: room * small // sum(rooms.values()) for n, room in rooms.items()}
        # A language of one large speaker and many small ones: training keeps half of the voices, whatever the shares.
        most = max(1, len(own) // 2 // len(rooms))
        left = {}
        for number, lacking in rooms.items():
            free = np.flatnonzero(self.part[owners] == TRAIN)
            taken = free[_fitting(sizes[free], lacking, near)[:most]]
            self.part[owners[taken]] = number
            left[number] = lacking - int(sizes[taken].sum())
            if len(taken) < most:
                left[number] = _nearest(self.part, owners, sizes, number, left[number])
        for _ in range(_SWAPS):  # in turn, so that no part has the better choice
            for number in rooms:
                left[number] = _swapped(_Hand(self.part, owners, sizes, number), left[number], near)

    def fill_language(self, language: int) -> None:
        """Give each part that has nothing of a language its smallest group, as long as training keeps one."""
        own = np.flatnonzero((self.corpus.language == language) & self.single[self.corpus.owner])
        for number in self.numbers:
            if (self.part[self.corpus.owner[self.corpus.language == language]] == number).any():
                continue
            spare = own[self.part[self.corpus.owner[own]] == TRAIN]
            if len(spare) > 1:
                first = np.lexsort((self.rank[self.corpus.owner[spare]], self.corpus.size[spare]))[0]
                self.part[self.corpus.owner[spare[first]]] = number

    def fill_empty(self) -> None:
        """Give a part that has nothing at all the smallest group that training can spare."""
        for number in self.numbers:
            if (self.part == number).any():
                continue
            size = np.bincount(self.corpus.owner, weights=self.corpus.size, minlength=len(self.part))
            spare = np.flatnonzero(self.part == TRAIN)
            if len(spare) < 2:
                name = ("train", "valid", "test")[number]
                raise InputError(
                    f"nothing can be held out for {name}: {_all_together(len(self.part))} "
                    f"by speakers, recordings and copies that they share"
                )
            self.part[spare[np.lexsort((self.rank[spare], size[spare]))[0]]] = number


def _all_together(n_groups: int) -> str:
    return "all utterances are tied together" if n_groups == 1 else f"there are only {n_groups} groups, tied together"


@dataclass(frozen=True, slots=True)
class _Hand:
    """A part that trades groups of one language with training."""

    part: Int64  # of every group; changed in place
    owners: Int64
    sizes: Int64
    number: int


def _fitting(sizes: Int64, room: int, near: int) -> Int64:
    """Return which of the sizes, in their order, fit into the room that those before have left."""
    taken = []
    for at, size in enumerate(sizes.tolist()):
        if room <= near:
            break
        if size <= room:
            room -= size
            taken.append(at)
    return np.array(taken, np.int64)


def _nearest(part: Int64, owners: Int64, sizes: Int64, number: int, lacking: int) -> int:
    """Take one more group where that comes nearer; return what is lacking then."""
    free = np.flatnonzero(part[owners] == TRAIN)
    if lacking <= 0 or len(free) < 2:  # training keeps one
        return lacking
    best = free[np.argmin(np.abs(sizes[free] - lacking))]
    if abs(lacking - int(sizes[best])) >= lacking:
        return lacking
    part[owners[best]] = number
    return lacking - int(sizes[best])


def _swapped(hand: _Hand, lacking: int, near: int) -> int:
    """Swap two groups where that comes nearer to what is lacking, in milliseconds; return what is lacking then."""
    mine = np.flatnonzero(hand.part[hand.owners] == hand.number)
    free = np.flatnonzero(hand.part[hand.owners] == TRAIN)
    if abs(lacking) <= near or not len(mine) or not len(free):
        return lacking
    free = free[np.argsort(hand.sizes[free], kind="stable")]
    at = np.searchsorted(hand.sizes[free], hand.sizes[mine] + lacking)
    tried = np.stack([np.clip(at - 1, 0, len(free) - 1), np.clip(at, 0, len(free) - 1)])
    gain = hand.sizes[free[tried]] - hand.sizes[mine]
    side, which = np.unravel_index(np.argmin(np.abs(lacking - gain)), gain.shape)
    if abs(lacking - int(gain[side, which])) >= abs(lacking):
        return lacking
    hand.part[hand.owners[mine[which]]] = TRAIN
    hand.part[hand.owners[free[tried[side, which]]]] = hand.number
    return lacking - int(gain[side, which])


def mixed(keys: UInt64, seed: int) -> UInt64:
    """Return numbers that look drawn at random, of keys and a seed: splitmix64, the same in every version of NumPy."""
    z = keys + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: UInt64 = z ^ (z >> np.uint64(31))
    return found
