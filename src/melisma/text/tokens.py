"""Lyrics to tokens, with the map back: which word each token belongs to, and which line each word stands in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from melisma.core.records import Lyrics, Tokens
from melisma.text.phrasing import phrase_begins


def tokenize(lyrics: Lyrics, spell: Callable[[str], Sequence[str]], labels: Sequence[str]) -> Tokens:
    """Spell every word of the lyrics in the labels of an engine.

    Parameters
    ----------
    lyrics : Lyrics
        Sung lines.
    spell : callable
        A word to labels; an empty result for a word without a sound of its own.
    labels : sequence of str
        The engine's labels; the position of a label is its id.

    Returns
    -------
    Tokens
        Words without sound own no token and keep their place in `line`.
    """
    index = {label: i for i, label in enumerate(labels)}
    ids: list[int] = []
    word_of: list[int] = []
    line_of: list[int] = []
    begins: list[bool] = []
    for number, line in enumerate(lyrics.lines):
        for word in line.words:
            spelt = [index[label] for label in spell(word)]
            ids += spelt
            word_of += [len(line_of)] * len(spelt)
            line_of.append(number)
        begins += phrase_begins(line.words)
    phrase = np.cumsum(np.array(begins, np.int64)) - 1
    return Tokens(np.array(ids, np.int64), np.array(word_of, np.int64), np.array(line_of, np.int64), phrase)
