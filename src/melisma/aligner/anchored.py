"""Words searched again between words whose place is known: what a person has set holds, its neighbours follow.

Words that nobody asked for, and those that a person has set, stand to the tick. Each run of the others is searched in
the sound between the sung words in front of it and behind it; all of its words are placed there, in their order, but
lines that are unsung so far, which are placed only where they fit. Words of backing voices stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from melisma.aligner import words as placing
from melisma.aligner.passages import Passages, as_sung
from melisma.aligner.routes import RouteCosts, find_route
from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.second_pass import TRUSTED
from melisma.aligner.viterbi import Wildcard, frames_needed, rest_scores, viterbi
from melisma.core.records import LEAD, Alignment, Emission, Int64, LyricLine, Lyrics, Tokens, Word

# What stands in the room of a stretch but is not of it sounds as little as a network ever says of a sound, in nats.
_TAKEN = np.float32(-12.0)
# Words that are sung stay sung; a line that was unsung costs as much to leave out as the decoder asks, a token.
_COSTS = RouteCosts(leave=30.0, token=60.0, aside=4.5, jump=None)
_WILDCARD = Wildcard(2.0)  # as the decoder's


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words that are searched together, by their numbers, and the ticks [begin, stop) of the alignment to do it in."""

    words: tuple[int, ...]
    begin: int
    stop: int


def around(alignment: Alignment, corrected: Iterable[int]) -> frozenset[int]:
    """Return the words to search where only the corrected ones are known: from each to the next trusted line.

    A line is trusted where all of its words are sung, and sure in the mean.
    """
    anchors = sorted(set(corrected))
    free: set[int] = set()
    for anchor in anchors:
        free.update(_until_trusted(alignment, anchor, anchors, 1))
        free.update(_until_trusted(alignment, anchor, anchors, -1))
    return frozenset(free) - frozenset(anchors)


def _until_trusted(alignment: Alignment, anchor: int, anchors: Sequence[int], step: int) -> Iterator[int]:
    line, held = alignment.words[anchor].line, set(anchors)
    yield from _others(alignment, line)
    line += step
    while 0 <= line < len(alignment.lines):
        numbers = _others(alignment, line)
        if held.intersection(numbers):
            yield from numbers
            return
        if _is_trusted(alignment.words[i] for i in numbers):
            return
        yield from numbers
        line += step


def _others(alignment: Alignment, line: int) -> range:
    return range(alignment.lines[line].first, alignment.lines[line].stop)


def _is_trusted(line: Iterable[Word]) -> bool:
    return float(np.mean([0.0 if word.unsung else (word.confidence or 0.0) for word in line])) >= TRUSTED


def stretches(alignment: Alignment, free: Iterable[int]) -> tuple[Stretch, ...]:
    """Find the runs of words that are searched, and the room of each between the sung words that stay.

    Where a passage is sung before the one that is written in front of it, the words of the line that goes on are
    searched behind it, those of the line that comes before it, and lines between stay as they are.
    """
    chosen = {i for i in free if alignment.words[i].voice == LEAD}
    found: list[Stretch] = []
    run: list[int] = []
    before: int | None = None
    for i, word in enumerate(alignment.words):
        if i in chosen:
            run.append(i)
        elif word.voice == LEAD and not word.unsung:
            found += _rooms(alignment, run, before, i, chosen)
            run, before = [], i
    found += _rooms(alignment, run, before, None, chosen)
    return tuple(found)


def _rooms(
    alignment: Alignment, run: list[int], before: int | None, after: int | None, chosen: set[int]
) -> Iterator[Stretch]:
    if not run:
        return
    begin = 0 if before is None else alignment.words[before].end or 0
    stop = alignment.duration if after is None else alignment.words[after].start or 0
    if begin < stop:
        yield Stretch(tuple(run), begin, stop)
        return
    if before is None or after is None or alignment.words[before].line == alignment.words[after].line:
        return  # they leave no room
    ours, theirs = alignment.words[before].line, alignment.words[after].line
    fixed = [w for i, w in enumerate(alignment.words) if i not in chosen and w.voice == LEAD and not w.unsung]
    behind = tuple(i for i in run if alignment.words[i].line == ours)
    ahead = tuple(i for i in run if alignment.words[i].line == theirs)
    end = min((word.start or 0 for word in fixed if (word.start or 0) >= begin), default=alignment.duration)
    start = max((word.end or 0 for word in fixed if (word.end or 0) <= stop), default=0)
    for part, low, high in ((behind, begin, end), (ahead, start, stop)):
        if part and low < high:
            yield Stretch(part, low, high)


def realigned(alignment: Alignment, free: Iterable[int], emission: Emission, tokens: Tokens) -> Alignment:
    """Search words again between those that stay.

    Parameters
    ----------
    alignment : Alignment
        On any clock.
    free : iterable of int
        Numbers of the words that may move.
    emission : Emission
        What an engine heard in the recording.
    tokens : Tokens
        The words of the alignment in its labels; those of words that may not move are not looked at.

    Returns
    -------
    Alignment
        All other words are as they were, and so are those of a stretch that has too little room for them.
    """
    chosen = frozenset(free)
    out = list(alignment.words)
    found: dict[int, Word] = {}
    for stretch in stretches(alignment, chosen):
        found |= _searched(alignment, stretch, chosen, emission, tokens)
    for i, word in zip(found, placing.settled(list(found.values())), strict=True):
        out[i] = word
    made = replace(alignment, words=tuple(out))
    made.check()
    return made


