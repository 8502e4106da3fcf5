"""The table says what the record holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from melisma.evaluate import asr_result
from melisma.evaluate.asr_result import Difference
from melisma.evaluate.asr_table import table


@pytest.fixture(scope="module")
def result():
    return asr_result.read(Path(__file__).with_name("eval_planted.json"))


def test_every_view_and_group_has_its_row(result):
    text = table(result)
    model = result.models["model-a"]
    rows = {line[:34].strip(): line[34:].split() for line in text.splitlines() if len(line) > 40}
    for view, scores in model.overall.views.items():
        assert rows[view][0] == f"{100 * scores.wer:.2f}"
    for name, group in model.by_language.items():
        assert rows[f"language {name}"][-1] == str(group.scores.words.insertions)
    assert "2 have no hypothesis, and count as deleted" in text
    assert "variants of yat: 2 (ijekavian > ekavian 2)" in text
    assert "hallucinated: 2 utterances, 40 words inserted in them (loop 2, too long 2)" in text


def test_the_verdict_is_there_with_its_limits(result):
    text = table(result)
    assert "NOT ACCEPTED (baseline)" in text
    assert "FAIL coverage 0.100 (>= 0.8)" in text
    assert "pass offset 0.111 (< 0.2)" in text


def test_groups_can_be_left_out(result):
    assert "language hr" not in table(result, groups=False)
    assert "normalised" in table(result, groups=False)


def test_a_difference_says_whether_it_is_sure(result):
    said = {"model": "a", "other": "b", "unit": "speaker", "rate": "wer", "difference": -0.01}
    sure = Difference(**said, interval=(-0.02, -0.001), sure=True)
    unsure = Difference(**said, interval=(-0.02, 0.001), sure=False)
    lines = table(result.model_copy(update={"differences": [sure, unsure]})).splitlines()
    assert lines[-2] == "a less b: WER -1.00 points [-2.00, -0.10], drawn by speaker"
    assert lines[-1] == "a less b: WER -1.00 points [-2.00, +0.10], drawn by speaker (not sure)"


def test_many_groups_are_counted(result):
    model = result.models["model-a"]
    many = {f"s{k}": model.by_speaker["s0"] for k in range(41)}
    copied = result.model_copy(update={"models": {"a": model.model_copy(update={"by_speaker": many})}})
    assert "(41 speakers are in the JSON)" in table(copied)


def test_names_cannot_steer_a_terminal(result):
    model = result.models["model-a"]
    named = {"\x1b[2Jspeaker\u202e": model.by_speaker["s0"], "s1": model.by_speaker["s0"]}
    copied = result.model_copy(update={"models": {"a\x07": model.model_copy(update={"by_speaker": named})}})
    text = table(copied)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "\ufffd[2Jspeaker\ufffd" in text
