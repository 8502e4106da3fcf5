"""Phrases that go round and round, as transcribers write them over music, and as choruses do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 12  # words of a phrase that may go round
LEAST = 4  # rounds, from which on it may be a loop rather than a chorus


def rounds(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return the length of the phrase that goes round from a place on, and how often: what covers most words.

    >>> rounds("a b a b a b a b".split(), 0), rounds("a b a b".split(), 0)
    ((2, 4), (1, 1))
    """
    best = (1, 1)
    for length in range(1, min(LONGEST, (len(words) - at) // LEAST) + 1):
        found = rounds_of(words, at, length)
        if found >= LEAST and found * length > best[0] * best[1]:
            best = (length, found)
    return best


def rounds_of(words: Sequence[str], at: int, length: int) -> int:
    """Return how often the phrase of `length` words at a place stands there in a row."""
    found = 1
    while words[at + found * length : at + (found + 1) * length] == words[at : at + length]:
        found += 1
    return found


class Loop(NamedTuple):
    """A phrase that goes round: its first word's place, its length in words, and its rounds."""

    at: int
    length: int
    rounds: int


def loops(words: Sequence[str]) -> list[Loop]:
    """Return the loops of a text, in order, none within another.

    >>> loops("ej la la la la la".split())
    [Loop(at=1, length=1, rounds=5)]
    """
    found: list[Loop] = []
    i = 0
    while i < len(words):
        length, times = rounds(words, i)
        if times >= LEAST:
            found.append(Loop(i, length, times))
            i += length * times
        else:
            i += 1
    return found


def most_rounds(words: Sequence[str], phrase: Sequence[str]) -> int:
    """Return how often a phrase stands in a row at most, 0 where it does not stand.

    >>> most_rounds("a a b a a a".split(), ["a"])
    3
    """
    length, most = len(phrase), 0
    for i in range(len(words) - length + 1):
        if list(words[i : i + length]) == list(phrase):
            most = max(most, rounds_of(words, i, length))
    return most
