"""Lyrics as passages, runs of words that are sung as a whole or not at all, and as what of them is sung, in order.

A passage is a line, or the part of a line inside or outside parentheses: backing vocals stand in parentheses, and are
sung over the lead, after it or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Int64, LyricLine, Lyrics, Tokens

_OPEN, _SHUT = "(（", ")）"


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages in the order of the text: words [words[k], words[k + 1]) and tokens [tokens[k], tokens[k + 1]).

    Both are int64 [n_passages + 1]; every word stands in one passage, every passage owns a token. `backing` is bool
    [n_passages], whether it stands in parentheses.
    """

    words: Int64
    tokens: Int64
    backing: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.backing)


@dataclass(frozen=True, slots=True)
class Sung:
    """Passages as they are sung: their tokens and lyrics, and which word of the text each word is, int64 [n_words]."""

    tokens: Tokens
    lyrics: Lyrics
    words: Int64
    visit: Int64  # of each word: the number of its passage in the order of singing


def in_parentheses(words: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which words stand in parentheses, bool [n_words]; one that is never shut ends with its text.

    Examples
    --------
    >>> in_parentheses("come (come on) home".split()).tolist()
    [False, True, True, False]
    """
    out = np.zeros(len(words), np.bool_)
    depth = 0
    for i, word in enumerate(words):
        opened = sum(word.count(sign) for sign in _OPEN)
        out[i] = depth + opened > 0 and not _shut_inside(word, depth)
        depth = max(0, depth + opened - sum(word.count(sign) for sign in _SHUT))
    return out


def _shut_inside(word: str, depth: int) -> bool:
    """Whether parentheses open and shut inside a word that goes on outside: "walk(ing)" is one word of the lead."""
    return depth == 0 and word[0] not in _OPEN and any(word.count(sign) for sign in _OPEN)


def split(tokens: Tokens, lyrics: Lyrics) -> Passages:
    """Split a text into passages.

    Words without sound go with the passage in front of them, at the head of the text with the one behind.
    """
    inside = np.concatenate([np.zeros(0, np.bool_), *(in_parentheses(line.words) for line in lyrics.lines)])
    line = tokens.line
    begins = np.ones(len(line), np.bool_)
    begins[1:] = (line[1:] != line[:-1]) | (inside[1:] != inside[:-1])
    run = np.cumsum(begins) - 1
    sounding, first_token = np.unique(run[tokens.word], return_index=True)
    first_word: Int64 = np.searchsorted(run, np.atleast_1d(sounding)).astype(np.int64)
    first_word[:1] = 0
    return Passages(
        np.append(first_word, len(line)),
        np.append(first_token, len(tokens.ids)).astype(np.int64),
        inside[np.searchsorted(run, sounding)],
    )


def line_heads(passages: Passages, tokens: Tokens) -> Int64:
    """Return the line that each passage begins, int64 [n_passages]; -1 for one that goes on with its line."""
    lines = tokens.line[passages.words[:-1]]
    return np.where(np.diff(lines, prepend=-1) != 0, lines, -1)


def as_sung(order: Sequence[int], passages: Passages, tokens: Tokens, lyrics: Lyrics) -> Sung:
    """Write passages down in the order in which they are sung; a line begins where one begins in the text, or a leap.

    Parameters
    ----------
    order : sequence of int
        Numbers of passages; some may be missing, some may come more than once.
    """
    texts = lyrics.words
    ids: list[Int64] = []
    owner: list[Int64] = []
    words: list[int] = []
    visit: list[int] = []
    rows: list[list[int]] = []
    for k, passage in enumerate(order):
        first, stop = int(passages.words[passage]), int(passages.words[passage + 1])
        part = slice(int(passages.tokens[passage]), int(passages.tokens[passage + 1]))
        ids.append(tokens.ids[part])
        owner.append(tokens.word[part] - first + len(words))
        for word in range(first, stop):
            follows = bool(words) and words[-1] == word - 1 and tokens.line[word - 1] == tokens.line[word]
            if not follows or not rows:
                rows.append([])
            rows[-1].append(word)
            words.append(word)
            visit.append(k)
    line = np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int64)
    nothing = np.zeros(0, np.int64)
    return Sung(
        Tokens(
            np.concatenate(ids or [nothing]), np.concatenate(owner or [nothing]), line, _phrases(words, line, tokens)
        ),
        Lyrics(tuple(LyricLine(tuple(texts[word] for word in row)) for row in rows)),
        np.array(words, np.int64),
        np.array(visit, np.int64),
    )


def _phrases(words: Sequence[int], line: Int64, tokens: Tokens) -> Int64 | None:
    """Return the phrases of words in the order of singing: a new one where the text has one, or a line begins."""
    if tokens.phrase is None:
        return None
    own = tokens.phrase[np.array(words, np.int64)]
    begins = np.ones(len(own), np.int64)
    begins[1:] = (own[1:] != own[:-1]) | (line[1:] != line[:-1])
    return np.asarray(np.cumsum(begins) - 1, np.int64)
