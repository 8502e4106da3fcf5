"""Words in the phones of a vocabulary, for networks that were trained on what espeak-ng makes of words."""

from __future__ import annotations

from collections.abc import Iterable

from melisma.text.g2p import EspeakG2P


class Phones:
    """Spells words by G2P; a phone that the labels lack is written as the nearest that they have.

    Parameters
    ----------
    labels : iterable of str
        Those that spell: no blank, no mark for padding.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._g2p = EspeakG2P(tuple(labels))

    def spell(self, word: str, language: str) -> tuple[str, ...]:
        """Return the labels of a word; UnknownName for a language that espeak-ng has no voice for."""
        return self._g2p.phones(word, language)
