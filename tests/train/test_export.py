from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError, OutputError
from melisma.models import embedded
from melisma.models.features import N_MELS, STRIDE
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.config import CardFacts, PhoneTrainingConfig
from melisma.train.export import export, load_average, to_onnx
from melisma.train.phone import Trainer
from melisma.train.quantise import to_float

CONFIG = PhoneTrainingConfig(channels=16, dilations=(1, 2, 3), dropout=0.3, bf16=False)


def shaken(net: PhoneNet) -> PhoneNet:
    """Give a network weights and statistics like those of a trained one."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, values in net.state_dict().items():
            if name.endswith("running_var"):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
            elif values.is_floating_point():
                values.copy_(values + torch.randn(values.shape, generator=generator) * 0.2)
    return net.eval()


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng():
        torch.manual_seed(8)  # whatever other tests have drawn
        return shaken(PhoneNet(PhoneNetConfig(len(INVENTORY) + 1, CONFIG.channels, CONFIG.dilations)))


@pytest.fixture
def checkpoint(tmp_path):
    trainer = Trainer(CONFIG, tmp_path)
    shaken(trainer.average)
    trainer.save()
    return trainer.checkpoint


def session(net: PhoneNet, storage: str):
    return onnxruntime.InferenceSession(to_onnx(net, storage).SerializeToString(), providers=["CPUExecutionProvider"])


def features(n_frames: int, n_items: int = 1) -> np.ndarray:
    return np.random.default_rng(n_frames).normal(0, 1, (n_items, N_MELS, n_frames * STRIDE)).astype(np.float32)


@torch.no_grad()
def by_torch(net: PhoneNet, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths = torch.full((len(x),), x.shape[2] // STRIDE)
    logits, vocal = net(torch.from_numpy(x), lengths)
    return logits.log_softmax(1).transpose(1, 2).numpy(), vocal.sigmoid().numpy()


@pytest.mark.parametrize(("storage", "tolerance"), [("float32", 2e-4), ("float16", 5e-2), ("int8", 1.5)])
@pytest.mark.parametrize(("n_frames", "n_items"), [(1, 1), (2, 1), (3, 1), (17, 1), (101, 1), (333, 1), (40, 3)])
def test_the_graph_computes_what_torch_does_at_any_length(net, storage, tolerance, n_frames, n_items):
    x = features(n_frames, n_items)
    log_probs, vocal = session(net, storage).run(None, {"features": x})
    expected, expected_vocal = by_torch(net, x)
    assert log_probs.shape == (n_items, n_frames, len(INVENTORY) + 1)
    assert log_probs.dtype == vocal.dtype == np.float32
    np.testing.assert_allclose(log_probs, expected, rtol=tolerance / 25, atol=tolerance)
    np.testing.assert_allclose(vocal, expected_vocal, atol=tolerance)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=2), 1, atol=1e-4)


@pytest.mark.parametrize("window", [1, 20, 33, 64])
def test_windows_that_overlap_by_the_reach_give_what_one_piece_gives(net, window):
    run = session(net, "float32").run
    x = features(150)
    whole = run(None, {"features": x})[0][0]
    reach = net.config.reach
    pieces = []
    for first in range(0, 150, window):
        last = min(first + window, 150)
        low, high = max(0, first - reach), min(150, last + reach)
        got = run(None, {"features": x[:, :, low * STRIDE : high * STRIDE]})[0][0]
        pieces.append(got[first - low : last - low])
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-4)


def test_fewer_bits_make_a_smaller_file():
    wide = shaken(PhoneNet(PhoneNetConfig(len(INVENTORY) + 1, 64, CONFIG.dilations)))
    sizes = [len(to_onnx(wide, storage).SerializeToString()) for storage in ("float32", "float16", "int8")]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.65 * sizes[1]


def test_bytes_are_off_by_no_more_than_half_a_step_of_their_channel(net):
    whole, small = to_onnx(net, "float32"), to_float(to_onnx(net, "int8"))
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    n_seen = 0
    for tensor in whole.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.ndim == 3:
            n_seen += 1
            most = np.abs(weights).max(axis=(1, 2), keepdims=True)
            assert (np.abs(stored[tensor.name] - weights) <= most / 127 * 0.501).all()
            assert len(np.unique(stored[tensor.name][0])) > 8
    assert n_seen == 2 + len(CONFIG.dilations)


def test_the_averaged_network_is_the_one_that_is_exported(checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    loaded = load_average(checkpoint)
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state["average"][name])
    assert not torch.equal(state["average"]["head.weight"], state["net"]["head.weight"])


def test_an_export_is_a_model_that_the_package_can_embed(checkpoint, tmp_path, monkeypatch):
    card = CardFacts(model_id="tiny-1", title="Tiny", licence="CC0-1.0", languages=("en",), synthetic_languages=("hr",))
    path = export(checkpoint, tmp_path / "out", card)
    facts = json.loads((tmp_path / "out" / "tiny-1.json").read_text(encoding="utf-8"))
    assert path == tmp_path / "out" / "tiny-1.onnx"
    assert facts["revision"] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    (tmp_path / "out" / "tiny-1.md").write_text("# Tiny\n", encoding="utf-8")
    monkeypatch.setattr(embedded, "_WEIGHTS", tmp_path / "out")
    embedded.cards.cache_clear()
    try:
        embedded_card = embedded.card("tiny-1")
    finally:
        embedded.cards.cache_clear()
    assert embedded_card.labels == ("", *INVENTORY)
    assert (embedded_card.languages, embedded_card.synthetic_languages) == (("en",), ("hr",))
    assert embedded_card.onset_shifts_s == {}
    assert embedded_card.reach >= load_average(checkpoint).config.reach
    assert embedded_card.n_parameters == sum(p.numel() for p in load_average(checkpoint).parameters())


class Hostile:
    """Unpickled by anything but a careful reader, it leaves a file behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["pickle", "zip"])
