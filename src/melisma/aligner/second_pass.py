"""A second look at what is doubtful: stretches between trusted passages are searched again, in other ways.

What fits a whole song best need not fit each stretch of it best: settings of the search are a compromise. A passage
whose words are sure holds the frame; the passages between two such ones are searched again in the frames between them,
with blanks made dearer, or pauses free. What gives the surer words is kept, the first result included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from melisma.aligner import words
from melisma.aligner.passages import Passages, as_sung, line_heads
from melisma.aligner.routes import Entries, RouteCosts, find_route
from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.synced import LineWindow, entry_costs
from melisma.aligner.viterbi import Wildcard, rest_scores
from melisma.core.records import BACKING, Emission, Lyrics, Tokens, Word

# A word that is left unsung is worth as much as one that is as sure as this.
_UNSUNG = 0.3
TRUSTED = 0.8  # mean confidence of a passage that holds the frame
_SHORTEST = 10  # frames of a stretch that are worth a search
_BETTER = 2.5  # words that another way must be surer by


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search: what blanks cost on top, in nats a frame, what pauses cost, and what leaving the text costs."""

    blank: float
    pauses: SearchConfig
    costs: RouteCosts


WAYS = (
    Way(1.0, SearchConfig(), RouteCosts(token=2.6, aside=2.6, jump=None)),
    Way(0.0, SearchConfig(0.0, 0.0, 0.0), RouteCosts(jump=None)),
)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Passages [first, stop) and the frames between their trusted neighbours."""

    passages: tuple[int, int]
    frames: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Searched:
    """What was searched, and with what.

    Parameters
    ----------
    emission, tokens, lyrics, passages
        The song.
    wildcard : float or None
        What a frame of sound that is not in the text costs, in nats.
    windows : tuple of LineWindow
        Where lines are expected to begin.
    """

    emission: Emission
    tokens: Tokens
    lyrics: Lyrics
    passages: Passages
    wildcard: float | None = None
    windows: tuple[LineWindow, ...] = ()


def look_again(placed: Sequence[Word], searched: Searched) -> tuple[Word, ...]:
    """Search the doubtful stretches again.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics, in samples of the recording, as the first search placed it.
    searched : Searched
        What that was told.

    Returns
    -------
    tuple of Word
        Every word of the lyrics.
    """
    out = list(placed)
    passages = searched.passages
    for stretch in _stretches(placed, searched.emission, passages):
        low, high = (int(passages.words[k]) for k in stretch.passages)
        best, worth = out[low:high], _worth(out[low:high])
        for way in WAYS:
            other = _searched(stretch, way, placed, searched)
            if _worth(other) > worth + _BETTER:
                best, worth = other, _worth(other)
        out[low:high] = best
    return tuple(out)


def _worth(some: Sequence[Word]) -> float:
    return sum(_UNSUNG if word.start is None else (word.confidence or 0.0) for word in some)


def _stretches(placed: Sequence[Word], emission: Emission, passages: Passages) -> Iterator[_Stretch]:
    """Find runs of doubtful passages whose words all lie between the trusted passages around them, or nowhere."""
    n = len(passages)
    parts = [placed[a:b] for a, b in pairwise(passages.words)]
    anchors = [-1, *(k for k in range(n) if _trusted(parts[k])), n]
    stride, total = emission.timebase.stride, len(emission.log_probs)
    for before, after in pairwise(anchors):
        if after - before < 2:
            continue
        begin = 0 if before < 0 else -(-max(word.end or 0 for word in parts[before]) // stride)
        stop = total if after == n else min(word.start or 0 for word in parts[after]) // stride
        inside = [word for part in parts[before + 1 : after] for word in part if word.start is not None]
        kept = all(begin * stride <= (word.start or 0) < stop * stride for word in inside)
        if kept and stop - begin >= _SHORTEST:
            yield _Stretch((before + 1, after), (begin, stop))


def _trusted(part: Sequence[Word]) -> bool:
    if any(word.start is None or word.voice == BACKING for word in part):
        return False
    return float(np.mean([word.confidence or 0.0 for word in part])) >= TRUSTED


def _searched(stretch: _Stretch, way: Way, placed: Sequence[Word], searched: Searched) -> list[Word]:
    """Search the passages of a stretch in its frames; return their words."""
    emission, tokens, passages, wildcard = searched.emission, searched.tokens, searched.passages, searched.wildcard
    low, high = stretch.passages
    part = as_sung(range(low, high), passages, tokens, searched.lyrics)
    first_word, first_token = int(passages.words[low]), int(passages.tokens[low])
    own = Passages(
        passages.words[low : high + 1] - first_word,
        passages.tokens[low : high + 1] - first_token,
        passages.backing[low:high],
    )
    clip = emission.part(*stretch.frames)
    heard = clip.log_probs.copy()
    heard[:, clip.blank] -= np.float32(way.blank)
    paused = pauses(replace(clip, log_probs=heard), way.pauses)
    rest = rest_scores(heard, clip.blank, None if wildcard is None else Wildcard(wildcard), paused)
    route = find_route(heard, rest, part.tokens, own, way.costs, _entries(stretch, searched))
    out = [
        replace(word, start=None, end=None, confidence=None, expected_error_ms=None)
        for word in placed[first_word : first_word + len(part.words)]
    ]
    if not route.visits:
        return out
    sung = as_sung([visit.passage for visit in route.visits], own, part.tokens, part.lyrics)
    moved = stretch.frames[0] * emission.timebase.stride
    for i, word in zip(sung.words.tolist(), words.unsettled(route.path, clip, sung.tokens, sung.lyrics), strict=True):
        start, end = (word.start or 0) + moved, (word.end or 0) + moved
        out[i] = replace(
            out[i], start=start, end=end, confidence=word.confidence, expected_error_ms=word.expected_error_ms
        )
    return out


def _entries(stretch: _Stretch, searched: Searched) -> Entries | None:
    """Return what beginning each passage of a stretch costs in frames of it, as the first search was told."""
    if not searched.windows:
        return None
    first, (low, high) = stretch.frames[0], stretch.passages
    heads = line_heads(searched.passages, searched.tokens)[low:high]
    clock = searched.emission.timebase
    return lambda begin, stop: entry_costs(searched.windows, heads, stop - begin, clock, first=first + begin)
