"""The search: what it is told holds per second, whatever the stride of the emission."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melisma.aligner.search import SearchConfig, search
from melisma.aligner.viterbi import viterbi
from melisma.core.errors import InputError
from melisma.core.records import Emission, Tokens
from melisma.core.timebase import Timebase

TOKENS = Tokens(np.array([1, 2], np.int64), np.array([0, 1], np.int64), np.array([0, 0], np.int64))


def emission(stride, faint):
    """Three seconds: label 1 is heard a little at 0.3 s and, `faint`, at 2.7 s, where label 2 follows."""
    a_second = 16000 // stride
    log_probs = np.full((3 * a_second, 3), np.log(1e-5), np.float32)
    log_probs[:, 0] = np.log(0.9)
    log_probs[3 * a_second // 10, 1] = np.log(0.09)
    log_probs[27 * a_second // 10, 1] = np.log(faint)
    log_probs[27 * a_second // 10 + 1, 2] = np.log(0.9)
    return Emission(log_probs, ("", "a", "b"), 0, Timebase(16000, stride), 48000)


def onset_s(said, config):
    path = search(said, TOKENS, config)
    return float(np.flatnonzero(path.states == 1)[0] * said.timebase.stride / 16000)


@pytest.mark.parametrize("stride", [160, 320, 480])
def test_what_a_pause_costs_does_not_depend_on_the_stride(stride):
    # Waiting for 2.4 s costs 2.4 nats; being heard less costs log(0.09 / faint).
    config = SearchConfig(pause_in_word=0.0, pause_in_line=1.0)
    assert onset_s(emission(stride, 0.09 * np.exp(-2.0)), config) == pytest.approx(2.7, abs=0.04)
    assert onset_s(emission(stride, 0.09 * np.exp(-2.8)), config) == pytest.approx(0.3, abs=0.04)


def test_without_costs_it_is_the_plain_search():
    said = emission(480, 0.05)
    np.testing.assert_array_equal(
        search(said, TOKENS, SearchConfig(0.0, 0.0)).states, viterbi(said.log_probs, TOKENS).states
    )


def test_a_cost_below_zero_is_refused():
    with pytest.raises(InputError, match="a pause costs 0 nats"):
        search(emission(480, 0.05), TOKENS, SearchConfig(pause_in_word=-1.0))


@pytest.mark.parametrize("heard", [0.0, 1.0])
def test_a_pause_is_dearer_where_no_voice_is_heard(heard):
    said = replace(emission(480, 0.09 * np.exp(-2.0)), vocal=np.full(99, heard, np.float32))
    config = SearchConfig(pause_in_word=0.0, pause_in_line=0.0, silence=1.0)
    assert onset_s(said, config) == pytest.approx(0.3 if heard else 2.7, abs=0.04)


@pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
def test_silence_costs_something_finite(cost):
    with pytest.raises(InputError, match="silence costs 0 nats"):
        SearchConfig(silence=cost)
