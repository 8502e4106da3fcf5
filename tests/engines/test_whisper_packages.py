"""The three engines of a packaged Whisper: faster-whisper, onnxruntime and torch hear one package, and say the same."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("faster_whisper")
pytest.importorskip("onnx")

from melisma.core.errors import InputError, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.engines import whisper_folder
from melisma.engines.packaged import open_engine
from melisma.engines.protocol import Task
from melisma.engines.whisper_converted import WhisperConvertedEngine
from melisma.engines.whisper_onnx import WhisperOnnxEngine
from melisma.engines.whisper_transformers import WhisperTransformersEngine
from melisma.models import package as packages
from melisma.testing.engines import check_engine
from melisma.train.whisper.package import WhisperPackageConfig, package
from melisma.train.whisper.trained import SCHEMA, TrainedWhisper
from speaking_whisper import TEXT, Speaking, speaking_model

RATE = 16_000
RUNTIMES = {
    "ctranslate2": WhisperConvertedEngine,
    "onnx": WhisperOnnxEngine,
    "torch": WhisperTransformersEngine,
}
TAINT = {"sources": [{"source": "ParlaSpeech", "licence": "CC-BY-NC-4.0", "hours": 1.5}], "vouched": []}
FACTS = {
    "schema": SCHEMA,
    "languages": ["hr", "sr"],
    "base": {"model": "openai/whisper-tiny", "license": "MIT"},
    "data": {"manifest": "train.jsonl", "taint": TAINT, "sources": ["ParlaSpeech"], "licences": ["CC-BY-NC-4.0"]},
    "metrics": {"wer": 0.105, "cer": 0.031},
    "steps": 40,
    "config": {"model": "openai/whisper-tiny"},
}
ACCEPTED = {"manifest": "set.jsonl", "n_clips": 3, "formats": [{"name": "onnx", "wer": 0.1, "same": 1.0, "loops": 0}]}


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    for name in ("LICENSE", "BEAMS", "RUNTIME", "COMPUTE_TYPE"):
        monkeypatch.delenv(f"MELISMA_WHISPER_{name}", raising=False)
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def packaged(folder, speaking):
    source = TrainedWhisper(*speaking_model(speaking), FACTS, folder.parent / "My Run")
    package(source, folder, WhisperPackageConfig(), lambda path: {**ACCEPTED, "compute": "float32"})
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return packaged(tmp_path_factory.mktemp("packages") / "mine", Speaking())


@pytest.fixture(params=RUNTIMES)
def engine(request, made, monkeypatch):
    monkeypatch.setenv("MELISMA_WHISPER_RUNTIME", request.param)
    found = open_engine(made)
    assert type(found) is RUNTIMES[request.param]
    return found


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    return Waveform(samples, RATE)


def test_it_keeps_the_contract(engine, made):
    check_engine(lambda: open_engine(made), "whisper", noise(2))


def test_its_facts_are_those_of_the_package(engine, made):
    facts = engine.facts
    assert (facts.name, facts.task, facts.model_id) == ("whisper", Task.TRANSCRIBE, "my-run")
    assert facts.model_revision == packages.revision(made)
    assert facts.languages == {"hr", "sr"}
    assert not facts.licence.commercial
    assert any("ParlaSpeech" in name for name in facts.licence.tainted_by)


def test_it_says_what_the_model_says(engine):
    heard = engine.transcribe(noise(2), "sr")
    assert " ".join(word.text for word in heard.words) == TEXT
    assert heard.language == "sr"
    assert all(word.confidence > 0.5 for word in heard.words)


def test_the_language_that_is_heard_is_one_that_it_was_trained_on(engine):
    assert engine.transcribe(noise(2)).language in {"hr", "sr"}


def test_a_language_that_it_was_not_trained_on_is_refused(engine):
    with pytest.raises(UnknownName, match="fr"):
        engine.transcribe(noise(1), "fr")


def test_every_window_of_a_long_recording_is_heard(engine):
    heard = engine.transcribe(noise(70), "hr")
    texts = [word.text for word in heard.words]
    assert texts.count("Dobar") >= 3
    assert len(texts) == 3 * texts.count("Dobar")


def test_a_file_that_was_changed_since_is_refused(made, tmp_path, monkeypatch):
    folder = shutil.copytree(made, tmp_path / "copy")
    with (folder / "ctranslate2" / "model.bin").open("ab") as file:
        file.write(b"x")
    for runtime in RUNTIMES:
        monkeypatch.setenv("MELISMA_WHISPER_RUNTIME", runtime)
        with pytest.raises(ModelError, match=r"model\.bin"):
            open_engine(folder).load()


def test_the_fastest_that_is_installed_is_taken(made, monkeypatch):
    assert isinstance(open_engine(made), WhisperConvertedEngine)
    without = {"faster_whisper"}
    monkeypatch.setattr(whisper_folder, "find_spec", lambda name: None if name in without else find_spec(name))
    assert isinstance(open_engine(made), WhisperOnnxEngine)


def test_a_package_without_conversions_is_heard_by_torch(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "plain", ignore=shutil.ignore_patterns("ctranslate2", "onnx"))
    assert isinstance(open_engine(folder), WhisperTransformersEngine)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(InputError, match="safetensors"):
        open_engine(folder)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_loop_ends_and_is_cut(tmp_path_factory, runtime, monkeypatch):
    """A model that never ends: its window is heard again in parts, and what goes round is said once."""
    folder = tmp_path_factory.mktemp("loops") / runtime
    packaged(folder, Speaking(text=" ".join(["ista"] * 500)))
    monkeypatch.setenv("MELISMA_WHISPER_RUNTIME", runtime)
    heard = open_engine(folder).transcribe(noise(20), "hr")
    assert 1 <= len(heard.words) < 20
