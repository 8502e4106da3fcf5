"""What is known of a word, and the probability that is made of it."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from melisma.aligner.confidence import (
    CALIBRATION,
    FURTHEST_S,
    WEIGHTS,
    Calibration,
    Context,
    Evidence,
    Weights,
    by_line,
    calibrated,
    confidences,
    expected_errors_s,
    weigh,
)


def known(start=0.9, word=-0.5, line=-0.5, voice=0.9):
    return Evidence(*(np.array([value], np.float32) for value in (start, word, line, voice, 0.1)))


@pytest.mark.parametrize("better", [{"start": 0.95}, {"word": -0.2}, {"line": -0.2}, {"voice": 0.97}])
def test_whatever_speaks_for_a_word_raises_its_confidence(better):
    assert confidences(known(**better))[0] > confidences(known())[0]


def test_no_weight_speaks_the_wrong_way():
    assert all(weight > 0 for weight in astuple(replace(WEIGHTS, bias=1.0)))


def test_a_word_that_everything_speaks_for_is_sure_and_one_that_nothing_speaks_for_is_not():
    assert confidences(known(1.0, 0.0, 0.0, 1.0))[0] > 0.97
    assert confidences(known(0.0, -8.0, -4.0, 0.0))[0] < 0.05


def test_the_onset_has_more_to_say_than_the_word_or_its_voice():
    best, worst = known(1.0, -0.1, -0.1, 1.0), known(0.0, -0.1, -0.1, 1.0)
    assert confidences(best)[0] - confidences(worst)[0] > 0.25
    assert confidences(replace(best, voice=np.array([0.0], np.float32)))[0] > confidences(worst)[0]


def test_no_witness_is_surer_than_99_in_100():
    columns = known(start=1.0, voice=0.0).columns()
    assert columns[0, 0] == pytest.approx(np.log(99), abs=1e-4)
    assert columns[0, 3] == pytest.approx(-np.log(99), abs=1e-4)


def test_weighing_is_logistic_regression():
    columns = np.array([[1.0, -2.0, 0.5, 3.0]], np.float32)
    weights = Weights(bias=0.5, start=1.0, word=0.25, line=2.0, voice=0.1)
    assert weigh(columns, weights)[0] == pytest.approx(1 / (1 + np.exp(-(0.5 + 1.0 - 0.5 + 1.0 + 0.3))), abs=1e-6)


def test_a_line_is_judged_per_token_not_per_word():
    sums, counts = np.array([-1.0, -6.0, -3.0], np.float32), np.array([1, 3, 2])
    np.testing.assert_allclose(by_line(sums, counts, np.array([0, 0, 2])), [-7 / 4, -7 / 4, -3 / 2])


def song(sure=(0.9, 0.7), spread_s=(0.1, 0.1), again=(False, False), unsung=0.0):
    return Context(np.array(sure, np.float32), np.array(spread_s, np.float32), np.array(again), unsung)


@pytest.mark.parametrize(
    "worse", [{"sure": (0.8, 0.7)}, {"spread_s": (0.3, 0.1)}, {"again": (True, False)}, {"sure": (0.9, 0.3)}]
)
def test_whatever_speaks_against_a_word_or_its_song_lowers_what_is_made_of_both(worse):
    assert calibrated(song(**worse))[0] < calibrated(song())[0]


def test_words_that_are_not_sung_make_the_others_less_sure():
    assert (calibrated(song(unsung=0.4)) < calibrated(song())).all()


def test_no_weight_of_the_second_step_speaks_the_wrong_way():
    assert all(weight > 0 for weight in astuple(replace(CALIBRATION, bias=1.0)))
    assert CALIBRATION.right_s < CALIBRATION.wrong_s


def test_calibrating_is_logistic_regression_of_log_odds_and_log_spread():
    weights = Calibration(0.5, own=1.0, song=2.0, spread=3.0, again=4.0, unsung=5.0, right_s=0, wrong_s=0, per_spread=0)
    own = np.log(np.array([9.0, 7 / 3]))
    score = 0.5 + own + 2 * own.mean() - 3 * np.log(0.03 + np.array([0.1, 0.2])) - 4 * np.array([0, 1]) - 5 * 0.25
    got = calibrated(song(spread_s=(0.1, 0.2), again=(False, True), unsung=0.25), weights)
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-score)), atol=1e-5)


def test_a_song_without_words_has_nothing_to_calibrate():
    assert calibrated(song((), (), ())).shape == (0,)


def test_an_error_is_expected_between_that_of_right_words_and_that_of_wrong_ones():
    sure = np.linspace(0, 1, 21, dtype=np.float32)
    for spread_s in (0.0, 1.0, 9.0):
        got = expected_errors_s(sure, np.full(21, spread_s, np.float32))
        assert (np.diff(got) < 0).all()
        assert got[-1] == pytest.approx(CALIBRATION.right_s)
        assert got[0] == pytest.approx(
            min(CALIBRATION.wrong_s + CALIBRATION.per_spread * min(spread_s, FURTHEST_S), FURTHEST_S), abs=1e-5
        )
        assert (got <= FURTHEST_S).all()


def test_the_wider_an_onset_is_spread_the_larger_the_error_that_is_expected():
    spread_s = np.array([0.0, 0.5, 2.0, 5.0, 9.0], np.float32)
    got = expected_errors_s(np.full(5, 0.4, np.float32), spread_s)
    assert (np.diff(got)[:3] > 0).all()
    assert got[4] == got[3]
