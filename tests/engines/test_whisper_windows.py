"""Engines of a fine-tuned Whisper: a folder of transformers', heard in windows, on tiny models with random weights."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from melisma.core.errors import EngineUnavailable, InputError, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.core.timebase import Timebase
from melisma.core.units import to_clock
from melisma.engines.packaged import open_engine
from melisma.engines.protocol import Task
from melisma.engines.whisper import WhisperEngine
from melisma.engines.whisper_transformers import WhisperTransformersEngine
from melisma.models.whisper_onnx import HeardWindow
from melisma.models.whisper_words import TimedWord
from melisma.testing.engines import check_engine
from melisma.testing.whisper_checkpoints import save_random_whisper

pytest.importorskip("faster_whisper")
pytest.importorskip("transformers")
RATE = 16_000


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    for name in ("LICENSE", "BEAMS", "RUNTIME", "COMPUTE_TYPE"):
        monkeypatch.delenv(f"MELISMA_WHISPER_{name}", raising=False)
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_random_whisper(tmp_path_factory.mktemp("whisper")).parent


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved / "transformers", tmp_path / "run1")


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    return Waveform(samples, RATE)


def changed(folder, file, **values):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_folder_of_transformers_keeps_the_contract(folder):
    check_engine(lambda: open_engine(folder), "whisper", noise(3))


def test_a_training_can_be_heard_with_before_it_is_a_package(folder):
    (folder / "checkpoints").mkdir()
    engine = open_engine(folder)
    assert isinstance(engine, WhisperTransformersEngine)
    assert (engine.facts.model_id, engine.facts.task) == ("run1", Task.TRANSCRIBE)
    assert {"bs", "hr", "sr"} <= engine.facts.languages


def test_a_converted_folder_is_heard_with_by_faster_whisper(saved):
    assert isinstance(open_engine(saved / "ctranslate2"), WhisperEngine)


def test_words_lie_inside_the_recording_in_order(folder):
    waveform = noise(35)
    heard = open_engine(folder).transcribe(waveform, "hr")
    assert heard.language == "hr"
    assert len(heard.words) > 3
    got = to_clock(heard, len(waveform.samples), Timebase(RATE))
    assert (got.n_clipped, got.n_mended) == (0, 0)
    assert all(0 <= word.confidence <= 1 for word in heard.words)


def test_the_language_is_heard_where_none_is_given(folder):
    engine = open_engine(folder)
    heard = engine.transcribe(noise(2))
    assert heard.language in engine.facts.languages
    assert heard.words == engine.transcribe(noise(2), heard.language).words


def test_silence_says_nothing(folder):
    heard = open_engine(folder).transcribe(Waveform(np.zeros(RATE * 3, np.float32), RATE), "sr")
    assert heard.words == ()


def test_a_language_that_the_model_was_not_taught_is_refused(folder):
    said = json.loads((folder / "generation_config.json").read_text())["lang_to_id"]
    changed(folder, "generation_config.json", lang_to_id={"<|hr|>": said["<|hr|>"]})
    engine = open_engine(folder)
    assert engine.facts.languages == {"hr"}
    with pytest.raises(UnknownName, match="fr"):
        engine.transcribe(noise(1), "fr")


@pytest.mark.parametrize("name", ["tokenizer.json", "generation_config.json"])
def test_what_a_folder_lacks_is_said(folder, name):
    (folder / name).unlink()
    engine = open_engine(folder)
    assert name in engine.missing()
    with pytest.raises(EngineUnavailable, match=name):
        engine.load()


def test_weights_that_are_no_safetensors_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        open_engine(folder)


def test_damaged_weights_are_said_to_be(folder):
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(ModelError, match="run1"):
        open_engine(folder).load()


def test_settings_that_fetch_code_are_refused(folder):
    changed(folder, "config.json", _attn_implementation="kernels-community/flash-attn")
    with pytest.raises(ModelError, match="code that is not in transformers"):
        open_engine(folder).load()


def test_a_head_that_there_is_not_is_refused(folder):
    changed(folder, "generation_config.json", alignment_heads=[[99, 0]])
    with pytest.raises(ModelError, match="attention head"):
        open_engine(folder).load()


@pytest.mark.parametrize("said", ["0", "many", "17"])
def test_beams_are_a_small_whole_number(folder, monkeypatch, said):
    monkeypatch.setenv("MELISMA_WHISPER_BEAMS", said)
    with pytest.raises(InputError, match="MELISMA_WHISPER_BEAMS"):
        open_engine(folder)


def test_beams_are_part_of_what_decides_a_result(folder, monkeypatch):
    greedy = open_engine(folder).facts.version
    monkeypatch.setenv("MELISMA_WHISPER_BEAMS", "3")
    assert open_engine(folder).facts.version != greedy
    assert open_engine(folder).transcribe(noise(1), "bs").words


def test_a_runtime_that_there_is_not_is_refused(folder, monkeypatch):
    monkeypatch.setenv("MELISMA_WHISPER_RUNTIME", "ctranslate2")
    with pytest.raises(InputError, match="for torch only"):
        open_engine(folder)
    monkeypatch.setenv("MELISMA_WHISPER_RUNTIME", "abacus")
    with pytest.raises(InputError, match="abacus"):
        open_engine(folder)


def test_words_whose_times_cannot_be_are_spread_over_the_window_and_none_is_lost(folder, monkeypatch):
    engine = open_engine(folder)
    text = "to be or not to be"
    squeezed = tuple(TimedWord(word, 0.0, 0.0, 0.9) for word in text.split())
    said = HeardWindow(text, "en", (1,) * 6, squeezed, -0.1, 0.0, True)
    monkeypatch.setattr(type(engine), "_hear", lambda self, samples, ask: said)
    heard = engine.transcribe(noise(4), "en")
    assert [word.text for word in heard.words] == text.split()
    clocked = to_clock(heard, 4 * RATE, Timebase(RATE))
    assert clocked.words[-1].end > 3 * RATE
    assert all(a.end <= b.start and a.start < a.end for a, b in pairwise(clocked.words))
