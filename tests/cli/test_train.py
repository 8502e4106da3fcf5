from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app

HUGE = "1e9"


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["train", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").strip()


@pytest.mark.parametrize("hours", ["0", "-1", "nan", HUGE])
@pytest.mark.parametrize("command", ["accompaniment", "synthesise"])
def test_hours_that_cannot_be_made_are_refused_and_nothing_is_written(tmp_path, command, hours):
    sentence = refused(command, "-o", str(tmp_path / "out"), "--hours", hours)
    assert "hours" in sentence
    assert not (tmp_path / "out").exists()


def test_speech_to_sing_that_is_not_there_is_named(tmp_path):
    sentence = refused("sing", str(tmp_path / "no.jsonl"), "-o", str(tmp_path / "out"), "--hours", "1")
    assert sentence == f"cannot read {tmp_path / 'no.jsonl'}: No such file or directory"
    assert not (tmp_path / "out").exists()


def test_texts_that_are_not_there_are_named(tmp_path):
    arguments = ["--texts", str(tmp_path / "no.jsonl"), "-o", str(tmp_path / "out"), "--hours", "1"]
    assert str(tmp_path / "no.jsonl") in refused("synthesise", *arguments)
    assert not (tmp_path / "out").exists()


def test_a_sound_font_that_is_not_there_is_named(tmp_path):
    arguments = ["--soundfont", str(tmp_path / "no.sf2"), "-o", str(tmp_path / "out"), "--hours", "0.01"]
    assert str(tmp_path / "no.sf2") in refused("accompaniment", *arguments)
    assert not (tmp_path / "out").exists()


def test_the_share_that_is_coded_is_asked_of_ffmpeg(tmp_path, monkeypatch):
    pytest.importorskip("pyworld")
    speech = tmp_path / "speech.jsonl"
    row = {"id": "a", "audio": "a.wav", "language": "en", "speaker_id": "s", "transcript": "a", "phones": [["a", 0, 1]]}
    speech.write_text(json.dumps(row) + "\n", encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["train", "sing", str(speech), "-o", str(tmp_path / "out"), "--hours", "1", "--codec", "0.5"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3
    assert "error: coding sounds needs ffmpeg: install ffmpeg" in done.stderr
    assert not (tmp_path / "out").exists()
