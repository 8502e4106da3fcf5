"""The one door of the decoder: an emission, tokens and lyrics → words on the timeline.

Passages of the lyrics may be left out, sung again or sung in another order (`melisma.aligner.routes`); what is not sung
comes back unsung, what is sung more often than it is written as a repeat. What the costs are, and on which songs they
were chosen: docs/robust.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from melisma.aligner import passages as texts
from melisma.aligner import words
from melisma.aligner.backing import place_backing, without_lead
from melisma.aligner.copies import share_out
from melisma.aligner.passages import Passages, Sung
from melisma.aligner.routes import Route, RouteCosts, Visit, find_route
from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.second_pass import Searched, look_again
from melisma.aligner.synced import LineWindow, entry_costs
from melisma.aligner.viterbi import Wildcard, frames_needed, rest_scores
from melisma.core.errors import TooFewFrames, WrongLyrics
from melisma.core.records import Emission, Float32, Int64, Lyrics, Repeat, Tokens, Word
from melisma.core.timebase import Timebase

# A passage that is heard twice is taken where it fits best; of two that fit about as well, in its own place.
_ABOUT_AS_WELL = 0.3  # nats a token
# Lyrics of which fewer words are sure are held against gibberish of the same sounds: each passage spelt backwards. Of
# made-up songs with the lyrics of another, nine in ten beat it by less than 0.2 nats a token, real ones by 0.4 at most;
# with their own, real songs beat it by 0.9 at least (docs/robust.md).
_SURE, _FEW_SURE = 0.8, 0.3
_LIKE_GIBBERISH = 0.3  # nats a token
_ALIKE = 0.7  # share of pairs of sounds
# What fits worse than this is no repeat but chance: lines that nobody sings have −3.8 in the middle, true ones −0.9.
_HEARD = -2.0  # nats a token


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What a caller may turn.

    Parameters
    ----------
    wildcard : float or None
        What a frame of unsung sound between passages costs, in nats below the best label; None for no wildcard.
    costs : RouteCosts
        What leaving the written order costs.
    refuse : bool
        Whether lyrics that are not sung in the recording are an error; otherwise they get times all the same.
    second_pass : bool
        Whether doubtful stretches are searched again between trusted passages.
    """

    wildcard: float | None = 2.0
    costs: RouteCosts = field(default_factory=RouteCosts)
    refuse: bool = True
    second_pass: bool = True


@dataclass(frozen=True, slots=True)
class Decoded:
    """Every word of the lyrics once, in order, on the clock of the recording's samples; and lines sung once more."""

    words: tuple[Word, ...]
    repeats: tuple[Repeat, ...] = ()


def decode_words(
    emission: Emission,
    tokens: Tokens,
    lyrics: Lyrics,
    config: DecoderConfig | None = None,
    windows: Sequence[LineWindow] = (),
) -> Decoded:
    """Place every word of the lyrics.

    Parameters
    ----------
    emission : Emission
        What an engine heard.
    tokens : Tokens
        The lyrics spelt in its labels.
    lyrics : Lyrics
        The words themselves.
    windows : sequence of LineWindow
        Where lines are expected to begin.

    Raises
    ------
    TooFewFrames
        If no path can spell all tokens in so few frames.
    WrongLyrics
        If what is sung is something else, as far as it can be heard.
    """
    config = config or DecoderConfig()
    needed = frames_needed(tokens.ids)
    if len(emission.log_probs) < needed:
        raise TooFewFrames(len(emission.log_probs), needed)
    nowhere = _unsung(emission, tokens, lyrics)
    if not len(tokens.ids):
        return Decoded(nowhere)
    passages = texts.split(tokens, lyrics)
    route = _route(emission, tokens, passages, config, windows)
    if not route.visits and not config.refuse:
        return Decoded(nowhere)
    route = share_out(route, passages, tokens, _HEARD)
    sung = texts.as_sung([visit.passage for visit in route.visits], passages, tokens, lyrics)
    placed = words.unsettled(route.path, emission, sung.tokens, sung.lyrics)
    chosen = _in_order(_chosen(route), passages, tokens)
    first = _written(nowhere, placed, sung, chosen, tokens)
    out = list(first)
    searched = Searched(emission, tokens, lyrics, passages, config.wildcard, tuple(windows))
    if config.second_pass:
        out = list(look_again(out, searched))
    if config.wildcard is not None and passages.backing.any():
        left = without_lead(emission, route.path, sung.tokens.ids)
        for number, word in place_backing(out, searched, left).items():
            out[number] = word
    if config.refuse and _is_gibberish(out, route, emission, tokens, passages, config):
        raise WrongLyrics(
            "these are not the lyrics of this recording, or not in its language, or it cannot be heard what is sung: "
            "they fit it hardly better than nonsense of the same sounds"
        )
    return Decoded(words.settled(out, first), _repeats(route, chosen, sung, placed, tokens))


