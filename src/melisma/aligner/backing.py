"""Words in parentheses that the lead leaves no room for: each group looked for on a track of its own, over the lead.

A group that is sung after its line, as an echo, is found with the rest of the song. One that is not is searched by
itself, from the line that it stands in or behind to the next one; what else is heard there passes as a wildcard. A
group that says what the lead says beside it is not heard in the lead: the sounds that the lead sings are taken then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np

from melisma.aligner import words
from melisma.aligner.passages import Passages
from melisma.aligner.routes import RouteCosts, find_route
from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.second_pass import Searched
from melisma.aligner.viterbi import Path, Wildcard, frames_needed, rest_scores
from melisma.core.records import BACKING, Emission, Float32, Int64, LyricLine, Lyrics, Tokens, Word

_EARLY_S = 1.0  # before the line that it belongs to
_LONGEST_S = 10.0  # after that line, where no line follows
# Of groups that fit better than this, three in four stood where they are sung, in made-up songs (docs/robust.md).
_HEARD = -2.2  # nats a token
_TAKEN = np.float32(-12.0)  # nats: as little as a network ever says of a sound
_ALIKE = 0.6  # share of a group's sounds
_NEVER_LEFT_OUT = RouteCosts(leave=1e6, jump=None)


def without_lead(emission: Emission, path: Path, ids: Int64) -> Float32:
    """Return log-probabilities from which the sounds of a path are taken, float32 [n_frames, n_labels].

    Parameters
    ----------
    emission : Emission
        What was heard.
    path : Path
        Through it; its sounds, and the frames next to them, become as unlikely as can be heard.
    ids : int64 [n_tokens]
        Labels of the path's tokens.
    """
    left = emission.log_probs.copy()
    frames = np.flatnonzero(path.states % 2)
    labels = ids[path.states[frames] // 2]
    for beside in (-1, 0, 1):
        at = np.clip(frames + beside, 0, len(left) - 1)
        left[at, labels] = np.minimum(left[at, labels], _TAKEN)
    return left


def place_backing(placed: Sequence[Word], searched: Searched, left: Float32) -> dict[int, Word]:
    """Look for the groups in parentheses that are unsung so far.

    Parameters
    ----------
    placed : sequence of Word
        Every word of the lyrics, in samples of the recording.
    searched : Searched
        The emission, the text and its passages, as they were searched.
    left : float32 [n_frames, n_labels]
        What `without_lead` leaves of the emission.

    Returns
    -------
    dict
        Words that were found, by their numbers.
    """
    emission, passages = searched.emission, searched.passages
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
        beside = [before[-1], *after[:1]]
        heard = left if any(_says_alike(int(group), k, searched) for k in beside) else emission.log_probs
        for number, word in _search(int(group), frames, searched, heard).items():
            out[number] = replace(word, text=placed[number].text, line=placed[number].line)
    return out


def _says_alike(group: int, lead: int, searched: Searched) -> bool:
    """Whether most of a group's sounds are sung by a passage of the lead, in one piece."""
    first, stop = searched.passages.tokens[:-1], searched.passages.tokens[1:]
    own, other = (searched.tokens.ids[first[k] : stop[k]].tolist() for k in (group, lead))
    return SequenceMatcher(None, own, other, autojunk=False).find_longest_match().size > _ALIKE * len(own)


def _span(some: Sequence[Word]) -> tuple[int, int] | None:
    timed = [word for word in some if word.start is not None]
    return ((timed[0].start or 0), (timed[-1].end or 0)) if timed else None


def _search(
    group: int,
    frames: tuple[int, int],
    searched: Searched,
    heard: Float32,
) -> dict[int, Word]:
    """Look for a group in some frames; return its words without their texts and lines."""
    tokens, passages = searched.tokens, searched.passages
    first, stop = frames
    low, high = int(passages.words[group]), int(passages.words[group + 1])
    part = slice(int(passages.tokens[group]), int(passages.tokens[group + 1]))
    phrase = None if tokens.phrase is None else tokens.phrase[low:high]
    own = Tokens(tokens.ids[part], tokens.word[part] - low, np.zeros(high - low, np.int64), phrase)
    if stop - first < frames_needed(own.ids):
        return {}
    clip = searched.emission.part(first, stop)
    wildcard = None if searched.wildcard is None else Wildcard(searched.wildcard)
    rest = rest_scores(clip.log_probs, clip.blank, wildcard, pauses(clip, SearchConfig()))
    alone = Passages(np.array([0, high - low]), np.array([0, len(own.ids)]), np.zeros(1, np.bool_))
    clip = replace(clip, log_probs=heard[first:stop])
    route = find_route(clip.log_probs, rest, own, alone, _NEVER_LEFT_OUT)
    if not route.visits or route.visits[0].gain < _HEARD:
        return {}
    text = Lyrics((LyricLine(("",) * (high - low)),))
    moved = first * clip.timebase.stride
    return {
        low + i: replace(word, start=(word.start or 0) + moved, end=(word.end or 0) + moved, voice=BACKING)
        for i, word in enumerate(words.unsettled(route.path, clip, own, text))
    }
