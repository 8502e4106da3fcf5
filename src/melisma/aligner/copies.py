"""Lines that are written more than once: each time that they are sung goes to a copy of its own, while there is one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

from melisma.aligner.passages import Passages
from melisma.aligner.routes import Route
from melisma.core.records import Tokens


def share_out(route: Route, passages: Passages, tokens: Tokens, least_gain: float) -> Route:
    """Give what is sung twice to a copy of it that would stay unsung.

    Copies read the same, so no path can tell them apart: which of them it passes twice is an accident of the way there.
    A copy that is written earlier takes the earliest of these times, one that is written later the latest.

    Parameters
    ----------
    least_gain : float
        Visits that fit worse, in nats a token, are chance: they are given to nobody.
    """
    visits = list(route.visits)
    for copies in _copies(passages, tokens):
        for free in [k for k in copies if all(visit.passage != k for visit in visits)]:
            times: dict[int, list[int]] = defaultdict(list)
            for number, visit in enumerate(visits):
                if visit.passage in copies and visit.gain >= least_gain:
                    times[visit.passage].append(number)
            twice = [passage for passage, numbers in times.items() if len(numbers) > 1]
            if twice:
                given = times[twice[0]][0 if free < twice[0] else -1]
                visits[given] = replace(visits[given], passage=free)
    return replace(route, visits=tuple(visits))


def _copies(passages: Passages, tokens: Tokens) -> list[list[int]]:
    """Group passages that sound the same, word for word."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for k, (first, stop) in enumerate(pairwise(passages.tokens)):
        words = tokens.word[first:stop] - passages.words[k]
        n_words = int(passages.words[k + 1] - passages.words[k])
        key = tuple(tokens.ids[first:stop].tolist()), tuple(words.tolist()), n_words, bool(passages.backing[k])
        groups[key].append(k)
    return [group for group in groups.values() if len(group) > 1]
