from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uploads").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "uploads" / f"{name}.wav", np.zeros(16000) + 0.1 * (name == "b"), 16000)
        (tmp_path / "uploads" / f"{name}.txt").write_text(f"text of {name}", encoding="utf-8")
    return tmp_path


def test_table_report_and_manifests_lie_where_they_are_expected(folder):
    done = CliRunner().invoke(
        app, ["data", "inventory", "uploads", "--manifest", "manifests/run1.jsonl", "--small", "1", "-j", "1", "--json"]
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["counts"]["files"] == 2
    assert said["counts"]["manifest_lines"] == 2
    names = {path.name for path in (folder / "manifests").iterdir() if not path.name.startswith(".")}
    assert names == {"dataset_inventory.csv", "dataset_inventory_report.json", "run1.jsonl", "run1_small.jsonl"}
    assert json.loads((folder / "manifests" / "dataset_inventory_report.json").read_text(encoding="utf-8")) == said


@pytest.mark.parametrize("asked", [["gone"], ["uploads", "--small", "3"], ["uploads", "--untranscribed"]])
def test_what_makes_no_sense_is_one_sentence(folder, asked):
    done = CliRunner().invoke(app, ["data", "inventory", *asked])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "manifests").exists()


def test_a_manifest_without_a_line_is_warned_of(folder):
    asked = ["data", "inventory", "uploads", "--manifest", "run1.jsonl", "-j", "1"]
    assert "warning" not in CliRunner().invoke(app, asked).stderr
    for path in (folder / "uploads").glob("*.txt"):
        path.unlink()
    assert "warning: no recording has a transcript" in CliRunner().invoke(app, asked).stderr
    assert "warning" not in CliRunner().invoke(app, [*asked, "--untranscribed"]).stderr


def test_what_a_terminal_would_obey_in_a_name_is_an_escape(folder):
    (folder / "uploads" / "c\x1b[2J\nd.mp3").write_bytes(b"no sound")
    done = CliRunner().invoke(app, ["data", "inventory", "uploads", "-j", "1"])
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert "  c\\u001b[2J\\u000ad.mp3: " in done.stderr
