"""Every encoder by its name, and what each promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from melisma.core.errors import EngineUnavailable, InputError, MissingDependency, UnknownName
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units.clock import n_frames
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.export import export_encoder


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> str:
    return str(save_random_encoder(tmp_path_factory.mktemp("hub") / "tiny-xlsr"))


def voice(n: int) -> np.ndarray:
    return (0.2 * np.sin(np.arange(n) * 0.05)).astype(np.float32)


@pytest.fixture(scope="module")
def onnx(hub: str, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("exported") / "onnx"
    export_encoder(EncoderConfig(hub, 2), out)
    return str(out)


@pytest.mark.parametrize("name", ["mfcc", "phone", "hub", "onnx"])
def test_an_encoder_keeps_its_promises(name: str, hub: str, onnx: str):
    name = {"hub": hub, "onnx": onnx}.get(name, name)
    encoder = open_encoder(EncoderConfig(name, device="cpu"))
    facts = encoder.facts
    lengths = (399, 16000, 400, 7000)
    found = encoder.encode([voice(n) for n in lengths])
    assert [each.shape for each in found] == [(n_frames(n), facts.n_dims) for n in lengths]
    assert all(each.dtype == np.float32 and np.isfinite(each).all() for each in found)
    assert encoder.encode([]) == []
    assert len(facts.fingerprint) == 64
    assert facts == open_encoder(EncoderConfig(name, device="cpu")).facts


def test_cepstra_have_no_layers():
    with pytest.raises(InputError, match="mfcc has no hidden layers, and so no layer 3"):
        open_encoder(EncoderConfig("mfcc", 3))


def test_an_export_stands_for_its_source(hub: str, onnx: str):
    source, export = open_encoder(EncoderConfig(hub, 2)), open_encoder(EncoderConfig(f"{onnx}/encoder.onnx"))
    assert (export.facts.kind, export.facts.name, export.facts.layer) == ("onnx", "tiny-xlsr", 2)
    assert export.facts.fingerprint == source.facts.fingerprint
    [ours], [theirs] = export.encode([voice(9000)]), source.encode([voice(9000)])
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    with pytest.raises(InputError, match="ends with layer 2"):
        open_encoder(EncoderConfig(onnx, 1))


@pytest.mark.parametrize("name", ["mfcc", "phone"])
def test_what_needs_no_export_is_not_exported(name: str, tmp_path):
    with pytest.raises(InputError, match="needs no export"):
        export_encoder(EncoderConfig(name), tmp_path / "onnx")


def test_exporting_without_onnx_names_the_extra(monkeypatch, hub: str, tmp_path):
    monkeypatch.setattr("melisma.units.export.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="onnx: pip install"):
        export_encoder(EncoderConfig(hub), tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_an_export_needs_no_torch(onnx: str):
    script = (
        "import sys, numpy as np; from melisma.units.encoders import open_encoder;"
        "from melisma.units.encoder import EncoderConfig;"
        "open_encoder(EncoderConfig(sys.argv[1])).encode([np.zeros(800, np.float32)]);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", script, onnx], check=False).returncode == 0


def test_no_path_of_the_machine_is_in_what_an_encoder_says(hub: str):
    assert open_encoder(EncoderConfig(hub)).facts.name == "tiny-xlsr"


def test_a_fingerprint_tells_layers_weights_and_preparation_apart(hub: str, tmp_path):
    seen = {open_encoder(EncoderConfig(hub, layer)).facts.fingerprint for layer in (0, 1, 2)}
    others = (RandomEncoder(seed=1), RandomEncoder(normalise=False))
    for number, other in enumerate(others):
        folder = save_random_encoder(tmp_path / str(number), other)
        seen.add(open_encoder(EncoderConfig(str(folder), 2)).facts.fingerprint)
    assert len(seen) == 5
    copy = save_random_encoder(tmp_path / "copy")
    assert open_encoder(EncoderConfig(str(copy), 2)).facts.fingerprint in seen


def test_a_licence_is_that_of_the_card(tmp_path):
    folder = save_random_encoder(tmp_path / "net")
    assert open_encoder(EncoderConfig(str(folder))).facts.licence == "unknown"
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    assert open_encoder(EncoderConfig(str(folder))).facts.licence == "Apache-2.0"


def test_a_name_that_is_none_is_refused_with_those_that_are():
    with pytest.raises(UnknownName, match="mfcc, phone"):
        open_encoder(EncoderConfig("mfc"))


def test_a_model_that_is_not_here_says_how_it_comes(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("MELISMA_DOWNLOAD", raising=False)
    with pytest.raises(EngineUnavailable, match="hf download facebook/wav2vec2-large-xlsr-53"):
        open_encoder()


def test_without_torch_the_sentence_names_the_extra(monkeypatch, hub: str):
    monkeypatch.setattr("melisma.units.hub.find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(MissingDependency, match=r"pip install 'melisma\[ctc\]'"):
        open_encoder(EncoderConfig(hub))


def test_mfcc_and_phone_load_no_torch():
    script = (
        "import sys, numpy as np; from melisma.units.encoders import open_encoder;"
        "from melisma.units.encoder import EncoderConfig;"
        "[open_encoder(EncoderConfig(n)).encode([np.zeros(800, np.float32)]) for n in ('mfcc', 'phone')];"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
