"""Settings of strangers' conversions that would take the whole process with them: CTranslate2 does not look."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("faster_whisper")

from melisma.core.errors import ModelError
from melisma.core.records import Waveform
from melisma.engines.whisper import WhisperEngine
from melisma.models.ctranslate2_file import WEIGHTS, check, read_sizes
from melisma.models.pretrained import read_json
from melisma.models.whisper_ctranslate2 import WhisperCtranslate2
from melisma.testing.whisper_checkpoints import save_random_whisper


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    return save_random_whisper(tmp_path_factory.mktemp("converted"))


@pytest.fixture
def folder(converted, tmp_path):
    return shutil.copytree(converted, tmp_path / "theirs")


def changed(folder, file, **settings):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **settings}), encoding="utf-8")


def test_sizes_are_those_that_transformers_says(converted):
    said, found = read_json(converted.parent / "transformers" / "config.json"), check(converted)
    assert found.n_tokens == said["vocab_size"]
    assert (found.width, found.n_layers, found.n_heads) == tuple(
        said[key] for key in ("d_model", "decoder_layers", "decoder_attention_heads")
    )


@pytest.mark.parametrize(
    ("file", "settings", "named"),
    [
        ("config.json", {"alignment_heads": [[99, 0]]}, "alignment_heads"),
        ("config.json", {"alignment_heads": [[0, 99]]}, "alignment_heads"),
        ("config.json", {"alignment_heads": [[-1, 0]]}, "alignment_heads"),
        ("config.json", {"alignment_heads": [[0]]}, "alignment_heads"),
        ("config.json", {"alignment_heads": "all"}, "alignment_heads"),
        ("config.json", {"suppress_ids_begin": [900_000]}, "suppress_ids_begin"),
        ("config.json", {"lang_ids": {"hr": 1}}, "lang_ids"),
        ("preprocessor_config.json", {"feature_size": 10**6}, "feature_size"),
        ("preprocessor_config.json", {"n_fft": 2**30}, "n_fft"),
        ("preprocessor_config.json", {"hop_length": 0}, "hop_length"),
    ],
)
def test_settings_beyond_the_weights_are_refused_before_they_are_loaded(folder, file, settings, named):
    changed(folder, file, **settings)
    with pytest.raises(ModelError, match=named):
        WhisperEngine(str(folder), "cpu").transcribe(Waveform(np.ones(16_000, np.float32), 16_000), "hr")


def test_tokens_beyond_the_weights_are_refused_before_they_are_loaded(folder):
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    moved = [{**each, "id": 900_000} if each["content"] == "<|transcribe|>" else each for each in tokens]
    changed(folder, "tokenizer.json", added_tokens=moved)
    with pytest.raises(ModelError, match="tokens beyond"):
        WhisperEngine(str(folder), "cpu").load()


def test_tokens_of_a_package_beyond_those_of_its_conversion_are_refused(converted, tmp_path):
    whole = shutil.copytree(converted.parent / "transformers", tmp_path / "package")
    shutil.copytree(converted, whole / "ctranslate2")
    loaded = WhisperEngine(str(whole / "ctranslate2"), "cpu").loaded()
    WhisperCtranslate2(loaded.model, whole)
    tokens = json.loads((whole / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    changed(whole, "tokenizer.json", added_tokens=[*tokens, {"id": 900_000, "content": "<|far|>"}])
    with pytest.raises(ModelError, match="its conversion has not"):
        WhisperCtranslate2(loaded.model, whole)


@pytest.mark.parametrize("kept", [0, 3, 20, 400])
def test_a_file_that_breaks_off_is_refused(folder, kept):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=WEIGHTS):
        read_sizes(folder)


def test_heads_that_cannot_share_the_width_are_refused(folder):
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    at = data.index(b"decoder/num_heads\0") + len(b"decoder/num_heads\0") + 1 + 1 + 4  # axes, type, bytes
    data[at : at + 2] = b"\0\0"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="heads"):
        read_sizes(folder)