def _written(
    nowhere: tuple[Word, ...], placed: tuple[Word, ...], sung: Sung, chosen: dict[int, int], tokens: Tokens
) -> tuple[Word, ...]:
    """Put the words of the chosen visits back into the order of the text; the others stay unsung."""
    out = list(nowhere)
    for k, word in enumerate(placed):
        if sung.visit[k] in chosen:
            out[int(sung.words[k])] = replace(word, line=int(tokens.line[sung.words[k]]))
    return tuple(out)


def _is_gibberish(
    placed: list[Word], route: Route, emission: Emission, tokens: Tokens, passages: Passages, config: DecoderConfig
) -> bool:
    """Whether few words are sure, and the text fits no better than one that nobody can have sung."""
    sure = sum((word.confidence or 0.0) > _SURE for word in placed)
    if sure >= _FEW_SURE * len(placed):
        return False
    backwards = tokens.ids.copy()
    for first, stop in pairwise(passages.tokens):
        backwards[first:stop] = backwards[first:stop][::-1]
    if _reads_alike(tokens.ids, backwards):
        return False
    other = _route(emission, replace(tokens, ids=backwards), passages, config)
    return route.path.score - other.path.score < _LIKE_GIBBERISH * len(tokens.ids)


def _reads_alike(ids: Int64, backwards: Int64) -> bool:
    """Whether two texts have most pairs of neighbouring sounds in common: "la la la" says the same from its end."""
    pairs, others = (Counter(pairwise(each.tolist())) for each in (ids, backwards))
    return (pairs & others).total() > _ALIKE * max(1, len(ids) - 1)


def _unsung(emission: Emission, tokens: Tokens, lyrics: Lyrics) -> tuple[Word, ...]:
    clock = Timebase(emission.timebase.sample_rate, 1)
    rows = zip(lyrics.words, tokens.line.tolist(), strict=True)
    return tuple(Word(text, line, None, None, None, clock) for text, line in rows)


def _route(
    emission: Emission,
    tokens: Tokens,
    passages: Passages,
    config: DecoderConfig,
    windows: Sequence[LineWindow] = (),
) -> Route:
    wildcard = None if config.wildcard is None else Wildcard(config.wildcard)
    rest = rest_scores(emission.log_probs, emission.blank, wildcard, pauses(emission, SearchConfig()))
    heads = texts.line_heads(passages, tokens)

    def entries(first: int, stop: int) -> Float32:
        return entry_costs(windows, heads, stop - first, emission.timebase, first=first)

    return find_route(emission.log_probs, rest, tokens, passages, config.costs, entries if windows else None)


def _chosen(route: Route) -> dict[int, int]:
    """Choose one visit of each passage; return the passage of each chosen visit, by number of visit.

    Passages that follow each other stay together: what is compared is the run of passages that a visit stands in. Of
    visits that fit about as well that in the longest run is taken, where its neighbours in the text are sung too.
    """
    passages = np.array([visit.passage for visit in route.visits])
    gains = np.array([visit.gain for visit in route.visits])
    run = np.cumsum(np.diff(passages, prepend=-1) != 1)
    size = np.bincount(run)
    mean = np.bincount(run, gains) / np.maximum(size, 1)
    seen: dict[int, list[int]] = {}
    for k, visit in enumerate(route.visits):
        seen.setdefault(visit.passage, []).append(k)
    out: dict[int, int] = {}
    for passage, visits in seen.items():
        best = max(mean[run[k]] for k in visits)
        as_well = [k for k in visits if mean[run[k]] >= best - _ABOUT_AS_WELL]
        out[max(as_well, key=lambda k: (size[run[k]], -k))] = passage
    return out


def _in_order(chosen: dict[int, int], passages: Passages, tokens: Tokens) -> dict[int, int]:
    """Leave out what would make a line run backwards: its parts are sung in the order of the text or not at all."""
    kept: dict[int, int] = {}
    last: dict[int, int] = {}  # latest visit of each line
    for visit, passage in sorted(chosen.items(), key=lambda item: item[1]):
        line = int(tokens.line[passages.words[passage]])
        if visit > last.get(line, -1):
            kept[visit] = passage
            last[line] = visit
    return kept


def _repeats(
    route: Route, chosen: dict[int, int], sung: Sung, placed: tuple[Word, ...], tokens: Tokens
) -> tuple[Repeat, ...]:
    """Gather visits that were not chosen, but are heard, into runs of lines."""
    out: list[Repeat] = []
    before: Visit | None = None
    for k, visit in enumerate(route.visits):
        if k in chosen or visit.gain < _HEARD:
            before = None
            continue
        own = np.flatnonzero(sung.visit == k)
        first, last = placed[int(own[0])], placed[int(own[-1])]
        lines = tokens.line[sung.words[own]]
        made = Repeat(int(lines[0]), int(lines[-1]) + 1, first.start or 0, last.end or 0)
        if before is not None and visit.passage == before.passage + 1:
            made = replace(made, first=out[-1].first, start=out.pop().start)
        out.append(made)
        before = visit
    return tuple(out)