def _searched(
    alignment: Alignment, stretch: Stretch, chosen: frozenset[int], emission: Emission, whole: Tokens
) -> dict[int, Word]:
    """Return the words of a stretch where they are heard, by their numbers; none where there is too little room."""
    tokens, lyrics = _tokens(whole, stretch.words), _lyrics(alignment, stretch.words)
    frames = _frames(alignment, stretch, emission)
    if not len(tokens.ids) or frames[1] - frames[0] < frames_needed(tokens.ids):
        return {}
    clip = _freed(alignment, emission.part(*frames), frames[0], chosen)
    optional = np.array([alignment.words[i].unsung for i in stretch.words])
    placed = _placed(clip, tokens, lyrics, optional)
    return _on_clock(alignment, stretch, placed, frames[0] * emission.timebase.stride)


def _lyrics(alignment: Alignment, numbers: Sequence[int]) -> Lyrics:
    rows = groupby(numbers, lambda i: alignment.words[i].line)
    return Lyrics(tuple(LyricLine(tuple(alignment.words[i].text for i in row)) for _, row in rows))


def _tokens(whole: Tokens, numbers: Sequence[int]) -> Tokens:
    """Return the tokens of some words, which are counted from 0, and so are their lines."""
    own = np.array(numbers, np.int64)
    held = np.isin(whole.word, own)
    line = np.unique(whole.line[own], return_inverse=True)[1].astype(np.int64)
    phrase = None if whole.phrase is None else whole.phrase[own]
    return Tokens(whole.ids[held], np.searchsorted(own, whole.word[held]).astype(np.int64), line, phrase)


def _frames(alignment: Alignment, stretch: Stretch, emission: Emission) -> tuple[int, int]:
    """Return the frames of an emission that lie in the room of a stretch."""
    clock = emission.timebase
    begin_s, stop_s = (alignment.timebase.seconds(tick) for tick in (stretch.begin, stretch.stop))
    first = int(np.ceil(begin_s * clock.sample_rate / clock.stride))
    stop = int(np.floor(stop_s * clock.sample_rate / clock.stride))
    n_frames = len(emission.log_probs)
    last = n_frames if stretch.stop >= alignment.duration else min(stop, n_frames)
    return min(first, last), last


def _freed(alignment: Alignment, clip: Emission, first: int, chosen: frozenset[int]) -> Emission:
    """Take away the sounds of words that stay: those of a line that is sung here though it is written elsewhere."""
    taken = np.zeros(len(clip.log_probs), np.bool_)
    for i, word in enumerate(alignment.words):
        if i not in chosen and word.voice == LEAD and word.start is not None and word.end is not None:
            low, high = (
                round(alignment.timebase.seconds(tick) * clip.timebase.sample_rate / clip.timebase.stride) - first
                for tick in (word.start, word.end)
            )
            taken[max(0, low) : max(0, high)] = True
    if not taken.any():
        return clip
    heard = clip.log_probs.copy()
    sounds = np.arange(heard.shape[1]) != clip.blank
    heard[np.ix_(taken, sounds)] = np.minimum(heard[np.ix_(taken, sounds)], _TAKEN)
    return replace(clip, log_probs=heard)


def _placed(clip: Emission, tokens: Tokens, lyrics: Lyrics, optional: npt.NDArray[np.bool_]) -> list[Word | None]:
    """Place words in an emission; None for those of lines that are left out."""
    passages = _passages(tokens, optional)
    pause = pauses(clip, SearchConfig())
    if not passages.backing.any():
        path = viterbi(clip.log_probs, tokens, clip.blank, _WILDCARD, pause)
        return list(placing.unsettled(path, clip, tokens, lyrics))
    rest = rest_scores(clip.log_probs, clip.blank, _WILDCARD, pause)
    route = find_route(clip.log_probs, rest, tokens, passages, _COSTS)
    out: list[Word | None] = [None] * len(lyrics.words)
    if route.visits:
        sung = as_sung([visit.passage for visit in route.visits], passages, tokens, lyrics)
        found = placing.unsettled(route.path, clip, sung.tokens, sung.lyrics)
        for i, word in zip(sung.words.tolist(), found, strict=True):
            out[i] = word
    return out


def _passages(tokens: Tokens, optional: npt.NDArray[np.bool_]) -> Passages:
    """Split a text into lines, and lines where they begin or cease to be optional, which `backing` says of each."""
    begins = np.ones(len(optional), np.bool_)
    begins[1:] = (tokens.line[1:] != tokens.line[:-1]) | (optional[1:] != optional[:-1])
    run = np.cumsum(begins) - 1
    sounding, first_token = np.unique(run[tokens.word], return_index=True)
    first_word: Int64 = np.searchsorted(run, np.atleast_1d(sounding)).astype(np.int64)
    first_word[:1] = 0
    return Passages(
        np.append(first_word, len(optional)),
        np.append(first_token, len(tokens.ids)).astype(np.int64),
        optional[np.searchsorted(run, sounding)],
    )


def _on_clock(alignment: Alignment, stretch: Stretch, placed: Sequence[Word | None], moved: int) -> dict[int, Word]:
    """Put words of a stretch on the clock of the alignment, inside of the room; `moved` is where it begins, in samples.

    A word without sound of its own, in front of a line that is left out, is left out with it.
    """
    clock, at = alignment.timebase, stretch.begin
    out: dict[int, Word] = {}
    for i, found in zip(stretch.words, placed, strict=True):
        old = alignment.words[i]
        if found is None or found.start is None or found.end is None:
            out[i] = replace(old, start=None, end=None, confidence=None, expected_error_ms=None)
            continue
        seconds = (found.timebase.seconds(tick + moved) for tick in (found.start, found.end))
        start, end = (min(max(clock.ticks(second), at), stretch.stop) for second in seconds)
        at = start
        expected, sure = found.expected_error_ms, found.confidence
        out[i] = replace(old, start=start, end=max(start, end), confidence=sure, expected_error_ms=expected)
    return out
