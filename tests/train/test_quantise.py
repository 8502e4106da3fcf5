from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.models.features import N_MELS, STRIDE
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.export import to_onnx
from melisma.train.quantise import QuantiseConfig, compare, open_session, quantise, to_float


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(4)
    return PhoneNet(PhoneNetConfig(len(INVENTORY) + 1, 16, (1, 2, 3))).eval()


def features(n_frames: int) -> np.ndarray:
    return np.random.default_rng(n_frames).normal(0, 1, (1, N_MELS, n_frames * STRIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def small(net):
    return quantise(to_onnx(net), [features(n) for n in (200, 150, 90)])


def test_stored_halves_become_floats_with_the_same_output(net):
    half, whole = to_onnx(net), to_float(to_onnx(net))
    assert not [node for node in whole.graph.node if node.op_type == "Cast"]
    assert compare(open_session(half), open_session(whole), [features(50)]).most < 1e-5
    assert [node for node in half.graph.node if node.op_type == "Cast"]


def test_only_the_inner_convolutions_are_eight_bits_wide(small):
    widths = {t.name: t.data_type for t in small.graph.initializer}
    bytes_wide = [name for name, kind in widths.items() if kind == onnx.TensorProto.INT8]
    assert sorted(name.split("_")[0] for name in bytes_wide if "_w_quantized" in name) == ["block0", "block1", "block2"]
    assert widths["stem_w"] == widths["head_w"] == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("n_frames", [1, 2, 17, 101, 333])
def test_eight_bits_stay_near_torch_at_any_length(net, small, n_frames):
    x = features(n_frames)
    got = open_session(small).run(["log_probs"], {"features": x})[0]
    with torch.no_grad():
        logits, _ = net(torch.from_numpy(x), torch.tensor([n_frames]))
    expected = logits.log_softmax(1).transpose(1, 2).numpy()
    assert got.shape == expected.shape
    assert np.abs(got - expected).mean() < 0.02
    assert np.abs(got - expected).max() < 0.15


def test_the_difference_counts_frames_with_another_best_label():
    class Says:
        def __init__(self, best: list[int]) -> None:
            self.table = np.log(np.eye(3, dtype=np.float32)[best] * 0.9 + 0.05)[None]

        def run(self, names, inputs):
            return [self.table]

    apart = compare(Says([0, 1, 2, 1]), Says([0, 1, 2, 2]), [features(1)])
    assert (apart.n_frames, apart.other_best) == (4, 0.25)
    assert apart.most == pytest.approx(np.log(0.95 / 0.05))
    assert apart.mean == pytest.approx(2 * np.log(0.95 / 0.05) / 12)


@pytest.fixture
def model(net, tmp_path):
    path = tmp_path / "tiny.onnx"
    onnx.save(to_onnx(net), path)
    facts = {
        "model_id": "tiny",
        "revision": "0",
        "title": "Tiny",
        "licence": "CC0-1.0",
        "languages": ["en"],
        "labels": ["", *INVENTORY],
        "n_parameters": 1,
        "reach": 9,
    }
    path.with_name("tiny.json").write_text(json.dumps(facts), encoding="utf-8")
    return path


def run(model, corpus, out):
    return CliRunner().invoke(app, ["train", "quantise", str(model), "--corpus", str(corpus), "-o", str(out)])


def test_the_command_writes_a_model_with_its_facts(model, corpus, tmp_path):
    done = run(model, corpus, tmp_path / "out")
    assert done.exit_code == 0
    path = tmp_path / "out" / "tiny-int8.onnx"
    facts = json.loads((tmp_path / "out" / "tiny-int8.json").read_text(encoding="utf-8"))
    assert facts["model_id"] == "tiny-int8"
    assert facts["revision"] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert done.stderr.startswith(f"wrote {path}: log-probabilities differ by ")


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda m, c: m.unlink(), "cannot read the model {model}: No such file or directory"),
        (lambda m, c: m.write_bytes(b"\x80\x01"), "{model} is no ONNX model, or a damaged one"),
        (lambda m, c: m.with_name("tiny.json").unlink(), "{model} lacks the facts that melisma train export writes"),
        (lambda m, c: (c / "manifest.jsonl").unlink(), "cannot read the manifest {corpus}/manifest.jsonl: No such"),
        (
            lambda m, c: (c / "manifest.jsonl").write_text(""),
            "{corpus} gives nothing to calibrate on: it holds no clip",
        ),
    ],
    ids=["no model", "damaged", "no facts", "no manifest", "no clip"],
)
def test_what_cannot_be_used_is_one_sentence_and_nothing_is_written(model, corpus, tmp_path, break_it, sentence):
    break_it(model, corpus)
    done = run(model, corpus, tmp_path / "out")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: " + sentence.format(model=model, corpus=corpus))
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_stem_can_be_eight_bits_wide_too(net):
    model = quantise(to_onnx(net), [features(60)], QuantiseConfig(keep=("head",)))
    assert "stem_w" not in {t.name for t in model.graph.initializer}
