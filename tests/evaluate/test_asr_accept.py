"""The rules of the contract, each at its limit."""

from __future__ import annotations

import pytest

from melisma.core.errors import UnknownName
from melisma.data.manifest import Utterance
from melisma.evaluate import asr_figures
from melisma.evaluate.asr_accept import Rules, accept
from melisma.evaluate.asr_bootstrap import Bootstrap
from melisma.evaluate.asr_hypotheses import Hypothesis
from melisma.evaluate.asr_judge import judge

WORDS = [f"riječ{k}" for k in range(25)]


def verdict(rows, rules, draws=0):
    found = asr_figures.group(rows, Bootstrap(0, draws))
    return accept(rows, found, asr_figures.timing(rows), rules)


def passed(acceptance):
    return {each.name: each.passed for each in acceptance.criteria}


def row(number, *, wrong=0, off=None, timed=True, text=None):
    """Make an utterance of 25 words, `wrong` of them heard wrongly, all off by `off` seconds."""
    words = [{"text": word, "start": 0.2 * k, "end": 0.2 * k + 0.1} for k, word in enumerate(WORDS)]
    said = Utterance.model_validate(
        {
            "id": str(number),
            "audio": "a.wav",
            "duration": 6.0,
            "transcript": " ".join(WORDS) if text is None else text,
            "words": words if timed else None,
        }
    )
    got = ["x"] * wrong + WORDS[wrong:]
    times = None
    if off is not None:
        times = [{"text": w, "start": 0.2 * k + off, "end": 0.2 * k + off + 0.1} for k, w in enumerate(got)]
    return judge(said, Hypothesis.model_validate({"id": str(number), "text": " ".join(got), "words": times}))


@pytest.mark.parametrize(("wrong", "ok"), [(3, True), (4, False)])
def test_the_word_error_rate_may_reach_its_limit(wrong, ok):
    """3 of 25 is 0.12."""
    found = verdict([row(0, wrong=wrong, off=0.0)], Rules())
    assert passed(found) == {"wer": ok, "coverage": True, "offset": True}
    assert found.passed is ok


@pytest.mark.parametrize(("n_timed", "ok"), [(8, True), (7, False)])
def test_eight_of_ten_utterances_need_times(n_timed, ok):
    rows = [row(k, off=0.0 if k < n_timed else None) for k in range(10)]
    found = verdict(rows, Rules())
    assert passed(found) == {"wer": True, "coverage": ok, "offset": True}
    assert found.criteria[1].value == n_timed / 10


def test_times_that_are_far_off_cover_nothing():
    found = verdict([row(k, off=0.0 if k else 0.25) for k in range(2)], Rules())
    assert found.criteria[1].value == 0.5
    assert found.criteria[2].value == pytest.approx(0.125)
    assert passed(found) == {"wer": True, "coverage": False, "offset": True}


@pytest.mark.parametrize(("n_kept", "ok"), [(1, False), (12, False), (13, True)])
def test_a_few_words_with_times_do_not_cover_an_utterance(n_kept, ok):
    """13 of 25 is more than half."""
    whole = row(0, timed=False, off=0.0)
    fewer = whole.hypothesis.model_copy(update={"words": whole.hypothesis.words[:n_kept]})
    assert passed(verdict([judge(whole.utterance, fewer)], Rules()))["coverage"] is ok


def test_an_average_of_the_limit_is_too_far():
    found = verdict([row(0, off=0.25)], Rules(max_offset=0.25))
    assert passed(found) == {"wer": True, "coverage": False, "offset": False}
    assert verdict([row(0, off=0.125)], Rules()).passed


def test_without_true_times_the_offset_is_not_applied():
    found = verdict([row(0, timed=False, off=3.0)], Rules())
    assert passed(found) == {"wer": True, "coverage": True, "offset": None}
    assert found.passed


def test_text_alone_covers_nothing_and_says_so():
    found = verdict([row(0, timed=False)], Rules())
    assert passed(found) == {"wer": True, "coverage": False, "offset": None}
    assert found.criteria[1].note == "no hypothesis has times of words"


def test_true_times_of_which_none_was_found_are_no_pass():
    assert passed(verdict([row(0, off=None)], Rules()))["offset"] is False


def test_nothing_to_measure_is_not_accepted():
    silent = row(0, text="", timed=False)
    found = verdict([silent], Rules())
    assert passed(found) == {"wer": False, "coverage": None, "offset": None}
    assert not found.passed


def test_a_pass_that_chance_could_undo_is_marked():
    rows = [row(k, wrong=3 * (k % 2), off=0.0) for k in range(6)]
    found = verdict(rows, Rules(max_wer=0.08), draws=300)
    assert found.criteria[0].passed
    assert found.criteria[0].note.startswith("not sure: the interval reaches 0.")


def test_levels_are_those_of_the_contract():
    assert [Rules.of(name).max_wer for name in ("baseline", "production", "initial")] == [0.12, 0.20, 0.30]
    changed = Rules.of("initial", max_wer=0.5)
    assert (changed.level, changed.max_wer, changed.min_coverage) == ("initial, changed", 0.5, 0.8)
    with pytest.raises(UnknownName, match="level"):
        Rules.of("perfect")
