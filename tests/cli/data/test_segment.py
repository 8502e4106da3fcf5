"""`melisma data segment` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest


def recorded(folder: Path) -> Path:
    folder.mkdir()
    loud = 0.3 * np.sin(np.arange(44100 * 2) / 9)
    soundfile.write(folder / "tape.flac", np.concatenate([loud, np.zeros(44100), loud]), 44100)
    return folder


def test_a_folder_of_recordings_becomes_segments(tmp_path: Path):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["data", "segment", str(recorded(tmp_path / "in")), "-o", str(out), "-j", "1"])
    assert result.exit_code == 0, result.output
    found = list(manifest.read(out / "manifest.jsonl"))
    assert [each.id for each in found] == ["tape/0001", "tape/0002"]
    report = json.loads((out / "segment_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["segments"] == 2
    assert report["details"]["lengths"]["histogram"] == {"0-5 s": 2}


def test_bad_input_is_one_sentence_and_nothing_written(tmp_path: Path):
    folder = recorded(tmp_path / "in")
    out = tmp_path / "out"
    for wrong in (["--by", "ear"], ["--min", "50"], ["--pause", "0"]):
        result = CliRunner().invoke(app, ["data", "segment", str(folder), "-o", str(out), *wrong])
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert not out.exists()


def test_it_exits_with_1_where_a_recording_cannot_be_cut(tmp_path: Path):
    folder = recorded(tmp_path / "in")
    (folder / "broken.mp3").write_bytes(b"no sound" * 99)
    result = CliRunner().invoke(app, ["data", "segment", str(folder), "-o", str(tmp_path / "out"), "-j", "1"])
    assert result.exit_code == 1
    assert "broken.mp3" in result.stderr
