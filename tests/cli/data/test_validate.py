from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, 32000)
    soundfile.write(tmp_path / "good.wav", noise, 16000)
    soundfile.write(tmp_path / "silent.wav", 0 * noise, 16000)
    lines = [Utterance(id=n, audio=f"{n}.wav", duration=2, transcript="dobar dan") for n in ("good", "silent")]
    manifest.write(tmp_path / "m.jsonl", lines)
    return tmp_path


def run(*asked):
    return CliRunner().invoke(app, ["data", "validate", *asked, "-j", "1"])


def test_without_an_output_a_line_that_fails_is_the_exit_code(folder):
    done = run("m.jsonl")
    assert done.exit_code == 1
    assert "silent: its loudest sample is at -200 dB" in done.stderr
    assert "passed hours: " in done.stdout
    said = json.loads((folder / "manifests" / "validation_report.json").read_text(encoding="utf-8"))
    assert (said["counts"]["lines"], said["counts"]["passed"]) == (2, 1)
    assert said["details"]["problems_by_kind"]["silent"]["lines"] == 1


def test_the_lines_that_pass_are_written_as_seen_from_the_new_place(folder):
    done = run("m.jsonl", "-o", "out/ok.jsonl")
    assert done.exit_code == 0, done.output
    [good] = manifest.read(folder / "out" / "ok.jsonl")
    assert (good.id, good.audio) == ("good", "../good.wav")


def test_kinds_can_be_allowed(folder):
    assert run("m.jsonl", "--allow", "silent").exit_code == 0


@pytest.mark.parametrize(
    "asked",
    [
        ["m.jsonl", "--allow", "slient"],
        ["m.jsonl", "--allow", "line"],
        ["m.jsonl", "-o", "m.jsonl"],
        ["m.jsonl", "--min-s", "5", "--max-s", "2"],
        ["gone.jsonl"],
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_nothing_is_written(folder, asked):
    before = (folder / "m.jsonl").read_bytes()
    done = run(*asked)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert (folder / "m.jsonl").read_bytes() == before
    assert not (folder / "manifests" / "validation_report.json").exists()