def test_a_hostile_checkpoint_is_refused_and_nothing_in_it_runs(tmp_path, kind):
    path = tmp_path / "checkpoint.pt"
    trap = Hostile(str(tmp_path / "trap"))
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"config": trap}))
    else:
        torch.save({"config": trap}, path)
    with pytest.raises(InputError, match=r"checkpoint\.pt is no checkpoint, or a damaged one$"):
        load_average(path)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_checkpoint_that_breaks_off_is_one_sentence(checkpoint, share):
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"checkpoint\.pt is no checkpoint, or a damaged one$"):
        load_average(checkpoint)


def test_a_missing_checkpoint_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the checkpoint .*none\.pt: No such file or directory"):
        load_average(tmp_path / "none.pt")


OTHER = {
    "no dict": [1, 2],
    "empty": {},
    "no weights": {"config": CONFIG.model_dump(mode="json")},
    "other shape": {"config": {"channels": 8, "dilations": [1]}, "average": {"stem.weight": torch.zeros(3)}},
    "config of another kind": {"config": 3, "average": {}},
    "channels of another kind": {"config": {"channels": "many", "dilations": [1]}, "average": {}},
}


@pytest.mark.parametrize("state", OTHER.values(), ids=OTHER)
def test_a_file_of_tensors_that_is_no_checkpoint_is_one_sentence(tmp_path, state):
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(InputError, match=r"checkpoint\.pt is no checkpoint"):
        load_average(tmp_path / "checkpoint.pt")


def test_the_command_refuses_a_damaged_checkpoint_and_writes_nothing(tmp_path):
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    (tmp_path / "checkpoint.pt").write_bytes(b"\x80")
    arguments = [str(tmp_path / "config.toml"), str(tmp_path / "checkpoint.pt"), "-o", str(tmp_path / "out")]
    run = CliRunner().invoke(app, ["train", "export", *arguments])
    assert run.exit_code == 2
    assert run.stderr == f"error: {tmp_path / 'checkpoint.pt'} is no checkpoint, or a damaged one\n"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(checkpoint, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot make the folder .*/file: File exists$"):
        export(checkpoint, tmp_path / "file", CardFacts())
