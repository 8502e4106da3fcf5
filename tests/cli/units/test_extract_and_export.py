"""Features and exports on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.data.units.feature_files import Features
from melisma.testing.speech_checkpoints import save_random_encoder


def run(*words: object):
    return CliRunner().invoke(app, ["units", *map(str, words)])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
    rows = [Utterance(id=name, audio=f"{name}.wav", duration=1.0) for name in ("a", "lost")]
    manifest.write(tmp_path / "m.jsonl", rows)
    return tmp_path / "m.jsonl"


def test_what_failed_is_named_and_the_rest_is_there(corpus: Path):
    out = corpus.parent / "out"
    got = run("extract", corpus, "-o", out, "--encoder", "mfcc", "--workers", 1)
    assert got.exit_code == 1
    assert "lost" in got.stderr
    assert [name for name, _ in Features.open(out)] == ["a"]
    report = json.loads((out / "features_report.json").read_text())
    assert report["counts"]["failed"] == 1
    assert report["settings"]["encoder"]["name"] == "mfcc"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--encoder", "mfc"), "no encoder is called"),
        (("--encoder", "mfcc", "--dtype", "float8"), "float8"),
        (("--encoder", "phone", "--layer", "77"), "no layer 77"),
        (("--encoder", "./nowhere"), "nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(corpus: Path, words: tuple[str, ...], said: str):
    got = run("extract", corpus, "-o", corpus.parent / "out", *words)
    assert got.exit_code in (2, 3)
    assert said in got.stderr
    assert not (corpus.parent / "out").exists()


def test_where_nothing_could_be_heard_another_encoder_is_welcome(corpus: Path):
    out = corpus.parent / "out"
    rows = list(manifest.read(corpus))
    manifest.write(corpus, rows[1:])
    got = run("extract", corpus, "-o", out, "--encoder", "mfcc", "--workers", 1)
    assert (got.exit_code, "lost" in got.stderr) == (1, True)
    manifest.write(corpus, rows[:1])
    got = run("extract", corpus, "-o", out, "--encoder", "phone", "--workers", 1)
    assert got.exit_code == 0, got.output
    assert Features.open(out).encoder.name == "phone"
    assert len(list((out / "features").glob("*.npy"))) == 1
    refused = run("extract", corpus, "-o", out, "--encoder", "mfcc", "--workers", 1)
    assert (refused.exit_code, "holds features of phone" in refused.stderr) == (2, True)


def test_an_export_extracts_what_its_source_does(corpus: Path):
    net, folder = save_random_encoder(corpus.parent / "net"), corpus.parent
    got = run("export", net, "-o", folder / "onnx", "--layer", 2, "--json")
    assert got.exit_code == 0
    assert json.loads(got.stdout)["layer"] == 2
    for name, encoder in (("torch", net), ("exported", folder / "onnx")):
        how = ("--encoder", encoder, "--layer", 2, "--dtype", "float32", "--device", "cpu", "--workers", 1)
        run("extract", corpus, "-o", folder / name, *how)
    ours, theirs = Features.open(folder / "exported"), Features.open(folder / "torch")
    assert ours.encoder.fingerprint == theirs.encoder.fingerprint
    np.testing.assert_allclose(ours["a"], theirs["a"], atol=1e-3)
    again = run("export", net, "-o", folder / "onnx")
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
