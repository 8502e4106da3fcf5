"""`melisma data preprocess` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance


def corpus(folder: Path) -> Path:
    soundfile.write(folder / "a.ogg", 0.3 * np.sin(np.arange(44100 * 3) / 9), 44100)
    manifest.write(folder / "m.jsonl", [Utterance(id="x", audio="a.ogg", duration=3, transcript="la")])
    return folder / "m.jsonl"


def test_it_writes_audio_manifest_and_report(tmp_path: Path):
    out = tmp_path / "done"
    result = CliRunner().invoke(app, ["data", "preprocess", str(corpus(tmp_path)), "-o", str(out), "-j", "1"])
    assert result.exit_code == 0, result.output
    assert f"wrote {out / 'manifest.jsonl'}\n" in result.stderr
    (found,) = manifest.read(out / "manifest.jsonl")
    assert soundfile.info(out / found.audio).frames == round(found.duration * 16000)
    report = json.loads((out / "preprocess_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["prepared"] == 1
    assert report["command"] == "data preprocess"


def test_a_folder_of_recordings_will_do(tmp_path: Path):
    corpus(tmp_path)
    (tmp_path / "a.txt").write_text("la la", encoding="utf-8")
    result = CliRunner().invoke(app, ["data", "preprocess", str(tmp_path), "-o", str(tmp_path / "done"), "-j", "1"])
    assert result.exit_code == 0, result.output
    (found,) = manifest.read(tmp_path / "done" / "manifest.jsonl")
    assert (found.id, found.transcript) == ("a", "la la")


def test_it_exits_with_1_where_an_utterance_is_left_out(tmp_path: Path):
    path = corpus(tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "y", "audio": "gone.wav", "duration": 1}\n')
    result = CliRunner().invoke(app, ["data", "preprocess", str(path), "-o", str(tmp_path / "done"), "-j", "1"])
    assert result.exit_code == 1
    assert "gone.wav" in result.stderr


def test_bad_input_is_one_sentence_and_nothing_written(tmp_path: Path):
    path = corpus(tmp_path)
    out = tmp_path / "done"
    for wrong in (["--format", "mp3"], ["--loudness", "9"]):
        result = CliRunner().invoke(app, ["data", "preprocess", str(path), "-o", str(out), *wrong])
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert not out.exists()
    path.write_text('{"id": "x"}\n', encoding="utf-8")
    result = CliRunner().invoke(app, ["data", "preprocess", str(path), "-o", str(out)])
    assert result.exit_code == 2
    assert "line 1" in result.stderr
    assert not out.exists()
