from __future__ import annotations

import numpy as np
import pytest

from melisma.evaluate.ctc_figures import Judged, figures, gains, judge


def judged(name, starts, truth, duration=10.0, **more) -> Judged:
    errors, charged = judge(starts, truth, duration)
    return Judged(name, "en", "s", errors, charged, **more)


def test_figures_of_known_errors():
    found = figures(
        [judged("a", [1.04, 2.0], [1.0, 2.2]), judged("b", [0.0, 0.0, 5.0, 5.3], [0.09, 0.0, 5.0, 5.0])],
    )
    assert found.aae == pytest.approx(((0.04 + 0.2) / 2 + (0.09 + 0.3) / 4) / 2)
    assert found.mae == pytest.approx((0.04 + 0.2 + 0.09 + 0.3) / 6)
    assert found.median == pytest.approx((0.04 + 0.09) / 2)
    assert (found.hit50, found.hit100, found.pco300) == (pytest.approx(3 / 6), pytest.approx(4 / 6), 1.0)
    assert (found.coverage, found.derailed, found.n_words, found.n_utterances) == (1.0, 0.0, 6, 2)


def test_a_word_without_a_time_is_charged_the_most_it_could_be_off():
    found = figures([judged("a", [None, 9.0], [2.0, 9.0])])
    assert found.mae == pytest.approx(8.0 / 2)
    assert (found.coverage, found.derailed, found.hit50) == (0.5, 0.5, 0.5)


def test_giving_up_is_never_better_than_being_wrong():
    truth = [1.0, 4.0, 9.0]
    lost = figures([judged("a", [None] * 3, truth, fault="it broke off")])
    for wrong in ([0.0] * 3, [10.0] * 3, [5.0] * 3):
        assert figures([judged("a", wrong, truth)]).mae <= lost.mae
    assert (lost.n_lost, lost.coverage) == (1, 0.0)


def test_utterances_without_truth_count_for_characters_alone():
    found = figures([judged("a", [], [], edits=2, n_reference=10), judged("b", [1.0], [1.0], edits=1, n_reference=5)])
    assert (found.cer, found.n_words, found.mae) == (pytest.approx(3 / 15), 1, 0.0)
    nothing = figures([judged("a", [], [])])
    assert (nothing.aae, nothing.cer, nothing.n_words) == (None, None, 0)


def many(seed, scale):
    rng = np.random.default_rng(seed)
    truth = np.array([1.0, 3.0, 5.0, 7.0])
    return [
        judged(f"u{k}", [t + e for t, e in zip(truth, rng.normal(0, scale, 4), strict=True)], truth) for k in range(60)
    ]


def test_a_difference_that_is_there_is_sure_and_one_of_nothing_is_not():
    better, worse = many(1, 0.05), many(2, 0.2)
    by_name = {gain.metric: gain for gain in gains(better, worse)}
    assert by_name["mae"].high < 0
    assert by_name["hit100"].low > 0
    assert by_name["mae"].low <= by_name["mae"].difference <= by_name["mae"].high
    assert by_name["mae"].difference == pytest.approx(figures(better).mae - figures(worse).mae)
    assert by_name["aae"].difference == pytest.approx(figures(better).aae - figures(worse).aae)
    assert all(gain.low == gain.high == 0 and not gain.sure for gain in gains(better, better))


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    """Two aligners with the same errors on average: 95 % of the intervals hold zero."""
    held = 0
    for seed in range(60):
        found = {gain.metric: gain for gain in gains(many(2 * seed, 0.1), many(2 * seed + 1, 0.1), draws=400)}
        held += not found["mae"].sure
    assert 50 <= held <= 60


def test_draws_are_those_of_their_seed():
    ours, theirs = many(1, 0.1), many(2, 0.1)
    assert gains(ours, theirs, seed=3) == gains(ours, theirs, seed=3)
    assert gains(ours, theirs, seed=3) != gains(ours, theirs, seed=4)


def test_other_utterances_are_not_paired():
    with pytest.raises(ValueError, match="the same utterances"):
        gains(many(1, 0.1), many(2, 0.1)[::-1])


def test_one_utterance_has_no_interval():
    assert gains(many(1, 0.1)[:1], many(2, 0.1)[:1]) == ()
