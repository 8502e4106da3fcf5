from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from melisma.core.errors import ModelError, UnknownName
from melisma.models.whisper_onnx import WhisperOnnx, WhisperSearch
from melisma.models.whisper_plain import PlainWhisper
from melisma.models.whisper_torch import WhisperTorch
from melisma.models.whisper_vocabulary import read_vocabulary
from melisma.train.whisper.network import load
from melisma.train.whisper.onnx_export import write_onnx
from speaking_whisper import TEXT, Speaking, save_speaking
from whisper_clips import TEXTS, small_processor


def saved(folder, config):
    save_speaking(folder, config)
    write_onnx(load(folder).eval(), folder)
    return folder


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("speaking"), Speaking())


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    """Random weights: what it says depends on all that it hears and has said."""
    return saved(tmp_path_factory.mktemp("random"), Speaking(text=""))


def sound(seconds, seed=0):
    at = np.arange(round(16_000 * seconds))
    noise = np.random.default_rng(seed).normal(0, 0.05, len(at))
    return (noise + 0.3 * np.sin(at * (0.02 + at / 4e6))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.3, 4.0, 30.0])
def test_it_says_what_torch_says_token_by_token(random, seconds):
    ours, theirs = WhisperOnnx(random), WhisperTorch.open(random)
    search = WhisperSearch(max_new_tokens=24)
    for language in ("hr", None):
        mine, wanted = (model.transcribe(sound(seconds), language, search) for model in (ours, theirs))
        assert mine.language == wanted.language
        assert mine.tokens == wanted.tokens
        assert mine.mean_log_prob == pytest.approx(wanted.mean_log_prob, abs=1e-3)
        assert mine.no_speech == pytest.approx(wanted.no_speech, abs=1e-4)
        assert [word.text for word in mine.words] == [word.text for word in wanted.words]
        for a, b in zip(mine.words, wanted.words, strict=True):
            assert (a.start, a.end) == (pytest.approx(b.start, abs=0.021), pytest.approx(b.end, abs=0.021))


def test_it_says_what_transformers_says(speaking):
    heard = WhisperOnnx(speaking).transcribe(sound(2.0), "hr")
    assert heard.text == TEXT == PlainWhisper(speaking).transcribe(sound(2.0), "hr")
    assert heard.complete
    assert [word.text for word in heard.words] == TEXT.split()
    assert 0 <= heard.words[0].start <= heard.words[-1].end <= 2.0


def test_a_window_is_over_when_it_has_enough_tokens(speaking):
    heard = WhisperOnnx(speaking).transcribe(sound(1.0), "hr", WhisperSearch(max_new_tokens=3))
    assert len(heard.tokens) == 3
    assert not heard.complete
    assert heard.words[-1].end <= 1.0


def test_words_need_not_be_timed(speaking):
    heard = WhisperOnnx(speaking).transcribe(sound(1.0), "hr", WhisperSearch(words=False))
    assert (heard.text, heard.words) == (TEXT, ())


def test_languages_are_those_of_the_model(random):
    shares = WhisperOnnx(random).languages(sound(1.0))
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    with pytest.raises(UnknownName, match="klingon"):
        WhisperOnnx(random).transcribe(sound(1.0), "klingon")


def test_a_window_holds_30_seconds(random):
    with pytest.raises(ValueError, match="a window holds 480000 samples"):
        WhisperOnnx(random).transcribe(sound(30.1))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("onnx/decoder.onnx", b"no model", "no ONNX file, or a damaged one"),
        ("onnx/encoder.onnx", None, "cannot be read"),
        ("tokenizer.json", b"{}", "is none of Whisper's"),
        ("tokenizer.json", b"[1", "is no JSON"),
        ("generation_config.json", None, "has no readable generation_config"),
    ],
)
def test_damaged_files_are_one_sentence(speaking, tmp_path, name, content, sentence):
    folder = shutil.copytree(speaking, tmp_path / "damaged")
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        WhisperOnnx(folder)


def test_the_files_of_another_network_are_refused(speaking, tmp_path):
    folder = shutil.copytree(speaking, tmp_path / "swapped")
    shutil.copy(folder / "onnx" / "encoder.onnx", folder / "onnx" / "decoder.onnx")
    with pytest.raises(ModelError, match="are no encoder and decoder of Whisper's"):
        WhisperOnnx(folder)


def test_a_tokenizer_with_more_tokens_than_the_decoder_is_refused(speaking, tmp_path):
    folder = shutil.copytree(speaking, tmp_path / "larger")
    said = json.loads((folder / "tokenizer.json").read_bytes())
    said["added_tokens"].append({**said["added_tokens"][-1], "id": 9_999, "content": "<|30.02|>"})
    (folder / "tokenizer.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match="fewer tokens than its tokenizer"):
        WhisperOnnx(folder)


def test_8_bits_are_smaller_and_run(speaking, tmp_path):
    folder = shutil.copytree(speaking, tmp_path / "small", ignore=shutil.ignore_patterns("onnx"))
    write_onnx(load(folder).eval(), folder, int8=True)
    assert WhisperOnnx(folder).transcribe(sound(1.0), "sr").text == TEXT
    for name in ("encoder.onnx", "decoder.onnx"):
        assert (folder / "onnx" / name).stat().st_size < (speaking / "onnx" / name).stat().st_size
    assert sorted(path.name for path in (folder / "onnx").iterdir()) == ["decoder.onnx", "encoder.onnx"]


def test_tokens_are_the_bytes_that_the_tokenizer_says(speaking):
    vocabulary = read_vocabulary(speaking)
    tokenizer = small_processor().tokenizer
    for text in [text for own in TEXTS.values() for text in own]:
        ids = tokenizer(" " + text, add_special_tokens=False).input_ids
        assert vocabulary.text(ids) == " " + text
    assert vocabulary.prompt("hr") == tuple(
        tokenizer.convert_tokens_to_ids(["<|startoftranscript|>", "<|hr|>", "<|transcribe|>", "<|notimestamps|>"])
    )
    assert vocabulary.first_time == tokenizer.convert_tokens_to_ids("<|0.00|>")


def test_a_token_just_beyond_those_of_the_decoder_is_refused(random, tmp_path):
    whole = shutil.copytree(random, tmp_path / "theirs")
    path = whole / "tokenizer.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    beyond = WhisperOnnx(random)._decoder.get_outputs()[0].shape[-1]
    said["added_tokens"].append({"id": beyond, "content": "<|far|>"})
    path.write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match="fewer tokens"):
        WhisperOnnx(whole)


@pytest.mark.parametrize(
    "changed", [{"d_model": 2**20, "decoder_layers": 10_000}, {"vocab_size": 10**9}, {"d_model": 0}]
)
def test_settings_that_the_weights_cannot_fill_are_refused_before_a_network_is_made(random, tmp_path, changed):
    whole = shutil.copytree(random, tmp_path / "theirs")
    path = whole / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changed}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json of the Whisper model theirs"):
        WhisperTorch.open(whole)
