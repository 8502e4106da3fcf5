from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

from melisma.core.errors import AudioError, InputError, NotFound
from melisma.server import names, problems


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("song.mp3", "song.mp3"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\anna\\song.mp3", "song.mp3"),
        ("..\\..\\a.wav", "a.wav"),
        ("..", "recording"),
        (".", "recording"),
        ("", "recording"),
        ("/", "recording"),
        (".bashrc", "bashrc"),
        ("a\x00b\r\nSet-Cookie: x.mp3", "a b Set-Cookie x.mp3"),
        ("evil\u202e3pm.exe", "evil 3pm.exe"),
        ("<script>.mp3", "script .mp3"),
        ('"quoted".mp3', "quoted .mp3"),
        ("Ódýr « été ».flac", "Ódýr « été ».flac"),
        ("   spaces   .mp3  ", "spaces .mp3"),
    ],
)
def test_a_file_name_is_only_a_name(given, shown):
    assert names.file_name(given) == shown


def test_a_long_file_name_keeps_its_suffix():
    cut = names.file_name("a" * 5000 + ".flac")
    assert len(cut) <= names.FILE_NAME_CHARS
    assert cut.endswith("a.flac")
    assert len(names.file_name("b" * 5000)) == names.FILE_NAME_CHARS
    assert len(names.file_name("c." + "d" * 5000)) == names.FILE_NAME_CHARS


def test_a_name_is_one_line_of_what_shows():
    assert names.line(" La\tvie\x00 en\u2028rose\u202e \n", "title") == "La vie en rose"
    assert names.line("<b>& 'OR' 1=1", "title") == "<b>& 'OR' 1=1"
    assert names.line(None, "title") == ""


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(InputError, match="the title has 301 characters, at most 300 are taken"):
        names.line("x" * 301, "title")


def test_a_text_keeps_its_lines_and_loses_its_controls():
    assert names.text("a\r\nb\rc\td\x00\x1b[31m\x7f", "lyrics", 100) == "a\nb\nc\td[31m"
    with pytest.raises(InputError, match="the lyrics have 11 characters, at most 10 are taken"):
        names.text("x" * 11, "lyrics", 10)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("/srv/melisma/files/ab/cd.mp3 is empty", "…/cd.mp3 is empty"),
        ("cannot read '/home/anna/.cache/x': denied", "cannot read '…/x': denied"),
        ("no model in C:\\Users\\anna\\models", "no model in …\\models"),
        ("see /v1/engines, or https://example.org/a/b", "see /v1/engines, or https://example.org/a/b"),
        ("send application/json and/or text/vtt", "send application/json and/or text/vtt"),
        ("3/4 of 1/2 in folder/song.mp3", "3/4 of 1/2 in folder/song.mp3"),
    ],
)
def test_folders_of_this_machine_are_left_out(said, told):
    assert names.without_paths(said) == told


def test_no_problem_tells_a_path():
    assert problems.facts(AudioError("/data/files/incoming/tmpx is an empty file"))["detail"] == (
        "…/tmpx is an empty file"
    )
    assert problems.facts(NotFound("recording", "a/b.mp3"))["detail"] == "there is no recording 'a/b.mp3'"
