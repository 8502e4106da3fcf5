from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uploads").mkdir()
    soundfile.write(tmp_path / "uploads" / "a.wav", np.random.default_rng(1).uniform(-0.3, 0.3, 32000), 16000)
    shutil.copy(tmp_path / "uploads" / "a.wav", tmp_path / "uploads" / "b.wav")
    return tmp_path


def run(*asked):
    return CliRunner().invoke(app, ["data", "dedupe", *asked, "-j", "1"])


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in (folder / "uploads").rglob("*.wav"))


def test_it_says_does_and_undoes(folder):
    done = run("uploads")
    assert done.exit_code == 0, done.output
    assert "nothing was moved: run it again with --apply" in done.stderr
    assert names(folder) == ["uploads/a.wav", "uploads/b.wav"]
    done = run("uploads", "--apply")
    assert done.exit_code == 0, done.output
    assert names(folder) == ["uploads/a.wav", "uploads/duplicates/b.wav"]
    assert "melisma data dedupe --undo uploads/duplicates/moves-1.jsonl" in done.stderr
    said = json.loads((folder / "manifests" / "dedupe_report.json").read_text(encoding="utf-8"))
    assert said["details"]["copies"] == [{"id": "b.wav", "kept": "a.wav", "kind": "file", "similarity": 1.0}]
    done = run("--undo", "uploads/duplicates/moves-1.jsonl")
    assert done.exit_code == 0, done.output
    assert names(folder) == ["uploads/a.wav", "uploads/b.wav"]


def test_the_command_that_undoes_can_be_copied_as_it_stands(folder):
    (folder / "uploads").rename(folder / "my songs")
    assert "--undo 'my songs/duplicates/moves-1.jsonl'" in run("my songs", "--apply").stderr


def test_what_cannot_be_put_back_is_the_exit_code(folder):
    run("uploads", "--apply")
    (folder / "uploads" / "b.wav").write_bytes(b"another")
    done = run("--undo", "uploads/duplicates/moves-1.jsonl")
    assert done.exit_code == 1
    assert (folder / "uploads" / "b.wav").read_bytes() == b"another"


@pytest.mark.parametrize(
    "asked",
    [[], ["uploads", "--undo", "x"], ["uploads", "-o", "x.jsonl"], ["gone.jsonl"], ["--undo", "gone.jsonl"]],
)
def test_what_makes_no_sense_is_one_sentence(folder, asked):
    done = run(*asked)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "manifests").exists()
