from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from melisma.evaluate.bench_figures import (
    NAMES,
    Figures,
    figures,
    gain_over,
    judge,
    mean,
    pooled,
    repeated,
)

NAN = float("nan")
GOOD = Figures(**(dict.fromkeys(NAMES, 0.1) | {"p95": 0.2, "hit150": 0.9, "off800": 0.01}))


def lines(*of: int) -> np.ndarray:
    return np.array(of, np.int64)


def test_figures_of_a_song_by_hand():
    found = figures(np.array([0.05, -0.12, 0.9, NAN]), lines(0, 0, 1, 2), 3.0, 60.0)
    assert found.aae == pytest.approx((0.05 + 0.12 + 0.9) / 3)
    assert found.p50 == pytest.approx(0.12)
    assert found.p95 == pytest.approx(0.12 + 0.9 * (0.9 - 0.12))
    assert (found.hit100, found.hit150, found.pco300, found.perceived) == (0.25, 0.5, 0.5, 0.5)
    assert (found.off800, found.derail, found.coverage) == (0.25, 0.0, 0.75)
    assert found.line_sync == pytest.approx(1 / 3)
    assert (found.bias, found.seconds, found.rtf) == (pytest.approx(0.05), 3.0, 0.05)


def test_pooled_words_weigh_long_songs_more_and_keep_their_lines_apart():
    one, two = np.array([0.0, 0.0, 0.0]), np.array([0.4])
    found = pooled([one, two], [lines(0, 0, 1), lines(0)], 2.0, 10.0)
    assert found.aae == pytest.approx(0.1)
    assert found.hit150 == 0.75
    assert found.line_sync == pytest.approx(2 / 3)  # three lines, though two are called 0
    assert found.rtf == 0.2


def test_the_mean_of_songs_leaves_out_what_is_no_number():
    a, b = replace(GOOD, aae=0.1, hit150=1.0), replace(GOOD, aae=NAN, hit150=0.0)
    assert (mean([a, b]).aae, mean([a, b]).hit150) == (0.1, 0.5)
    assert math.isnan(mean([b]).aae)


def test_repeats_are_averaged_with_their_sample_deviation():
    found = repeated([replace(GOOD, seconds=s) for s in (1.0, 2.0, 6.0)])
    assert found.mean.seconds == 3.0
    assert found.spread.seconds == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert found.spread.aae == 0.0
    assert repeated([GOOD]).spread == Figures(**dict.fromkeys(NAMES, 0.0))


@pytest.mark.parametrize(
    ("words", "n_lost", "gain", "failing"),
    [
        (GOOD, 0, None, []),
        (GOOD, 0, 0.3, []),
        (GOOD, 0, 0.299, ["gain in AAE"]),
        (GOOD, 0, NAN, ["gain in AAE"]),
        (replace(GOOD, aae=0.1499, p95=0.2799, hit150=0.8, off800=0.02), 0, None, []),
        (replace(GOOD, aae=0.15), 0, None, ["AAE"]),
        (replace(GOOD, p95=0.28), 0, None, ["P95"]),
        (replace(GOOD, hit150=0.7999), 0, None, ["Hit@150"]),
        (replace(GOOD, off800=0.0201), 0, None, ["off by > 0.8 s"]),
        (GOOD, 1, None, ["lost songs"]),
        (replace(GOOD, aae=NAN, p95=NAN, hit150=0.0), 2, None, ["AAE", "P95", "Hit@150", "lost songs"]),
    ],
)
def test_the_thresholds_of_the_specification(words, n_lost, gain, failing):
    verdict = judge(words, n_lost, gain)
    assert [check.name for check in verdict.failed] == failing
    assert verdict.go == (not failing)
    assert next(check.holds for check in verdict.checks if check.name == "gain in AAE") is (
        None if gain is None else gain >= 0.3
    )


def test_the_gain_is_the_share_by_which_the_error_falls():
    assert gain_over(0.07, 0.1) == pytest.approx(0.3)
    assert gain_over(0.2, 0.1) == pytest.approx(-1.0)
    assert gain_over(0.0, 0.0) is None
