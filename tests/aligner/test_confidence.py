"""What is known of a word, and the probability that is made of it."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from melisma.aligner.confidence import WEIGHTS, Evidence, Weights, by_line, confidences, weigh


def known(start=0.9, word=-0.5, line=-0.5, voice=0.9):
    return Evidence(*(np.array([value], np.float32) for value in (start, word, line, voice)))


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
