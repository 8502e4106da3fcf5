"""Exports of speech encoders: what torch says, at any length, and files of strangers refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from melisma.core.errors import InputError, ModelError
from melisma.core.files import sha256_of
from melisma.models import speech_encoder_export
from melisma.models.speech_encoder import KINDS, Running, SpeechEncoder, read_network
from melisma.models.speech_encoder_export import Source, export
from melisma.models.speech_encoder_onnx import OnnxSpeechEncoder, is_export, read_facts
from melisma.models.speech_parts import n_frames
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder


def voice(n: int) -> np.ndarray:
    return (0.1 + 0.2 * np.sin(np.arange(n) * 0.05)).astype(np.float32)


def source(folder: Path, layer: int = 2) -> Source:
    return Source(read_network(folder), layer, "tiny", "ab" * 32, "Apache-2.0")


def exported(folder: Path, config: RandomEncoder | None = None, **how) -> Path:
    net = save_random_encoder(folder / "net", config)
    export(source(net), folder / "onnx", **how)
    return folder / "onnx"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("made"))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_torch_says_at_any_length(tmp_path: Path, kind: str, stable: bool):
    if kind == "data2vec-audio" and stable:
        pytest.skip("there is none")
    found = OnnxSpeechEncoder(exported(tmp_path, RandomEncoder(kind, stable)))
    torch_says = SpeechEncoder(read_network(tmp_path / "net"), 2, Running("cpu", batch_s=0))
    for n in (399, 400, 1234, 31_000):
        [theirs], [ours] = torch_says.encode([voice(n)]), found.encode([voice(n)])
        assert ours.shape == (n_frames(n), 16)
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_large_weights_lie_in_one_file_beside_it(tmp_path: Path):
    folder = exported(tmp_path, largest=1000)
    assert sorted(path.name for path in folder.iterdir()) == ["encoder.json", "encoder.onnx", "encoder.onnx.data"]
    [ours] = OnnxSpeechEncoder(folder).encode([voice(5000)])
    [theirs] = SpeechEncoder(read_network(tmp_path / "net"), 2, Running("cpu")).encode([voice(5000)])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_long_recordings_are_heard_in_parts_as_in_torch(tmp_path: Path):
    folder, samples = exported(tmp_path), voice(16000 * 7)
    [ours] = OnnxSpeechEncoder(folder, longest_s=5).encode([samples])
    [theirs] = SpeechEncoder(read_network(tmp_path / "net"), 2, Running("cpu", longest_s=5)).encode([samples])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_what_it_is_stands_beside_it(made: Path):
    facts = read_facts(made)
    assert is_export(made)
    assert is_export(made / "encoder.onnx")
    assert (facts.name, facts.layer, facts.n_dims, facts.fingerprint) == ("tiny", 2, 16, "ab" * 32)
    assert facts.difference < 1e-3


def test_an_export_that_differs_is_not_kept(tmp_path: Path, monkeypatch):
    net = save_random_encoder(tmp_path / "net")
    monkeypatch.setattr(speech_encoder_export, "FURTHEST", 0.0)
    with pytest.raises(ModelError, match="deviations from torch"):
        export(source(net), tmp_path / "onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_folder_that_holds_something_is_left_alone(made: Path, tmp_path: Path):
    net = save_random_encoder(tmp_path / "net")
    with pytest.raises(InputError, match="is there already"):
        export(source(net), made)


def changed(folder: Path, **facts) -> Path:
    said = json.loads((folder / "encoder.json").read_text())
    (folder / "encoder.json").write_text(json.dumps(said | facts))
    return folder


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"sha256": "0" * 64}, "is not the one"),
        ({"sha256": "evil"}, "sha256"),
        ({"n_dims": 17}, "17 dimensions"),
        ({"n_dims": -1}, "n_dims"),
        ({"format": 2}, "format"),
        ({"weights_sha256": "0" * 64}, r"encoder\.onnx\.data .* cannot be read"),
    ],
)
def test_facts_that_are_not_so_are_refused(copy: Path, facts: dict, said: str):
    with pytest.raises(ModelError, match=said):
        OnnxSpeechEncoder(changed(copy, **facts))


def test_a_damaged_file_is_refused(copy: Path):
    (copy / "encoder.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match="no ONNX file"):
        OnnxSpeechEncoder(changed(copy, sha256=sha256_of(copy / "encoder.onnx")))


def apart(folder: Path, location: str) -> Path:
    """Have the file read its weights from elsewhere."""
    model = onnx.load(str(folder / "encoder.onnx"))
    for tensor in model.graph.initializer:
        size = len(tensor.raw_data)
        if size < 64:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
    (folder / "encoder.onnx").write_bytes(model.SerializeToString())
    return changed(folder, sha256=sha256_of(folder / "encoder.onnx"))


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "encoder.json", "encoder.onnx.data"])
def test_weights_from_elsewhere_are_refused(copy: Path, location: str):
    with pytest.raises(ModelError, match="weights in other files"):
        OnnxSpeechEncoder(apart(copy, location))


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "encoder.json", "encoder.onnx.data/../encoder.json"])
def test_a_file_of_weights_opens_no_other(copy: Path, location: str):
    (copy / "encoder.onnx.data").write_bytes(bytes(1 << 16))
    folder = changed(apart(copy, location), weights_sha256=sha256_of(copy / "encoder.onnx.data"))
    with pytest.raises(ModelError, match="weights in other files"):
        OnnxSpeechEncoder(folder)


def test_a_link_in_place_of_the_weights_is_refused(copy: Path, tmp_path: Path):
    (tmp_path / "secret").write_bytes(bytes(1 << 16))
    (copy / "encoder.onnx.data").symlink_to(tmp_path / "secret")
    folder = changed(apart(copy, "encoder.onnx.data"), weights_sha256=sha256_of(tmp_path / "secret"))
    with pytest.raises(ModelError, match="no plain file"):
        OnnxSpeechEncoder(folder)


def test_a_network_of_another_shape_is_refused(copy: Path):
    model = onnx.load(str(copy / "encoder.onnx"))
    model.graph.output[0].name = "logits"
    model.graph.node[-1].output[0] = "logits"
    (copy / "encoder.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="takes and makes"):
        OnnxSpeechEncoder(changed(copy, sha256=sha256_of(copy / "encoder.onnx")))
