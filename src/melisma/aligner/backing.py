"""Words in parentheses that the lead leaves no room for: each group looked for on a track of its own, over the lead.

A group that is sung after its line, as an echo, is found with the rest of the song. One that is not is searched by
itself, from the line that it stands in or behind to the next one; what else is heard there passes as a wildcard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from melisma.aligner import words
from melisma.aligner.passages import Passages
from melisma.aligner.routes import RouteCosts, find_route
from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.viterbi import Wildcard, frames_needed, rest_scores
from melisma.core.records import BACKING, Emission, LyricLine, Lyrics, Tokens, Word

_EARLY_S = 1.0  # before the line that it belongs to
_LONGEST_S = 10.0  # after that line, where no line follows
# Of groups that fit better than this, three in four stood where they are sung, in made-up songs (docs/robust.md).
_HEARD = -2.2  # nats a token
_NEVER_LEFT_OUT = RouteCosts(leave=1e6, jump=None)


def place_backing(
    placed: Sequence[Word], emission: Emission, tokens: Tokens, passages: Passages, wildcard: float
) -> dict[int, Word]:
    """Look for the groups in parentheses that are unsung so far.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics, in samples of the recording.
    emission, tokens, passages
        As they were searched.
    wildcard : float
        What a frame of other sound costs, in nats.

    Returns
    -------
    dict
        Words that were found, by their numbers.
    """
    out: dict[int, Word] = {}
    spans = [_span(placed[a:b]) for a, b in pairwise(passages.words)]
    leads = [k for k in range(len(passages)) if not passages.backing[k] and spans[k] is not None]
    for group in np.flatnonzero(passages.backing):
        before = [k for k in leads if k < group]
        if spans[group] is not None or not before:
            continue
        after = [k for k in leads if k > group]
        begin, end = spans[before[-1]] or (0, 0)
        coming = (spans[after[0]] or (0, 0))[0] if after else emission.duration
        rate = emission.timebase.sample_rate
        stop = min(coming, end + round(_LONGEST_S * rate))
        stride = emission.timebase.stride
        frames = max(0, begin - round(_EARLY_S * rate)) // stride, min(-(-stop // stride), len(emission.log_probs))
        for number, word in _search(int(group), frames, emission, tokens, passages, wildcard).items():
            out[number] = replace(word, text=placed[number].text, line=placed[number].line)
    return out


def _span(some: Sequence[Word]) -> tuple[int, int] | None:
    timed = [word for word in some if word.start is not None]
    return ((timed[0].start or 0), (timed[-1].end or 0)) if timed else None


def _search(
    group: int,
    frames: tuple[int, int],
    emission: Emission,
    tokens: Tokens,
    passages: Passages,
    wildcard: float,
) -> dict[int, Word]:
    """Look for a group in some frames; return its words without their texts and lines."""
    first, stop = frames
    low, high = int(passages.words[group]), int(passages.words[group + 1])
    part = slice(int(passages.tokens[group]), int(passages.tokens[group + 1]))
    phrase = None if tokens.phrase is None else tokens.phrase[low:high]
    own = Tokens(tokens.ids[part], tokens.word[part] - low, np.zeros(high - low, np.int64), phrase)
    if stop - first < frames_needed(own.ids):
        return {}
    clip = emission.part(first, stop)
    rest = rest_scores(clip.log_probs, clip.blank, Wildcard(wildcard), pauses(clip, SearchConfig()))
    alone = Passages(np.array([0, high - low]), np.array([0, len(own.ids)]), np.zeros(1, np.bool_))
    route = find_route(clip.log_probs, rest, own, alone, _NEVER_LEFT_OUT)
    if not route.visits or route.visits[0].gain < _HEARD:
        return {}
    text = Lyrics((LyricLine(("",) * (high - low)),))
    moved = first * emission.timebase.stride
    return {
        low + i: replace(word, start=(word.start or 0) + moved, end=(word.end or 0) + moved, voice=BACKING)
        for i, word in enumerate(words.unsettled(route.path, clip, own, text))
    }
