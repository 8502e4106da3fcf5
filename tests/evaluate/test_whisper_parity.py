from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("faster_whisper")

import numpy as np
from ctranslate2.models import Whisper

from melisma.core.errors import InputError, ModelError
from melisma.evaluate import whisper_parity
from melisma.evaluate.whisper_clips import read_clips
from melisma.evaluate.whisper_formats import FLOAT32, INT8, ONNX, STOCK, TORCH, TRANSFORMERS, formats_of
from melisma.evaluate.whisper_parity import Limits, ParityConfig, compare
from melisma.models.whisper_ctranslate2 import WhisperCtranslate2
from melisma.models.whisper_onnx import WhisperOnnx
from melisma.models.whisper_torch import WhisperTorch
from melisma.train.whisper.ctranslate2_export import write_ctranslate2
from melisma.train.whisper.network import load
from melisma.train.whisper.onnx_export import write_onnx
from speaking_whisper import TEXT, Speaking, save_speaking
from whisper_clips import row, write_clips

ALL = (TRANSFORMERS, TORCH, FLOAT32, INT8, STOCK, ONNX)


def converted(folder, config=None):
    save_speaking(folder, config or Speaking())
    write_ctranslate2(folder)
    write_onnx(load(folder).eval(), folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return converted(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    rows = [row(f"{code}-{i}", code, TEXT, 1.0 + i) for i, code in enumerate(("bs", "hr", "sr"))]
    return read_clips(write_clips(tmp_path_factory.mktemp("clips") / "set.jsonl", rows))


def test_every_format_says_what_the_model_says(folder, clips):
    assert formats_of(folder) == ALL
    parity = compare(folder, clips)
    parity.check()
    rows = {each.name: each for each in parity.formats}
    assert list(rows) == list(ALL)
    for name in (TRANSFORMERS, TORCH, FLOAT32, INT8, ONNX):
        assert (rows[name].wer, rows[name].cer, rows[name].same, rows[name].loops) == (0, 0, 1, 0)
    assert parity.compute == ""
    assert parity.n_clips == 3


def test_words_begin_where_torch_has_them(folder, clips):
    rows = {each.name: each for each in compare(folder, clips).formats}
    for name in (FLOAT32, ONNX):
        assert rows[name].offset_s == pytest.approx(0, abs=0.021)


def test_a_model_that_loops_once_it_is_converted_is_refused(tmp_path, clips):
    # As in faster-whisper#1099: transformers ends where the checkpoint says, and others where Whisper's own token is.
    folder = converted(tmp_path / "model", Speaking(end="<|startoflm|>"))
    parity = compare(folder, clips)
    rows = {each.name: each for each in parity.formats}
    assert (rows[TRANSFORMERS].wer, rows[TRANSFORMERS].loops) == (0, 0)
    for name in (FLOAT32, INT8, ONNX):
        assert rows[name].loops == 3
    for name in (FLOAT32, ONNX):
        assert "it loops on 3 of 3 clips, where transformers does on 0" in rows[name].fault
    with pytest.raises(ModelError, match="loops on 3 of 3 clips"):
        parity.check()


def test_another_network_in_the_place_of_a_conversion_is_refused(tmp_path, clips):
    folder = converted(tmp_path / "model")
    other = converted(tmp_path / "other", Speaking(text="Hvala lijepa."))
    for name in ("encoder.onnx", "decoder.onnx"):
        (folder / "onnx" / name).write_bytes((other / "onnx" / name).read_bytes())
    with pytest.raises(ModelError, match=r"onnx is not what was trained: its word error rate is 100\.0%, that of"):
        compare(folder, clips, ParityConfig(stock=False)).check()


def test_what_8_bits_cannot_say_is_computed_in_32(folder, clips):
    strict = ParityConfig(int8=replace(Limits.int8(), same=1.1), stock=False)
    parity = compare(folder, clips, strict)
    parity.check()
    assert parity.compute == "float32"
    assert any(warning.startswith(INT8) for warning in parity.warnings)
    with pytest.raises(ModelError, match="ctranslate2 int8 is not what was trained"):
        compare(folder, clips, replace(strict, need_int8=True)).check()


def test_the_silence_behind_a_short_clip_is_the_same_in_every_format(tmp_path):
    """faster-whisper fills a window up with log-mels of zero; a network of random weights tells them from silence."""
    folder = converted(tmp_path / "random", Speaking(text=""))
    sound = np.random.default_rng(3).normal(0, 0.1, 24_000).astype(np.float32)
    fast = WhisperCtranslate2(Whisper(str(folder / "ctranslate2"), "cpu", compute_type="float32"), folder)
    said = [model.languages(sound) for model in (WhisperTorch.open(folder), fast, WhisperOnnx(folder))]
    for other in said[1:]:
        assert list(other)[:3] == list(said[0])[:3]
        assert [other[code] for code in said[0]] == pytest.approx(list(said[0].values()), rel=1e-3)
    assert max(said[0].values()) > 2 / len(said[0])  # or it would tell nothing


def test_languages_that_the_model_does_not_know_are_left_out_and_said(folder, clips, tmp_path):
    rows = [row("a", "hr", TEXT, 1.0), row("b", "tlh", TEXT, 1.0)]
    mixed = read_clips(write_clips(tmp_path / "set.jsonl", rows))
    parity = compare(folder, mixed, ParityConfig(stock=False))
    assert parity.n_clips == 1
    assert parity.warnings == ("1 clips are in languages that the model does not know",)
    none = read_clips(write_clips(tmp_path / "none.jsonl", rows[1:]))
    with pytest.raises(InputError, match=r"no clip of none\.jsonl is in a language that the model knows"):
        compare(folder, none)


def test_what_is_stored_says_nothing_of_the_moment(folder, clips):
    found = compare(folder, clips, ParityConfig(stock=False)).lasting()
    assert all("seconds" not in each for each in found["formats"])


def test_clips_are_those_that_fit_a_window(tmp_path):
    rows = [row("long", "hr", TEXT, 31.0), row("mute", "hr", " ", 1.0), row("fits", "hr", TEXT, 1.5)]
    found = read_clips(write_clips(tmp_path / "set.jsonl", rows))
    assert [clip.utterance.id for clip in found.clips] == ["fits"]
    assert (found.too_long, found.too_short) == (1, 1)
    assert found.seconds == pytest.approx(1.5)
    with pytest.raises(InputError, match="has no utterance of 30 s or less"):
        read_clips(write_clips(tmp_path / "none.jsonl", rows[:2]))


def test_the_limit_draws_the_same_clips_every_time(tmp_path):
    rows = [row(f"c{i}", "hr", TEXT, 0.5) for i in range(8)]
    path = write_clips(tmp_path / "set.jsonl", rows)
    first, again = (tuple(clip.utterance.id for clip in read_clips(path, 3).clips) for _ in range(2))
    assert first == again
    assert len(first) == 3


def test_nothing_is_compared_where_there_is_no_model(tmp_path, clips):
    with pytest.raises(InputError, match="holds no Whisper model in any format"):
        whisper_parity.compare(tmp_path, clips)


def test_a_whole_window_is_heard_by_every_format(folder, tmp_path):
    whole = read_clips(write_clips(tmp_path / "set.jsonl", [row("a", "hr", TEXT, 30.0)]))
    parity = compare(folder, whole)
    parity.check()
    assert {each.name for each in parity.formats} == set(ALL)
