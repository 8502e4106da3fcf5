"""Who gets what is sung of lines that are written more than once."""

import numpy as np

from melisma.aligner.copies import share_out
from melisma.aligner.passages import Passages
from melisma.aligner.routes import Route, Visit
from melisma.aligner.viterbi import Path
from melisma.core.records import Tokens

CHORUS, VERSE, OTHER = [1, 2, 3], [4, 5], [6, 7, 8]


def text(*spelt, backing=(), words=None):
    sizes = [len(ids) for ids in spelt]
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n = int(edges[-1])
    owners = np.arange(n) if words is None else np.array(words, np.int64)
    bounds = edges if words is None else np.append(owners[edges[:-1]], owners[-1] + 1)
    tokens = Tokens(np.array([i for ids in spelt for i in ids], np.int64), owners, np.zeros(owners[-1] + 1, np.int64))
    return Passages(bounds, edges, np.isin(np.arange(len(spelt)), backing)), tokens


def shared(order, passages, tokens, gains=None):
    gains = gains or [0.0] * len(order)
    visits = tuple(Visit(k, 0, (i, i + 1), gain) for i, (k, gain) in enumerate(zip(order, gains, strict=True)))
    return [
        visit.passage
        for visit in share_out(Route(visits, Path(np.zeros(0, np.int64), 0.0)), passages, tokens, -2.0).visits
    ]


def test_a_copy_that_is_written_later_takes_the_last_time():
    assert shared([0, 1, 0], *text(CHORUS, VERSE, CHORUS)) == [0, 1, 2]


def test_a_copy_that_is_written_earlier_takes_the_first_time():
    assert shared([2, 1, 2], *text(CHORUS, VERSE, CHORUS)) == [0, 1, 2]


def test_more_times_than_copies_stay_repeats():
    assert shared([0, 0, 0, 0], *text(CHORUS, CHORUS)) == [0, 0, 0, 1]


def test_several_copies_take_a_time_each():
    assert sorted(shared([1, 1, 1], *text(CHORUS, CHORUS, CHORUS))) == [0, 1, 2]


def test_a_copy_that_is_sung_once_stays_where_it_is():
    assert shared([2, 1], *text(CHORUS, VERSE, CHORUS)) == [2, 1]


def test_other_words_take_nothing():
    assert shared([0, 0], *text(CHORUS, OTHER)) == [0, 0]


def test_the_same_sounds_in_other_words_take_nothing():
    assert shared([0, 0], *text(CHORUS, CHORUS, words=[0, 0, 1, 2, 3, 3])) == [0, 0]


def test_what_others_sing_is_no_copy_of_what_the_lead_sings():
    assert shared([0, 0], *text(CHORUS, CHORUS, backing=[1])) == [0, 0]


def test_times_that_are_chance_are_given_to_nobody():
    assert shared([0, 1, 0], *text(CHORUS, VERSE, CHORUS), [0.0, 0.0, -3.0]) == [0, 1, 0]
