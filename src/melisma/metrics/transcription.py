"""Word and character error rates of transcripts.

Conventions
-----------
Texts are compared as they are given: `melisma.text.scoring` makes them alike first. Words are what stands between
spaces; characters are code points, one space between words among them, as jiwer has it. A rate is the sum of
substitutions, deletions and insertions over the length of the reference, so it may exceed 1, and there is none where
there is no reference. Rates of many utterances are those of the sums of their counts, never means of their rates.

References
----------
Levenshtein, Soviet Physics Doklady 10, 1966; jiwer 4, whose alignments (rapidfuzz) these are. Where several alignments
need equally few edits, it is the one that rapidfuzz finds: their sum is defined, their kinds are that alignment's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jiwer

Unit = Literal["word", "character"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Edits that turn references into hypotheses; counts of several utterances can be added.

    Examples
    --------
    >>> total = Counts(hits=3, deletions=1) + Counts(hits=4, insertions=1)
    >>> total.errors, total.n_reference, total.rate
    (2, 8, 0.25)
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    @property
    def n_reference(self) -> int:
        """Length of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def n_hypothesis(self) -> int:
        """Length of the hypothesis."""
        return self.hits + self.substitutions + self.insertions

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Edits over the length of the reference; None where that is 0."""
        return self.errors / self.n_reference if self.n_reference else None


def total(counts: Iterable[Counts]) -> Counts:
    """Add counts up."""
    return sum(counts, Counts())


def units(text: str, unit: Unit = "word") -> list[str]:
    """Return what is counted of a text.

    >>> units("a bc"), units(" a  bc", "character")
    (['a', 'bc'], ['a', ' ', 'b', 'c'])
    """
    words = text.split()
    return words if unit == "word" else list(" ".join(words))


class Pair(NamedTuple):
    """Places in reference and hypothesis that stand against each other; None where one of them has nothing."""

    reference: int | None
    hypothesis: int | None
    equal: bool


@dataclass(frozen=True, slots=True)
class Edits:
    """How a hypothesis differs from its reference: both in units, and what stands against what, in order."""

    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    pairs: tuple[Pair, ...]

    @property
    def counts(self) -> Counts:
        """How many of each kind."""
        hits = sum(each.equal for each in self.pairs)
        insertions = sum(each.reference is None for each in self.pairs)
        deletions = sum(each.hypothesis is None for each in self.pairs)
        return Counts(hits, len(self.pairs) - hits - insertions - deletions, deletions, insertions)

    @property
    def wrong(self) -> Iterator[tuple[str, str]]:
        """Reference and hypothesis of each edit; "" where one of them has nothing."""
        for said, heard, equal in self.pairs:
            if not equal:
                yield (
                    "" if said is None else self.reference[said],
                    "" if heard is None else self.hypothesis[heard],
                )


def edits(reference: Sequence[str], hypothesis: Sequence[str]) -> Edits:
    """Align two sequences of units with as few edits as can be.

    Parameters
    ----------
    reference, hypothesis : sequence of str
        As `units` gives them; either may be empty.

    Examples
    --------
    >>> list(edits(["a", "b", "c"], ["a", "x", "c", "d"]).wrong)
    [('b', 'x'), ('', 'd')]
    """
    said, heard = tuple(reference), tuple(hypothesis)
    found = _processed(said, heard)
    return Edits(said, heard, tuple(_pairs(found.alignments[0])))


def _pairs(chunks: Iterable[jiwer.AlignmentChunk]) -> Iterator[Pair]:
    for chunk in chunks:
        said = range(chunk.ref_start_idx, chunk.ref_end_idx)
        heard = range(chunk.hyp_start_idx, chunk.hyp_end_idx)
        if chunk.type == "delete":
            yield from (Pair(i, None, False) for i in said)
        elif chunk.type == "insert":
            yield from (Pair(None, j, False) for j in heard)
        else:
            yield from (Pair(i, j, chunk.type == "equal") for i, j in zip(said, heard, strict=True))


def counts(reference: str, hypothesis: str, unit: Unit = "word") -> Counts:
    """Count the edits of a hypothesis, in words or in characters.

    Parameters
    ----------
    reference, hypothesis : str
        Compared as they are: normalise both before.
    unit : {"word", "character"}
        What is counted.

    Examples
    --------
    >>> counts("ovo je ta dobra pjesma", "ovo ta dobra pesma moja")
    Counts(hits=3, substitutions=1, deletions=1, insertions=1)
    >>> counts("pjesma", "pesma", "character").rate
    0.16666666666666666
    """
    found = _processed(units(reference, unit), units(hypothesis, unit))
    return Counts(found.hits, found.substitutions, found.deletions, found.insertions)


def _processed(reference: Sequence[str], hypothesis: Sequence[str]) -> jiwer.WordOutput:
    """Let jiwer align units as they are, without the transforms that it would split sentences with."""

    def given(these: Sequence[str]) -> Any:
        return lambda _: [list(these)]

    return jiwer.process_words("", "", given(reference), given(hypothesis))
