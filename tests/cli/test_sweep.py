"""`melisma sweep`: a search over trainings of a tiny Whisper, what it prints and leaves behind, and what it refuses."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("optuna")
pytest.importorskip("transformers")

import numpy as np
import soundfile

from melisma.cli.main import app

RECIPE = Path(__file__).parents[2] / "configs" / "augment.yaml"
SPACE = """
[base]
model = "random:custom"
shape = { width = 16, heads = 2, encoder_layers = 1, decoder_layers = 1 }
steps = 4
batch_size = 1
accumulate = 1
validate_steps = 2
validation_clips = 2
max_new_tokens = 4
log_steps = 1

[space.lr]
low = 1e-4
high = 1e-2
log = true

[space.augment]
choices = ["none", "augment.yaml"]

[space.augment_strength]
low = 0.5
high = 1.0

[sweep]
metric = "loss"
startup_trials = 1
"""


def manifest(path: Path, who: str, n: int) -> Path:
    rng, lines = np.random.default_rng(1), []
    for i in range(n):
        seconds = 1.5 + 0.5 * i
        soundfile.write(
            path.parent / f"{who}{i}.wav", rng.normal(0, 0.1, int(16000 * seconds)).astype("float32"), 16000
        )
        row = {
            "id": f"{who}{i}",
            "audio": f"{who}{i}.wav",
            "duration": seconds,
            "transcript": "dobar dan",
            "language": "hr",
        }
        lines.append(json.dumps(row | {"speaker_id": who, "license": "CC0-1.0", "source": "noise"}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MELISMA_THREADS", "1")
    (tmp_path / "rates.toml").write_text(SPACE, encoding="utf-8")
    shutil.copy(RECIPE, tmp_path / "augment.yaml")
    manifest(tmp_path / "train.jsonl", "ann", 3)
    manifest(tmp_path / "valid.jsonl", "bob", 2)
    return tmp_path / "root"


def call(*words):
    return CliRunner().invoke(app, ["sweep", *map(str, words)])


def search(root, *more):
    there = root.parent
    options = ("--valid", there / "valid.jsonl", "--device", "cpu", "--workers", 0)
    return call(there / "rates.toml", there / "train.jsonl", *options, *more)


def test_a_sweep_trains_runs_of_their_own_and_leaves_the_best_settings(root):
    done = search(root, "--trials", 2)
    assert done.exit_code == 0, done.output
    sweep = root / "sweeps" / "rates"
    said = json.loads((sweep / "trials.json").read_text(encoding="utf-8"))
    assert said["counts"]["complete"] + said["counts"]["pruned"] == 2
    assert (sweep / "trials.png").read_bytes().startswith(b"\x89PNG")
    for trial in said["trials"]:
        name = f"rates-{trial['index']}"
        lines = [json.loads(line) for line in (root / "logs" / "training" / f"{name}.log").read_text().splitlines()]
        told = {line["step"]: line["loss"] for line in lines if line["stage"] == "validate"}
        assert {point["step"] for point in trial["reports"]} == set(told)
        history = (root / "models" / "whisper" / name / "training_history.jsonl").read_text().splitlines()
        assert trial["value"] == pytest.approx(min(json.loads(line)["loss"] for line in history))
        assert not (root / "models" / "whisper" / name / "checkpoints").exists()
    best = said["trials"][said["best"]]
    written = tomllib.loads((sweep / "best.toml").read_text(encoding="utf-8"))
    assert (written["lr"], written["shape"]["width"]) == (best["settings"]["lr"], 16)
    assert (sweep / "best-augment.yaml").exists() == (best["settings"]["augment"] != "none")
    trained = json.loads((root / "models" / "whisper" / f"rates-{best['index']}" / "run_manifest.json").read_text())
    assert trained["config"]["lr"] == best["settings"]["lr"]
    assert bool(trained["augmented_by"]) == (best["settings"]["augment"] != "none")
    shown = call("show", "rates", "--json")
    assert json.loads(shown.stdout) == said
    table = call("show", "rates", "-q").stdout.splitlines()
    assert table[0].split()[:3] == ["trial", "loss", "state"]
    assert table[1].split()[0] == str(best["index"])
    drawn = call("plot", "rates", "-o", root / "p.svg")
    assert (drawn.exit_code, (root / "p.svg").exists()) == (0, True)
    command = call("best", "rates", "-o", root / "chosen").stdout
    assert command.startswith(f"melisma train whisper TRAIN --valid VALID --config {root / 'chosen' / 'best.toml'}")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--backend", "grid"), "no backend is called 'grid'"),
        (("--augment", "x.yaml"), "--augment is for spaces that do not choose among recipes"),
        (("--study", "../x"), "is no name for a folder"),
        (("--storage", "mysql://h/b"), "--storage names a database in SQLite or PostgreSQL"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence_and_nothing_is_written(root, more, why):
    done = search(root, *more)
    assert done.exit_code == 2, done.output
    assert why in done.output
    assert "Traceback" not in done.output
    assert not root.exists()


def test_a_manifest_or_a_study_that_is_not_there_is_said(root):
    (root.parent / "train.jsonl").unlink()
    done = search(root)
    assert (done.exit_code, "there is no manifest" in done.output) == (2, True)
    for command in ("show", "plot", "best"):
        done = call(command, "gone")
        assert done.exit_code == 2
        assert "there is no study 'gone'" in done.output
    assert not root.exists()


def test_options_may_come_first(root):
    done = call("--valid", "v.jsonl", root.parent / "gone.toml", "t.jsonl")
    assert (done.exit_code, "cannot read the space" in done.output) == (2, True)
