"""Settings from the environment: each variable does what it says, and each bad value is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from melisma.aligner.refine import RefineConfig
from melisma.core.errors import InputError
from melisma.pipeline.settings import LicenceMode, RouterSettings, Timeouts


def test_nothing_set_gives_the_defaults():
    made = RouterSettings.from_env({"MELISMA_STATE_DIR": "here"})
    assert (made.engine, made.tiers, made.licence_mode) == ("auto", None, LicenceMode.NON_COMMERCIAL)
    assert (made.retries, made.repair, made.second_opinion) == (1, True, False)
    assert made.flags == Path("here/flags.toml")
    assert made.breaker_file == Path("here/breaker.json")


def test_every_variable_is_heard():
    made = RouterSettings.from_env(
        {
            "MELISMA_ENGINE": "one",
            "MELISMA_TIERS": " two, one,,two ",
            "MELISMA_LICENSE_MODE": "Commercial",
            "MELISMA_TIMEOUT_S": "60, two=5.5",
            "MELISMA_RETRIES": "0",
            "MELISMA_REPAIR": "0",
            "MELISMA_SECOND_OPINION": "1",
            "MELISMA_REFINE": "onset, ends",
            "MELISMA_ONSET_SNAP_MS": "50",
            "MELISMA_GATE_MIN_CONFIDENCE_AVG": "0.25",
            "MELISMA_BREAKER_FAILURES": "7",
            "MELISMA_BREAKER_COOL_DOWN_S": "9",
            "MELISMA_FLAGS": "f.json",
        }
    )
    assert (made.engine, made.tiers, made.licence_mode) == ("one", ("two", "one"), LicenceMode.COMMERCIAL)
    assert (made.retries, made.repair, made.second_opinion) == (0, False, True)
    assert made.timeouts == Timeouts(60, 0, {"two": 5.5})
    assert (made.refinement, made.onset_ms) == (RefineConfig(onset_ms=50, ends=True), 50)
    assert made.gate.min_confidence_avg == 0.25
    assert (made.breaker.failures, made.breaker.cool_down_s, made.breaker.window_s) == (7, 9, 600)
    assert made.flags == Path("f.json")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MELISMA_LICENSE_MODE", "free", "MELISMA_LICENSE_MODE is non_commercial or commercial, not 'free'"),
        ("MELISMA_DOWNLOAD", "maybe", "MELISMA_DOWNLOAD is 1 or 0, not 'maybe'"),
        ("MELISMA_REPAIR", "2", "MELISMA_REPAIR is 1 or 0, not '2'"),
        ("MELISMA_TIMEOUT_S", "soon", "MELISMA_TIMEOUT_S is a number, 0 or more, not 'soon'"),
        ("MELISMA_TIMEOUT_S", "one=", "MELISMA_TIMEOUT_S is a number"),
        ("MELISMA_TIMEOUT_S", "60,one=-1", "MELISMA_TIMEOUT_S is a number"),
        ("MELISMA_RETRIES", "1.5", "MELISMA_RETRIES is a number"),
        ("MELISMA_RETRIES", "-1", "MELISMA_RETRIES is a number"),
        ("MELISMA_REFINE", "snap", "MELISMA_REFINE: no refinement is called 'snap'"),
        ("MELISMA_ONSET_SNAP_MS", "0", "MELISMA_ONSET_SNAP_MS is a number of milliseconds, 1 to 500, not 0"),
        ("MELISMA_GATE_MIN_CONFIDENCE_AVG", "nan", "MELISMA_GATE_MIN_CONFIDENCE_AVG is a number"),
        ("MELISMA_GATE_LOW_CONFIDENCE", "inf", "MELISMA_GATE_LOW_CONFIDENCE is a number"),
        ("MELISMA_BREAKER_WINDOW_S", "x", "MELISMA_BREAKER_WINDOW_S is a number"),
        ("MELISMA_ENGINE_MEMORY_MB", "2 GB", "MELISMA_ENGINE_MEMORY_MB is '2 GB': give a whole number"),
    ],
)
def test_a_bad_value_is_one_sentence(variable, value, sentence):
    with pytest.raises(InputError, match=sentence):
        RouterSettings.from_env({variable: value})


def test_a_time_limit_grows_with_the_recording():
    assert Timeouts(300, 4).limit_s("one", 100) == 700
    assert Timeouts(300, 4, {"one": 5}).limit_s("one", 100) == 5
    assert Timeouts(300, 4, {"one": 0}).limit_s("one", 100) is None
