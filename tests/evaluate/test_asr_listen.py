"""Recordings of tones through a transcriber of tones, and through the ears that measure noise."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

import tone_engine
from melisma.core.errors import EngineFailed, InputError
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.evaluate.asr import chosen
from melisma.evaluate.asr_judge import judge
from melisma.evaluate.asr_listen import heard_by, language_for, sounds_of

WORDS = ("low", "high", "high", "low")


@pytest.fixture
def tones(monkeypatch):
    yield tone_engine.install(monkeypatch)
    monkeypatch.undo()
    tone_engine.uninstall()


@pytest.fixture
def manifest(tmp_path):
    """Two utterances of one recording, one of another, one that lies behind its end, and one without a recording."""
    samples, times = tone_engine.bursts(*WORDS)
    n = len(samples)
    noise = np.random.default_rng(0).normal(0, 0.02, 2 * n).astype(np.float32)
    both = np.concatenate([samples, samples]) + 0.02 * noise
    soundfile.write(tmp_path / "two.wav", both, tone_engine.RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "noisy.wav", samples + noise[:n], tone_engine.RATE, subtype="FLOAT")
    words = [{"text": word, "start": start, "end": end} for word, start, end in times]
    seconds = n / tone_engine.RATE
    rows = [
        {"id": "a", "audio": "two.wav", "duration": seconds, "language": "hr", "words": words},
        {"id": "b", "audio": "two.wav", "start": seconds, "duration": seconds, "language": "zh-CN", "words": words},
        {"id": "c", "audio": "noisy.wav", "duration": seconds, "language": "und"},
        {"id": "d", "audio": "two.wav", "start": 60.0, "duration": seconds, "language": "de"},
        {"id": "e", "audio": "gone.wav", "duration": seconds},
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps({**row, "transcript": " ".join(WORDS)}) + "\n" for row in rows))
    return path


def test_every_utterance_is_heard_in_its_own_part(tones, manifest):
    found = heard_by(tone_engine.NAME, manifest, chosen(manifest))
    assert [found[each].text for each in "abc"] == [" ".join(WORDS)] * 3
    assert found["d"].error == "the utterance lies outside its recording"
    assert "gone.wav" in found["e"].error
    assert tones == ["hr", "zh", None]
    assert found["a"].words[1].start == pytest.approx(0.75, abs=0.011)
    assert found["b"].words[1].start == pytest.approx(0.75, abs=0.011)


def test_times_that_are_heard_are_held_against_true_ones(tones, manifest):
    utterances = chosen(manifest)
    found = heard_by(tone_engine.NAME, manifest, utterances)
    times = judge(utterances[1], found["b"]).times
    assert times.n_words == len(times.onsets) == 4
    assert times.offset <= 0.01


def test_a_run_that_goes_on_hears_only_what_is_left(tones, manifest, tmp_path):
    journal = tmp_path / "journal"
    heard_by(tone_engine.NAME, manifest, chosen(manifest)[:2], journal=journal)
    assert tones == ["hr", "zh"]
    again = heard_by(tone_engine.NAME, manifest, [*chosen(manifest)[:2], chosen(manifest)[2]], journal=journal)
    assert tones == ["hr", "zh", None]
    assert again["a"].text == " ".join(WORDS)


def test_an_engine_that_hears_nothing_at_all_is_an_error(tones, manifest, tmp_path):
    soundfile.write(tmp_path / "noisy.wav", np.ones(32_000, np.float32), tone_engine.RATE, subtype="FLOAT")
    only = [each for each in chosen(manifest) if each.id == "c"]
    with pytest.raises(EngineFailed, match=r"heard none of the utterances: .*clips"):
        heard_by(tone_engine.NAME, manifest, only)


def test_an_aligner_is_no_transcriber(manifest):
    with pytest.raises(InputError, match="hears no words by itself"):
        heard_by("phone", manifest, chosen(manifest))


def test_noise_is_measured_where_there_is_sound(manifest, tmp_path):
    found = sounds_of(manifest, chosen(manifest), jobs=1)
    assert set(found) == {"a", "b", "c", "d"}  # of the last recording nothing is known
    assert 10 < found["c"].snr_db < 25 < 40 < found["a"].snr_db
    assert not found["a"].silent
    soundfile.write(tmp_path / "two.wav", np.zeros(80_000, np.float32), tone_engine.RATE)
    assert sounds_of(manifest, chosen(manifest), jobs=1)["a"].silent


@pytest.mark.parametrize(
    ("language", "wanted"),
    [("hr", "hr"), ("hr-HR", "hr"), ("scr", None), ("und", None), ("", None), ("de", None), ("not a code", None)],
)
def test_an_engine_is_told_only_languages_that_it_knows(language, wanted):
    facts = EngineFacts("a", "1", "a", "1", Licence("MIT", True), Task.TRANSCRIBE, 16_000, frozenset({"hr", "sr"}))
    assert language_for(facts, language) == wanted
