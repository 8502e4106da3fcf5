"""Exports of vocoders against torch, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

import speaking_vocoder
from melisma.core.errors import InputError, ModelError
from melisma.train.vocoder import export as exports
from melisma.train.vocoder.export import Parity, export
from melisma.units.vocoders import open_checkpoint, open_vocoder
from melisma.units.voice import Spoken

KINDS = [("vocos", (), False), ("vocos", ("ana", "bo"), True), ("hifigan", ("ana",), False), ("hifigan", (), True)]


@pytest.mark.parametrize(("kind", "speakers", "with_f0"), KINDS)
def test_an_export_says_what_torch_says(tmp_path, kind, speakers, with_f0):
    checkpoint = speaking_vocoder.save(tmp_path / "vocoder", kind, speakers, with_f0=with_f0)
    done = export(checkpoint, tmp_path / "vocoder")
    assert done.parity.whole_db > 80
    assert done.size_bytes == done.path.stat().st_size > 4 * done.n_parameters
    exported, torch_one = open_vocoder(tmp_path), open_checkpoint(checkpoint)
    assert done.path.name == "vocoder.onnx"
    assert exported.facts == torch_one.facts
    assert exported.context == torch_one.context
    rng = np.random.default_rng(1)
    units = rng.integers(speaking_vocoder.K, size=77)
    f0 = rng.uniform(80, 300, 77).astype(np.float32) if with_f0 else None
    spoken = Spoken(units, speakers[-1] if speakers else None, f0)
    one, other = exported.synthesize(spoken).samples, torch_one.synthesize(spoken).samples
    assert len(one) == 77 * 320
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max() + 1e-7)
    assert np.abs(other).max() > 0


def test_every_input_is_heard(tmp_path):
    export(speaking_vocoder.save(tmp_path, "vocos", ("ana", "bo"), with_f0=True), tmp_path)
    vocoder = open_vocoder(tmp_path)
    units = [1, 2, 3, 4, 5]
    f0 = np.full(5, 120, np.float32)
    said = [Spoken(units), Spoken(units[::-1]), Spoken(units, "ana"), Spoken(units, "bo"), Spoken(units, "bo", f0)]
    said += [Spoken(units, "bo", 0 * f0), Spoken(units, "bo", 2 * f0)]
    sounds = [vocoder.synthesize(each).samples for each in said]
    for i, one in enumerate(sounds):
        for other in sounds[:i]:
            assert np.abs(one - other).max() > 1e-6


def test_an_export_that_speaks_otherwise_is_not_written(tmp_path, monkeypatch):
    checkpoint = speaking_vocoder.save(tmp_path)
    export(checkpoint, tmp_path)
    before = (tmp_path / "vocoder.onnx").read_bytes()
    monkeypatch.setattr(exports, "LEAST_DB", 60.0)
    trace = exports.trace

    def wrong(net, path, **how):
        for weight in net.head.parameters():
            weight.data += 0.05
        trace(net, path, **how)
        for weight in net.head.parameters():
            weight.data -= 0.05

    monkeypatch.setattr(exports, "trace", wrong)
    with pytest.raises(ModelError, match=r"speaks otherwise than torch says it: .* dB"):
        export(checkpoint, tmp_path)
    assert (tmp_path / "vocoder.onnx").read_bytes() == before
    names = ["vocoder.json", "vocoder.onnx", "vocoder.safetensors", "vocoder_final.pt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_context_that_is_too_small_is_seen():
    with pytest.raises(ModelError, match="in one piece than in blocks"):
        Parity(90.0, 31.0, 1).check()
    with pytest.raises(ModelError, match="than torch"):
        Parity(float("nan"), 90.0, 1).check()


def test_the_card_says_what_the_file_is(tmp_path):
    import hashlib

    checkpoint = speaking_vocoder.save(tmp_path, "vocos", ("ana",))
    export(checkpoint, tmp_path)
    card = json.loads((tmp_path / "vocoder.json").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256((tmp_path / "vocoder.onnx").read_bytes()).hexdigest()
    assert card["source"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert card["facts"]["speakers"] == ["ana"]
    assert (card["sample_rate"], card["stride"]) == (16000, 320)


def test_the_weights_lie_beside_it_as_safetensors(tmp_path):
    checkpoint = speaking_vocoder.save(tmp_path, "hifigan", ("ana",))
    export(checkpoint, tmp_path)
    one, other = open_vocoder(checkpoint), open_vocoder(tmp_path / "vocoder.safetensors")
    assert one.facts == other.facts
    spoken = Spoken([1, 2, 3, 4], "ana")
    np.testing.assert_array_equal(one.synthesize(spoken).samples, other.synthesize(spoken).samples)


def test_weights_that_are_no_numbers_are_not_exported(tmp_path):
    import torch

    checkpoint = speaking_vocoder.save(tmp_path)
    state = torch.load(checkpoint, weights_only=True)
    state["speaks"]["stem.weight"][0, 0, 0] = float("nan")
    torch.save(state, checkpoint)
    with pytest.raises(ModelError, match="gives what is no sound"):
        export(checkpoint, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vocoder_final.pt"]


def test_what_is_no_vocoder_is_refused(tmp_path):
    path = tmp_path / "vocoder_final.pt"
    path.write_bytes(b"PK\x03\x04 not at all")
    with pytest.raises(InputError, match="no checkpoint"):
        export(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
