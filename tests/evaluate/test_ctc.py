"""Aligners on a manifest of tones: the embedded engine is real, and one that knows the truth is a plug-in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, ManifestError
from melisma.core.records import Emission
from melisma.core.timebase import Timebase
from melisma.data.manifest import parse
from melisma.evaluate import ctc_report
from melisma.evaluate.ctc import Entrant, EvalConfig, evaluate
from melisma.evaluate.ctc_listen import UNIFORM, Listen, characters, greedy, uniform, words_of

ONE = EvalConfig(jobs=1)
PHONE = "phone"


def utterance(number, *, words, language="en", speaker="s", **more):
    return {
        "id": f"u{number}",
        "audio": "speech.wav",
        "start": 3.0 * number,
        "duration": 3.0,
        "transcript": "see me, now",
        "language": language,
        "speaker_id": speaker,
        "words": words,
        **more,
    }


@pytest.fixture
def manifest(tmp_path):
    """Three utterances in one recording, of which the last has no truth."""
    rng = np.random.default_rng(0)
    at = np.arange(9 * 16000) / 16000
    samples = 0.2 * np.sin(2 * np.pi * 200 * at) * (np.sin(2 * np.pi * 2 * at) > 0) + rng.normal(0, 0.01, len(at))
    soundfile.write(tmp_path / "speech.wav", samples.astype(np.float32), 16000)
    timed = [{"text": w, "start": 0.5 + 0.5 * k, "end": 0.9 + 0.5 * k} for k, w in enumerate(("see", "me,", "now"))]
    rows = [
        utterance(0, words=timed),
        utterance(1, words=timed, language="de", speaker="t"),
        utterance(2, words=None, speaker="t"),
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_utterance_is_in_every_figure(manifest):
    found = evaluate(manifest, [Entrant("ours", PHONE), Entrant("even", UNIFORM, baseline=True)], ONE)
    ours, even = found.rows
    assert (found.n_utterances, found.n_timed) == (3, 2)
    assert ours.overall.n_words == even.overall.n_words == 6
    assert ours.overall.cer is not None
    assert even.overall.cer is None
    assert set(ours.by(lambda each: each.language)) == {"en", "de"}
    assert {gain.metric for gain in found.gained["ours"]["even"]} >= {"aae", "pco300"}
    assert found.gained["ours"]["even"][0].n_utterances == 2


def test_processes_give_what_one_gives(manifest):
    entrants = [Entrant("even", UNIFORM)]
    assert evaluate(manifest, entrants, EvalConfig(jobs=2)).as_dict() == evaluate(manifest, entrants, ONE).as_dict()


def test_an_utterance_that_fails_is_lost_and_not_dropped(manifest):
    (manifest.parent / "speech.wav").write_bytes(b"no recording")
    found = evaluate(manifest, [Entrant("ours", PHONE)], ONE)
    overall = found.rows[0].overall
    assert (overall.n_lost, overall.n_words, overall.coverage, overall.derailed) == (3, 6, 0.0, 1.0)
    assert overall.mae == pytest.approx(np.mean([2.5, 2.0, 1.5]))
    assert "u0" in json.dumps(found.as_dict()["models"]["ours"]["lost"])


def test_an_engine_that_cannot_run_is_a_row_that_says_why(manifest, monkeypatch):
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    found = evaluate(manifest, [Entrant("theirs", "mms_ctc"), Entrant("ours", PHONE)], ONE)
    assert "which forbids commercial use" in found.rows[0].missing
    assert found.failed
    assert "which forbids commercial use" in ctc_report.table(found.as_dict())


def test_the_table_holds_what_the_json_holds(manifest, tmp_path):
    found = evaluate(manifest, [Entrant("ours", PHONE), Entrant("even", UNIFORM, baseline=True)], ONE).as_dict()
    text = ctc_report.table(found)
    assert f"{found['models']['ours']['overall']['aae']:.3f}" in text
    assert "language de · ours" in text
    assert "ours less even, 2 utterances: aae" in text
    path = tmp_path / "eval.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    assert ctc_report.read(path) == found


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "melisma.report/1"}', "[" * 5000])
def test_other_json_is_no_evaluation(tmp_path, text):
    (tmp_path / "eval.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        ctc_report.read(tmp_path / "eval.json")


def test_a_limit_draws_some(manifest):
    found = evaluate(manifest, [Entrant("even", UNIFORM)], EvalConfig(jobs=1, limit=2, seed=1))
    assert found.n_utterances == 2


def test_what_cannot_be_measured_is_refused_before_any_engine_listens(manifest, tmp_path):
    with pytest.raises(InputError, match="the same name"):
        evaluate(manifest, [Entrant("a", UNIFORM), Entrant("a", PHONE)], ONE)
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="holds no utterance with a transcript"):
        evaluate(tmp_path / "empty.jsonl", [Entrant("a", UNIFORM)], ONE)
    with pytest.raises(ManifestError):
        evaluate(tmp_path / "gone.jsonl", [Entrant("a", UNIFORM)], ONE)


def test_even_words_lie_in_what_is_not_silent():
    rng = np.random.default_rng(0)
    samples = np.zeros(64_000, np.float32)
    samples[16_000:32_000] = rng.normal(0, 0.1, 16_000)
    samples[48_000:] = rng.normal(0, 0.1, 16_000)
    np.testing.assert_allclose(uniform(samples, 16_000, 4), [1.0, 1.5, 3.0, 3.5], atol=0.02)
    assert uniform(np.zeros(100, np.float32), 16_000, 2) == [0.0, 0.0]


def test_what_is_heard_is_read_off_without_repeats_and_blanks():
    best = [0, 1, 1, 0, 1, 2, 2, 0]
    log_probs = np.full((len(best), 3), -9.0, np.float32)
    log_probs[np.arange(len(best)), best] = -0.1
    assert greedy(Emission(log_probs, ("", "a", "b"), 0, Timebase(16000, 320), 2560)) == ["a", "a", "b"]


def test_words_are_those_that_are_timed_or_of_the_normalised_transcript():
    line = json.dumps(utterance(0, words=[{"text": "New York", "start": 0, "end": 1}], norm="new york 12"))
    timed = parse(line, "m", 1)
    assert words_of(timed) == ("NewYork",)
    assert words_of(timed.changed(words=None)) == ("new", "york", "12")
    assert words_of(timed.changed(words=None, norm=" ")) == ("see", "me,", "now")
    assert "".join(map(chr, characters("Ça, 12!"))) == "ça12"


def test_another_revision_of_a_model_is_another_stage():
    assert Listen("x", "1").configuration() != Listen("x", "2").configuration()
