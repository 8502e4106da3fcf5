"""Motifs are learnt: which utterances from, of which size the vocabulary comes out, and why of that."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Int64
from melisma.units.motifs import trainer
from melisma.units.motifs.alphabet import Alphabet, parts
from melisma.units.motifs.corpus import Utterance, batches
from melisma.units.motifs.hashing import hashed
from melisma.units.motifs.model import MotifModel

_AT_ONCE = 1 << 18  # units that are cut into pieces at once


@dataclass(frozen=True, slots=True)
class Learning:
    """How motifs are learnt.

    Parameters
    ----------
    vocab_size : int
        Pieces at most: `<unk>`, every unit, and the motifs.
    min_count : int
        A motif occurs at least that often.
    longest : int
        Units of a motif at most.
    most_units : int
        Units of the corpus to learn from at most; of more, whole utterances are drawn.
    seed : int
        Which ones are drawn.
    """

    vocab_size: int = 500
    min_count: int = 2
    longest: int = 32
    most_units: int = 20_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 3 <= self.vocab_size <= 200_000 or not 2 <= self.longest <= 512:
            raise InputError("a vocabulary has 3 to 200,000 pieces, a motif at most 2 to 512 units: one is not so")
        if self.min_count < 1 or self.most_units < 2 or self.seed < 0:
            raise InputError("motifs occur at least once, are learnt from at least two units, a seed is at least 0")


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The utterances that are learnt from, two or four bytes a unit, and how many there were.

    Parameters
    ----------
    utterances : tuple of bytes
        Units of each, in the order of the corpus, as `dtype`.
    dtype : str
        Of a unit.
    n_units : int
        In `utterances`.
    of_utterances, of_units : int
        In the corpus.
    k : int
        One more than the highest unit of the corpus.
    """

    utterances: tuple[bytes, ...]
    dtype: str
    n_units: int
    of_utterances: int
    of_units: int
    k: int

    def sequences(self) -> Iterator[Int64]:
        """Yield the units of each utterance, int64 [n]."""
        return (np.frombuffer(each, self.dtype).astype(np.int64) for each in self.utterances)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A model, the bytes of its file, and sentences that say what was not as asked for."""

    model: MotifModel
    data: bytes
    said: tuple[str, ...]


def draw(utterances: Iterable[Utterance], learning: Learning) -> Sample:
    """Take all utterances of a corpus, or draw as many whole ones as have `most_units` at most; reads it once.

    Raises
    ------
    InputError
        If there is no unit in it.
    """
    kept: list[tuple[int, int, bytes]] = []  # a heap: the highest hash, which goes first, in front
    n_units = n_all = highest = n = 0
    for n, each in enumerate(utterances, 1):
        highest = max(highest, int(each.units.max()))
        n_all += len(each.units)
        n_units += len(each.units)
        rank = int(hashed(np.array([n], dtype=np.uint64), learning.seed)[0])
        heapq.heappush(kept, (-rank, n, each.units.astype("<u2").tobytes()))
        while n_units > learning.most_units and len(kept) > 1:
            n_units -= len(heapq.heappop(kept)[2]) // 2
    if not n_all:
        raise InputError("there is no unit in the corpus")
    in_order = tuple(data for _, _, data in sorted(kept, key=lambda each: each[1]))
    return Sample(in_order, "<u2", n_units, n, n_all, highest + 1)


def learn(sample: Sample, k: int, learning: Learning) -> Learnt:
    """Learn motifs.

    Parameters
    ----------
    sample : Sample
        What from.
    k : int
        How many units there are; all of them get into the vocabulary, whether they occur or not.
    learning : Learning
        How.

    Raises
    ------
    InputError
        If the vocabulary has no room for a motif beside the units, or there is none in the corpus.
    MelismaError, MissingDependency
        As `trainer.train`.
    """
    alphabet = Alphabet(k)
    fewest = k + 2  # <unk>, the units, one motif
    if learning.vocab_size < fewest:
        raise InputError(f"a vocabulary of {learning.vocab_size:,} has no motif beside {k:,} units: take {fewest:,} up")
    size = learning.vocab_size
    while True:
        request = trainer.Request(size, learning.longest)
        data = trainer.train(_lines(sample, alphabet), request)
        model = MotifModel.of(data, "the model that was learnt")
        n_good = _often(model, _frequency(sample, model), learning.min_count)
        if not n_good:
            often = "once" if learning.min_count == 1 else f"{learning.min_count:,} times"
            raise InputError(f"no sequence of units occurs {often} in the corpus: there are no motifs in it")
        if n_good == model.n_joined:
            return Learnt(model, data, _said(sample, model, learning))
        size = 1 + k + n_good


def _lines(sample: Sample, alphabet: Alphabet) -> Iterator[str]:
    # A unit by itself stands beside nothing, so that the vocabulary knows it and no count of a sequence changes.
    yield from (alphabet.text(np.array([unit])) for unit in range(alphabet.k))
    for units in sample.sequences():
        yield from (alphabet.text(part) for part in parts(units, trainer.LONGEST))


def _frequency(sample: Sample, model: MotifModel) -> Int64:
    found = np.zeros(len(model.pieces), dtype=np.int64)
    for batch in batches(sample.sequences(), len, _AT_ONCE):
        found += np.bincount(np.concatenate(model.encode(batch)), minlength=len(found))
    return found


def _often(model: MotifModel, frequency: Int64, min_count: int) -> int:
    """Return how many of the joined pieces, from the first on, occur often enough."""
    rare = np.flatnonzero(model.occurrences(frequency)[1 : 1 + model.n_joined] < min_count)
    return int(rare[0]) if len(rare) else model.n_joined


def _said(sample: Sample, model: MotifModel, learning: Learning) -> tuple[str, ...]:
    said = []
    n, asked = len(model.pieces), learning.vocab_size
    if n < asked:
        said.append(
            f"the vocabulary has {n:,} pieces instead of {asked:,}: only {model.n_joined:,} sequences of 2 to "
            f"{learning.longest} units come up {learning.min_count:,} times or more in {sample.n_units:,} units"
        )
    if len(sample.utterances) < sample.of_utterances:
        said.append(
            f"learnt from {len(sample.utterances):,} of {sample.of_utterances:,} utterances, {sample.n_units:,} of "
            f"{sample.of_units:,} units, drawn at random: no more than {learning.most_units:,} were asked for"
        )
    return tuple(said)
