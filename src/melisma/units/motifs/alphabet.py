"""Units as characters of the private use area: nothing takes them for letters, digits or spaces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from melisma.core.errors import InputError
from melisma.core.records import Int64

_BASIC, _N_BASIC = 0xE000, 6400  # U+E000 to U+F8FF: three bytes each in UTF-8
_PLANE_15, _N_PLANE_15 = 0xF0000, 65534  # U+F0000 to U+FFFFD: four bytes


@dataclass(frozen=True, slots=True)
class Alphabet:
    r"""The characters of units 0 to k-1: from U+E000 on, or from U+F0000 where there are more than 6,400.

    Raises
    ------
    InputError
        If there are more units than private characters of a plane, or none.

    Examples
    --------
    >>> Alphabet(100).text(np.array([0, 99])).encode("ascii", "backslashreplace")
    b'\\ue000\\ue063'
    """

    k: int

    def __post_init__(self) -> None:
        if not 1 <= self.k <= _N_PLANE_15:
            raise InputError(f"motifs can be learnt of 1 to {_N_PLANE_15:,} kinds of units, not of {self.k:,}")

    @property
    def first(self) -> int:
        """Code point of unit 0."""
        return _BASIC if self.k <= _N_BASIC else _PLANE_15

    def text(self, units: Int64) -> str:
        """Return units, int [n], as characters."""
        return (units.astype(np.uint32) + np.uint32(self.first)).astype("<u4").tobytes().decode("utf-32-le")

    @staticmethod
    def units(text: str) -> tuple[int, ...]:
        """Return the units of characters, of either range.

        Raises
        ------
        InputError
            If one of them stands for no unit.
        """
        return tuple(map(_unit, text))

    @staticmethod
    def of(text: str) -> Alphabet:
        """Return the smallest alphabet that has the characters of a text, which is not empty."""
        last, plane_15 = max(Alphabet.units(text)), ord(text[0]) >= _PLANE_15
        return Alphabet(max(last + 1, _N_BASIC + 1) if plane_15 else last + 1)


def _unit(character: str) -> int:
    code = ord(character)
    for first, n in ((_BASIC, _N_BASIC), (_PLANE_15, _N_PLANE_15)):
        if first <= code < first + n:
            return code - first
    raise InputError(f"U+{code:04X} stands for no unit")


def parts(units: Int64, longest: int) -> Iterator[Int64]:
    """Yield a long sequence in parts of at most `longest` units, which are as even as can be.

    Examples
    --------
    >>> [part.tolist() for part in parts(np.arange(5), 2)]
    [[0], [1, 2], [3, 4]]
    """
    n_parts = -(-len(units) // longest)
    edges = np.arange(n_parts + 1) * len(units) // max(1, n_parts)
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield units[first:last]
