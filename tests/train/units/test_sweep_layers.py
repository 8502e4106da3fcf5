"""Sweeps over layers: the layer that says most is found, on utterances that made no clusters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.core.errors import InputError
from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import layer_samples
from melisma.data.units.feature_files import ShardWriter
from melisma.data.units.layer_samples import Drawing, Samples
from melisma.data.units.phones import Phones, PhoneSpans
from melisma.scale.local import LocalExecutor
from melisma.testing.speech_checkpoints import save_random_encoder
from melisma.train.units import kmeans, sweep_layers
from melisma.units.encoder import EncoderConfig
from melisma.units.layers import LayerEncoder, parse_layers

pytest.importorskip("sklearn", reason="needs the extra [units]")

N = 200  # frames of an utterance
PHONE = EncoderConfig("phone")


def phones_of(n_utterances: int) -> Phones:
    """Four phones that change every 0.2 s."""
    spans = {}
    for i in range(n_utterances):
        kind = np.random.default_rng(i).integers(1, 5, N // 10).astype(np.int64)
        start = np.arange(N // 10) * 0.2
        spans[f"u{i}"] = PhoneSpans(kind, start, start + 0.2)
    return Phones(("sil", "a", "b", "c", "d"), spans)


def drawn(folder: Path, phones: Phones, share: float = 0.5) -> Samples:
    """Rows of which layer 2 knows the phone, layer 5 two of the four, layer 7 nothing."""
    drawing, rng = Drawing(share), np.random.default_rng(0)
    samples = Samples(folder, (2, 5, 7), drawing, [0])
    rows: dict[int, list[np.ndarray]] = {layer: [] for layer in samples.layers}
    for name, spans in phones.spans.items():
        kinds = spans.of_frames(N)[drawing.frames(name, N)]
        rows[2].append(np.eye(5)[kinds])
        rows[5].append(np.eye(5)[np.where(kinds > 2, 3, kinds)])
        rows[7].append(np.zeros((len(kinds), 5)))
        samples.utterances.append((name, N, len(kinds)))
    for layer, made in rows.items():
        writer = ShardWriter(folder / f"layer-{layer:03d}-00000.npy", 5, "float16")
        each = np.concatenate(made)
        writer.append((each + 0.01 * rng.standard_normal(each.shape)).astype(np.float32))
        writer.close()
    return samples


def test_the_layer_that_tells_most_of_the_phones_is_best(tmp_path: Path):
    phones = phones_of(12)
    found = sweep_layers.scores(drawn(tmp_path, phones), phones, kmeans.Config(k=8))
    by_layer = {each.layer: each.with_pauses.pnmi for each in found}
    assert by_layer[2] > 0.99
    assert 0.5 < by_layer[5] < 0.9
    assert by_layer[7] < 0.05
    assert sweep_layers.best(found).layer == 2
    half = sum(len(Drawing(0.5).frames(f"u{i}", N)) for i in range(1, 12, 2))  # the first makes clusters
    assert found[0].with_pauses.n_frames == half


def test_without_phones_there_is_nothing_to_hold_them_against(tmp_path: Path):
    samples = drawn(tmp_path, phones_of(3))
    strangers = Phones(("sil", "a"), {"other": phones_of(1).spans["u0"]})
    with pytest.raises(InputError, match="do their ids agree"):
        sweep_layers.scores(samples, strangers, kmeans.Config(k=4))


def test_frames_are_drawn_by_the_utterance_and_the_seed_alone():
    one, other = Drawing(0.3), Drawing(0.3, seed=1)
    assert one.frames("a", 1000).tolist() == one.frames("a", 1000).tolist()
    assert one.frames("a", 500).tolist() == [i for i in one.frames("a", 1000) if i < 500]
    assert one.frames("a", 1000).tolist() != one.frames("b", 1000).tolist()
    assert one.frames("a", 1000).tolist() != other.frames("a", 1000).tolist()
    assert 240 < len(one.frames("a", 1000)) < 360
    assert len(Drawing(1.0).frames("a", 77)) == 77


def corpus(folder: Path, n: int = 4) -> Path:
    lines = []
    for i in range(n):
        samples = 0.1 * np.random.default_rng(i).standard_normal(16000)
        soundfile.write(folder / f"{i}.wav", samples, 16000)
        lines.append(Utterance(id=f"u{i}", audio=f"{i}.wav", duration=1.0))
    manifest.write(folder / "m.jsonl", lines)
    return folder / "m.jsonl"


@pytest.mark.parametrize("name", ["phone", "hub"])
def test_samples_are_the_drawn_frames_of_every_layer(tmp_path: Path, name: str):
    config = PHONE if name == "phone" else EncoderConfig(str(save_random_encoder(tmp_path / "net")), device="cpu")
    path, drawing = corpus(tmp_path), Drawing(0.5)
    wanted = layer_samples.Wanted(config, (0, 1, 3), drawing)
    found = layer_samples.sample(recordings.read(path), tmp_path / "made", wanted, executor=LocalExecutor(1))
    encoder = LayerEncoder(config, (0, 1, 3))
    for number, layer in enumerate(found.layers):
        expected = []
        for i, (uttered, n_frames, n_drawn) in enumerate(found.utterances):
            samples, _ = soundfile.read(tmp_path / f"{i}.wav", dtype="float32")
            features = encoder.encode(samples)[number]
            at = drawing.frames(uttered, n_frames)
            assert len(at) == n_drawn
            expected.append(features[at])
        np.testing.assert_allclose(found.rows(layer), np.concatenate(expected), rtol=2e-3, atol=2e-3)
    assert len({facts.fingerprint for facts in encoder.facts}) == 3


@pytest.mark.parametrize(
    ("text", "layers"), [("0-2", (0, 1, 2)), ("4, 1", (1, 4)), ("12-", (12, 13)), ("all", tuple(range(14)))]
)
def test_lists_of_layers_are_read(text: str, layers: tuple[int, ...]):
    assert parse_layers(text, PHONE) == layers


@pytest.mark.parametrize(
    ("text", "said"), [("", "no list"), ("a-b", "no list"), ("3-2", "layers 0 to 13"), ("0-24", "layers 0 to 13")]
)
def test_lists_that_are_none_are_refused(text: str, said: str):
    with pytest.raises(InputError, match=said):
        parse_layers(text, PHONE)


def test_mfcc_has_no_layers_to_choose_from():
    with pytest.raises(InputError, match="one layer only"):
        parse_layers("all", EncoderConfig("mfcc"))


def test_the_command_writes_a_table_and_leaves_no_samples(tmp_path: Path):
    path = corpus(tmp_path, 6)
    with (tmp_path / "phones.jsonl").open("w") as file:
        for i in range(6):
            rows = [["a", 0.0, 0.4], ["b", 0.4, 0.7], ["c", 0.7, 1.0]]
            file.write(json.dumps({"id": f"u{i}", "phones": rows}) + "\n")
    command = ["units", "sweep-layers", path, "--alignments", tmp_path / "phones.jsonl", "-o", tmp_path / "layers.json"]
    command += ["--encoder", "phone", "--layers", "0,8", "-k", "4", "--workers", "1", "--quiet"]
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0
    said = json.loads((tmp_path / "layers.json").read_text())
    assert [each["layer"] for each in said["layers"]] == [0, 8]
    assert said["best"] in (0, 8)
    assert said["encoder"]["layer"] == said["best"]
    assert not list(tmp_path.glob(".layers.json*"))
