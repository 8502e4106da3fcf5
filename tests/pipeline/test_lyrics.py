"""Lyrics from files, standard input and bytes, in every format that holds lines."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import FormatError, InputError, LyricsError, UnknownName
from melisma.core.records import Alignment, Line, Lyrics, Word
from melisma.pipeline.lyrics import read, sniff
from melisma.text.encoding import MAX_BYTES
from melisma.text.lyrics import from_text

TEXT = "[Chorus]\nJ'vois la mer (x2)\n\nl'été ♪\n"
LRC = "[ar:Name]\n[00:01.00]J'vois la mer\n[00:03.50]l'été\n"
ELRC = "[00:01.00]<00:01.00>J'vois <00:01.50>la <00:02.00>mer<00:02.50>\n"
SRT = "1\n00:00:01,000 --> 00:00:03,000\nJ'vois la mer\n\n2\n00:00:03,500 --> 00:00:04,000\nl'été\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\nJ'vois la mer\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,J'vois la mer\n"
)


@pytest.mark.parametrize(
    ("name", "content", "words", "first_start"),
    [
        ("song.txt", TEXT, ["J'vois", "la", "mer", "J'vois", "la", "mer", "l'été"], None),
        ("song", TEXT, ["J'vois", "la", "mer", "J'vois", "la", "mer", "l'été"], None),
        ("song.final", TEXT, ["J'vois", "la", "mer", "J'vois", "la", "mer", "l'été"], None),
        ("song.lrc", LRC, ["J'vois", "la", "mer", "l'été"], 1000),
        ("song.elrc", ELRC, ["J'vois", "la", "mer"], 1000),
        ("song.srt", SRT, ["J'vois", "la", "mer", "l'été"], 1000),
        ("song.vtt", VTT, ["J'vois", "la", "mer"], 1000),
        ("song.ass", ASS, ["J'vois", "la", "mer"], 1000),
        # told by what is in them
        ("lrc.txt", LRC, ["J'vois", "la", "mer", "l'été"], 1000),
        ("srt.txt", SRT, ["J'vois", "la", "mer", "l'été"], 1000),
        ("vtt.txt", VTT, ["J'vois", "la", "mer"], 1000),
        ("ass.txt", ASS, ["J'vois", "la", "mer"], 1000),
        ("srt.lrc", SRT, ["J'vois", "la", "mer", "l'été"], 1000),
    ],
)
def test_files(tmp_path: Path, name: str, content: str, words: list[str], first_start: int | None) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    for source in (path, str(path)):
        lyrics = read(source)
        assert list(lyrics.words) == words
        assert lyrics.lines[0].start_ms == first_start


def test_word_times_of_enhanced_lrc_are_hints(tmp_path: Path) -> None:
    path = tmp_path / "song.lrc"
    path.write_text(ELRC, encoding="utf-8")
    assert read(path).lines[0].word_starts_ms == (1000, 1500, 2000)


def test_an_alignment_is_lyrics_too(tmp_path: Path) -> None:
    words = (Word("l'amour", 0, 100, 400), Word("toujours", 1, 500, 900))
    path = Alignment(words, (Line(0, 1), Line(1, 2, 1)), 1000).save(tmp_path / "song.json")
    lyrics = read(path)
    assert lyrics.words == ("l'amour", "toujours")
    assert [line.stanza for line in lyrics.lines] == [0, 1]
    assert lyrics.lines[1].word_starts_ms == (500,)


def test_bytes_and_lyrics() -> None:
    assert read(TEXT.encode()) == from_text(TEXT)
    assert read(LRC.encode("utf-16")).lines[0].start_ms == 1000
    assert read(LRC.encode(), format="text").lines[0].words[0] == "[00:01.00]J'vois"
    lyrics = from_text(TEXT)
    assert read(lyrics) is lyrics


def test_older_encodings() -> None:
    assert read("Où es-tu mon cœur, l'été déjà\n".encode("cp1252")).words[0] == "Où"


@pytest.mark.parametrize("content", [TEXT, LRC])
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read("-").words[0] == "J'vois"


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(LyricsError, match="there is no standard input"):
        read("-")


@pytest.mark.parametrize(
    "text",
    [
        "I sing WEBVTT\nla",
        "[1:05] is when\nthe song\nbegins\nto end",
        "1\n2\n3\n4",
        "# one\n- two",
        "{schema}",
        "[Verse 1: Name]\n[Chorus: All]\nla",
        "time --> flies",
    ],
)
def test_lyrics_that_look_a_little_like_a_format_are_text(text: str) -> None:
    assert sniff(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LRC, "lrc"),
        ("[00:01]la\nuntimed\n[00:02]li", "lrc"),
        (ELRC, "elrc"),
        (SRT, "srt"),
        ("\ufeff\r\n1\r\n00:00:01,000 --> 00:00:02,000\r\nla\r\n", "srt"),
        (VTT, "vtt"),
        (ASS, "ass"),
        ("#TITLE:a\n#BPM:100\n: 0 4 0 la\nE\n", "ultrastar"),
        ('File type = "ooTextFile"\n', "textgrid"),
        ('<?xml version="1.0"?>\n<tt xmlns="http://www.w3.org/ns/ttml">', "ttml"),
        ('{"schema": "melisma.alignment/1"}', "json"),
    ],
)
def test_formats_are_told_by_their_first_rows(text: str, name: str) -> None:
    assert sniff(text) == name


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LyricsError, match=r"^there is no lyrics file .*missing\.txt$"):
        read(tmp_path / "missing.txt")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LyricsError, match=r"is a folder, not a lyrics file$"):
        read(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("la")
    path.chmod(0)
    with pytest.raises(LyricsError, match=r"may not be read: permission denied$"):
        read(path)


def test_a_permission_error_has_its_own_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LyricsError, match=r"may not be read: permission denied$"):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(LyricsError, match=r"^the lyrics file 'a.*' cannot be read: "):
        read(path)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with pytest.raises(LyricsError, match=r"empty\.txt is empty$"):
        read(path)


def test_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(50 * MAX_BYTES)
    with pytest.raises(LyricsError, match=r"large\.txt is larger than 4 MB"):
        read(path)


def test_a_recording_in_place_of_the_lyrics(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3\x04" + bytes(1000))
    with pytest.raises(LyricsError, match=r"song\.mp3 looks like an audio file \(MP3\): did you swap"):
        read(path)


def test_the_sentence_names_the_file() -> None:
    with pytest.raises(LyricsError, match=r"^my\.txt: the lyrics hold no sung word, only headings and notes$"):
        read(b"[Chorus]", name="my.txt")


def test_a_file_that_breaks_its_format() -> None:
    with pytest.raises(FormatError, match=r"^srt"):
        read(b"no time at all", name="song.srt")


def test_an_lrc_file_in_which_nothing_is_timed_is_text() -> None:
    assert read(b"no time at all", name="song.lrc").words == ("no", "time", "at", "all")


def test_an_unknown_format() -> None:
    with pytest.raises(UnknownName, match="no format is called 'docx'"):
        read(b"la", format="docx")


SNIPPETS = st.sampled_from([TEXT, LRC, ELRC, SRT, VTT, ASS])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    spelt = draw(st.sampled_from(["utf-8", "cp1252", "utf-16"]))
    data = bytearray(draw(SNIPPETS).replace("♪", "").encode(spelt))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=6))
    return bytes(data)


def ends_well(data: bytes, name: str) -> None:
    try:
        lyrics = read(data, name=name)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(lyrics, Lyrics)
        assert all(word.split() == [word] for word in lyrics.words)


NAMES = st.sampled_from(["a.txt", "a.lrc", "a.srt", "a.vtt", "a.ass", "a"])


@given(damaged(), NAMES)
@settings(max_examples=200, deadline=None)
def test_damaged_files_end_in_lyrics_or_one_sentence(data: bytes, name: str) -> None:
    ends_well(data, name)


@pytest.mark.slow
@given(st.one_of(damaged(), st.text(max_size=300).map(str.encode), st.binary(max_size=100)), NAMES)
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_files(data: bytes, name: str) -> None:
    ends_well(data, name)
