"""Whisper through faster-whisper, on tiny models with random weights that are converted as real ones are."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from melisma.core.errors import EngineFailed, EngineOutOfMemory, EngineUnavailable, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import to_clock
from melisma.engines import whisper
from melisma.engines.hallucinations import cleaned
from melisma.engines.protocol import Task, TranscribingEngine
from melisma.engines.whisper import WhisperEngine, WhisperSettings
from melisma.testing.engines import check_engine
from melisma.testing.whisper_checkpoints import RandomWhisper, save_random_whisper
from melisma.text.whisper_languages import LANGUAGES

pytest.importorskip("faster_whisper")
pytest.importorskip("transformers")
RATE = 16_000
CLOCK = Timebase(RATE)
QUICK = WhisperSettings(beam=1, temperatures=(0.0,))


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    for name in ("MODEL", "REVISION", "COMPUTE_TYPE", "LICENCE"):
        monkeypatch.delenv(f"MELISMA_WHISPER_{name}", raising=False)
    monkeypatch.delenv("MELISMA_DOWNLOAD", raising=False)
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_random_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def engine(folder):
    return WhisperEngine(str(folder), "cpu", QUICK)


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    return Waveform(samples, RATE)


def texts(heard):
    return [word.text for word in heard.words]


def test_it_keeps_the_contract(folder):
    check_engine(lambda: WhisperEngine(str(folder), "cpu", QUICK), "whisper", noise(4))


def test_words_come_back_inside_the_recording_in_order(engine):
    waveform = noise(35)
    heard = engine.transcribe(waveform, "fr", "la mer qu'on voit danser")
    assert heard.language == "fr"
    assert heard.unit == CLOCK
    assert len(heard.words) > 3
    got = to_clock(heard, len(waveform.samples), CLOCK)
    assert (got.n_clipped, got.n_mended) == (0, 0)
    assert all(text.isalpha() for text in texts(heard))
    assert all(0 <= word.confidence <= 1 for word in heard.words)
    assert heard.breaks
    assert heard.breaks[0] == 0


def test_a_recording_gives_the_same_words_each_time(folder):
    searching = WhisperEngine(str(folder), "cpu")
    first, second = searching.transcribe(noise(8), "en"), searching.transcribe(noise(8), "en")
    assert first.words
    assert first == second


def test_the_language_is_found_where_nobody_says_it(engine):
    assert engine.transcribe(noise(3)).language in LANGUAGES


def test_what_hints_changes_what_is_heard(folder):
    """The hint reaches the model, cut to what it can hold."""
    engine = WhisperEngine(str(folder), "cpu", QUICK)
    plain, hinted = engine.transcribe(noise(5), "en"), engine.transcribe(noise(5), "en", "babo beda " * 2000)
    assert [w.confidence for w in plain.words] != [w.confidence for w in hinted.words]


def test_long_recordings_are_heard_in_pieces(engine, monkeypatch):
    monkeypatch.setattr(whisper, "_PIECE_S", 20.0)
    waveform, told = noise(50), []
    heard = engine.transcribe(waveform, "en", progress=told.append)
    to_clock(heard, len(waveform.samples), CLOCK)
    starts = [CLOCK.seconds(word.start) for word in heard.words]
    assert min(starts) < 18
    assert max(starts) > 32
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("n_samples", [0, 1, 5 * RATE])
def test_nothing_is_heard_in_silence(engine, n_samples):
    told = []
    heard = engine.transcribe(Waveform(np.zeros(n_samples, np.float32), RATE), "en", progress=told.append)
    assert heard.words == ()
    assert told[-1] == 1.0


@pytest.mark.parametrize("n_samples", [1, 159, 160, 161, 3201])
def test_a_scrap_of_a_recording_is_heard_without_a_fault(engine, n_samples):
    heard = engine.transcribe(Waveform(np.full(n_samples, 0.5, np.float32), RATE), "en")
    assert all(word.end <= n_samples for word in heard.words)


def test_a_model_for_english_refuses_other_languages(tmp_path):
    engine = WhisperEngine(str(save_random_whisper(tmp_path, RandomWhisper(multilingual=False))), "cpu", QUICK)
    engine.transcribe(noise(2), "en")
    with pytest.raises(UnknownName, match="no language of the model 'ctranslate2' is called 'fr'; there are: en"):
        engine.transcribe(noise(2), "fr")


def test_a_language_that_nobody_taught_it_is_refused_before_the_model_is_loaded():
    engine = WhisperEngine("no-such-folder/at/all", "cpu")
    with pytest.raises(UnknownName, match="no language of Whisper's is called 'kok'"):
        engine.transcribe(noise(1), "kok")


# Settings.


def test_what_it_says_of_itself_without_a_model(monkeypatch):
    engine = WhisperEngine()
    facts = engine.facts
    assert (facts.name, facts.task, facts.sample_rate) == ("whisper", Task.TRANSCRIBE, 16_000)
    assert facts.model_id == "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    assert (facts.licence.spdx, facts.licence.commercial) == ("MIT", True)
    assert facts.version.endswith(".int8")
    assert 1000 < facts.memory_mb < 2500
    assert isinstance(engine, TranscribingEngine)
    assert "hf download mobiuslabsgmbh/faster-whisper-large-v3-turbo" in engine.missing()
    with pytest.raises(EngineUnavailable, match="not on this machine"):
        engine.load()


def test_the_environment_names_the_model(monkeypatch, folder):
    monkeypatch.setenv("MELISMA_WHISPER_MODEL", str(folder))
    engine = WhisperEngine()
    assert engine.missing() is None
    assert engine.facts.model_id == "ctranslate2"
    assert len(engine.facts.model_revision) == 12
    assert (engine.facts.licence.spdx, engine.facts.licence.commercial) == ("LicenseRef-unknown", False)
    monkeypatch.setenv("MELISMA_WHISPER_LICENSE", "MIT")
    assert WhisperEngine().facts.licence.commercial
    monkeypatch.setenv("MELISMA_WHISPER_MODEL", "small")
    assert WhisperEngine().facts.model_id == "Systran/faster-whisper-small"


def test_another_weight_is_another_revision(folder, tmp_path):
    copy = tmp_path / "ctranslate2"
    shutil.copytree(folder, copy)
    weights = bytearray((copy / "model.bin").read_bytes())
    weights[-1] ^= 1
    (copy / "model.bin").write_bytes(weights)
    assert WhisperEngine(str(copy)).facts.model_revision != WhisperEngine(str(folder)).facts.model_revision


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_type_that_it_computes_in_can_be_set(monkeypatch, folder, kind):
    monkeypatch.setenv("MELISMA_WHISPER_COMPUTE_TYPE", kind)
    engine = WhisperEngine(str(folder), settings=QUICK)
    engine.load()
    assert engine._model.model.compute_type.startswith(kind)
    assert engine.facts.version.endswith(kind)


def test_what_is_no_type_is_said(monkeypatch, folder):
    monkeypatch.setenv("MELISMA_WHISPER_COMPUTE_TYPE", "int3")
    assert "MELISMA_WHISPER_COMPUTE_TYPE is 'int3'" in WhisperEngine(str(folder)).missing()


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, folder):
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    engine = WhisperEngine(str(folder))
    assert engine.missing() == "the engine whisper needs faster-whisper: pip install 'melisma[whisper]'"
    with pytest.raises(EngineUnavailable, match=r"melisma\[whisper\]"):
        engine.load()


def test_a_device_that_is_not_there_is_said(folder):
    assert "abacus" in WhisperEngine(str(folder), "abacus").missing()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    assert "there is no folder" in WhisperEngine(str(tmp_path / "none")).missing()


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_model_without_a_file_is_no_model(folder, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}"):
        WhisperEngine(str(copy)).load()


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_damaged_model_is_one_sentence(folder, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / name).write_bytes(b"\x00nonsense" * 5)
    with pytest.raises(ModelError, match="of the model model") as caught:
        WhisperEngine(str(copy)).load()
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA failed with error out of memory"), EngineOutOfMemory),
        (MemoryError(), EngineOutOfMemory),
        (RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"), EngineUnavailable),
        (RuntimeError("CUDA driver version is insufficient for CUDA runtime version"), EngineUnavailable),
        (RuntimeError("something\nelse"), EngineFailed),
    ],
)
def test_what_the_library_raises_is_mapped(error, kind):
    with pytest.raises(kind, match="the Whisper model tiny") as caught, whisper.faults("tiny", EngineFailed):
        raise error
    assert "\n" not in str(caught.value)


# What faster-whisper's records become; made by hand, with its own classes.


def segment(words, **facts):
    from faster_whisper.transcribe import Segment, Word

    made = [
        Word(start=np.float64(a), end=np.float64(b), word=text, probability=np.float64(p)) for text, a, b, p in words
    ]
    rest = {"no_speech_prob": 0.01, "avg_logprob": -0.3} | facts
    return Segment(
        id=1, seek=0, start=0.0, end=1.0, text="", tokens=[], compression_ratio=1.0, words=made, temperature=0.0, **rest
    )


def test_records_of_the_library_become_words():
    read = whisper._segment(segment([(" La", 0.0, 0.4, 0.9), (" mer,", 0.4, 1.2, 1.0000001)]), 10.0)
    assert [(w.text, w.start, w.end, w.confidence) for w in read.words] == [
        ("La", 0, 0.4, 0.9),
        ("mer,", 0.4, 1.2, 1.0),
    ]
    assert all(type(value) is float for w in read.words for value in (w.start, w.end, w.confidence))
    assert (read.no_speech, read.log_prob) == (0.01, -0.3)


def test_what_is_heard_in_the_padding_is_nothing():
    read = whisper._segment(
        segment([(" la", 9.0, 9.5, 0.9), (" mer", 9.6, 14.0, 0.9), (" voit", 22.0, 23.0, 0.9)]), 10.0
    )
    assert [(w.text, w.end) for w in read.words] == [("la", 9.5), ("mer", 10.0)]


def test_credits_and_silence_of_the_library_are_no_words():
    credit = [(f" {w}", 2.0 + i, 2.5 + i, 0.8) for i, w in enumerate(["Sous-titrage", "Société", "Radio-Canada"])]
    doubted = segment([(" merci", 6.0, 6.5, 0.1)], no_speech_prob=0.95)
    read = [whisper._segment(s, 30.0) for s in (segment([(" la", 0.0, 0.5, 0.9)]), segment(credit), doubted)]
    assert texts(cleaned(read, SECONDS)) == ["la"]


def test_a_segment_without_words_is_none():
    from dataclasses import replace

    assert whisper._segment(replace(segment([]), words=None), 10.0).words == ()
