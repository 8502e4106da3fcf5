"""`melisma video`: a file or one sentence."""

from __future__ import annotations

import os
import shutil

import pytest

from melisma.cli.main import app

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
SMALL = ["--size", "320x180", "--fps", "10"]


def run(runner, saved, song, *more):
    return runner.invoke(app, ["video", str(saved), str(song.audio), *more])


@pytest.mark.parametrize("name", ["song.mp4", "song.webm"])
def test_the_name_tells_the_container(runner, saved, song, here, name):
    result = run(
        runner, saved, song, "-o", name, *SMALL, "--title", "Habanera", "--colours", ",#ff00ff", "--no-count-in"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"wrote {name} (" in result.stderr
    assert "words are timed up to 62 s" in result.stderr
    assert os.listdir(here) == [name]
    head = (here / name).read_bytes()[:12]
    assert head[4:8] == b"ftyp" if name.endswith("mp4") else head[:4] == b"\x1aE\xdf\xa3"


def test_named_after_the_alignment(runner, saved, song, here):
    result = run(runner, saved, song, *SMALL, "-q")
    assert (result.exit_code, result.output) == (0, "")
    assert os.listdir(here) == ["made.mp4"]


def test_from_standard_input(runner, saved, song, here):
    result = runner.invoke(app, ["video", "-", str(song.audio), *SMALL], input=saved.read_bytes())
    assert result.exit_code == 0, result.output
    assert os.listdir(here) == ["song.mp4"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["-o", "song.avi"], "an .mp4 or a .webm file"),
        (["-o", "nowhere/song.mp4"], "there is no folder"),
        (["--size", "big"], "spelt like 1280x720"),
        (["--size", "99999x10"], "the width of a video"),
        (["--fps", "500"], "the fps of a video"),
        (["--font", "No Such Font"], "no installed font is called"),
        (["--font-size", "1"], "the font size"),
        (["--colours", "red"], "spelt like #ffb000"),
        (["--colours", "#000000,#000000,#000000,#000000,#000000"], "4 colours"),
        (["--background", "#12"], "spelt like #ffb000"),
        (["--background", "nowhere.png"], "the picture cannot be read"),
        (["--dim", "7"], "dimmed by 0 to 1"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_no_file(runner, saved, song, here, wrong, said):
    result = run(runner, saved, song, *wrong)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert os.listdir(here) == []


def test_no_input_is_overwritten(runner, saved, song, here):
    name = here / "made.mp4"
    shutil.copy(song.audio, name)
    before = name.read_bytes()
    result = runner.invoke(app, ["video", str(saved), str(name), "-o", str(name)])
    assert result.exit_code == 2
    assert "would overwrite the input" in result.stderr
    assert name.read_bytes() == before


def test_without_ffmpeg_one_sentence_says_so(runner, saved, song, here, monkeypatch):
    monkeypatch.setattr("melisma.audio.ffmpeg.shutil.which", lambda name: None)
    result = run(runner, saved, song)
    assert result.exit_code == 3
    assert "a video needs ffmpeg" in result.stderr


def test_fonts_are_completed(monkeypatch):
    from melisma.cli.options import complete_fonts

    monkeypatch.setattr("melisma.pipeline.video.fonts._families", lambda: ("DejaVu Sans", "Liberation Serif"))
    assert complete_fonts("lib") == ["Liberation Serif"]
