from __future__ import annotations

import html
import re

import pysubs2
import pytest
import webvtt
from format_cases import QUICK, SONG, alignments, expected, golden, got, make
from hypothesis import given

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, TimedLine
from melisma.formats._characters import clean
from melisma.formats._clock import hms
from melisma.formats.vtt import read, read_lines, write


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.vtt")
    assert got(read(golden("song.vtt"))) == expected(SONG, clip="line")


@QUICK
@given(alignments())
def test_word_times_survive_to_the_millisecond(alignment: Alignment):
    back = read(write(alignment))
    assert got(back) == expected(alignment, clip="line")
    assert back.language == alignment.language


@QUICK
@given(alignments())
def test_webvtt_py_reads_the_same_cues(alignment: Alignment):
    captions = webvtt.from_string(write(alignment)).captions
    lines = [clean(alignment.line_text(i)) for i in range(len(alignment.lines))]
    rows = [html.unescape(re.sub(r"<[^>]*>", "", row)) for caption in captions for row in caption.raw_text.split("\n")]
    assert rows == lines


@QUICK
@given(alignments(plain=True))
def test_webvtt_py_reads_the_same_times(alignment: Alignment):
    words = [[w for w in expected(alignment, clip="line") if w[3] == i] for i in range(len(alignment.lines))]
    captions = webvtt.from_string(write(alignment)).captions
    assert [(c.start, c.end) for c in captions] == [(hms(line[0][1]), hms(line[-1][2])) for line in words]


def test_pysubs2_reads_the_same_cues():
    # To pysubs2 1.8 a row with exactly two timestamps is a timing line, and timestamps in a row are text.
    alignment = make([[("one", 1000, 2000), ("&", 2000, 3000)], [("<i>", 4000, 36_000_000)]], 36_000_000)
    events = list(pysubs2.SSAFile.from_string(write(alignment), format_="vtt"))
    assert [(e.start, e.end) for e in events] == [(1000, 3000), (4000, 36_000_000)]
    assert [html.unescape(re.sub(r"<[0-9:.]+>", "", e.plaintext)) for e in events] == ["one &", "<i>"]


def test_timestamps_inside_a_cue_only_grow():
    for cue in golden("song.vtt").split("\n\n")[2:]:
        start, end, *inside = re.findall(r"\d\d+:\d\d:\d\d\.\d{3}", cue)
        assert [start, *inside] == sorted([start, *inside])
        assert all(stamp <= end for stamp in inside)


def test_notes_styles_settings_voices_and_references_are_understood():
    text = (
        "WEBVTT - a title\nKind: captions\nLanguage: de\n\nNOTE not\nsung\n\nSTYLE\n::cue {}\n\nid 1\n"
        "00:01.000 --> 00:04.000 align:start\n<v Bob><i>R&amp;B</i> <00:02.000>&#233;t&eacute; <3\n\n"
    )
    back = read(text)
    assert [word[:3] for word in got(back)] == [("R&B", 1000, 2000), ("été", 2000, 4000), ("<3", 2000, 4000)]
    assert back.language == "de"
    assert read_lines(text) == (TimedLine("R&B été <3", 1000, 4000, (1000, 2000, 2000)),)


def test_a_cue_without_timestamps_gives_its_words_its_span():
    back = read("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\none two\nthree\n")
    assert {word[1:3] for word in got(back)} == {(1000, 2000)}
    assert "times lines, not words" in back.warnings[0]
    assert read_lines("WEBVTT\n\n00:01.000 --> 00:02.000\none two\nthree\n") == (
        TimedLine("one two", 1000, None),
        TimedLine("three", None, 2000),
    )


def test_words_without_a_time_in_front_of_timed_ones_stay_so():
    alignment = make([[("ah", None, None)], [("oh", None, None), ("one", 1000, 2000), ("la", None, None)]], 3000)
    assert got(read(write(alignment))) == expected(alignment)


def test_a_giant_character_reference_is_text():
    back = read("WEBVTT\n\n00:01.000 --> 00:02.000\n&#" + "9" * 5000 + ";")
    assert len(back.words[0].text) == 5003


def test_what_does_not_begin_with_webvtt_is_refused():
    with pytest.raises(FormatError, match="line 1: the file does not begin with WEBVTT"):
        read("1\n00:00:01.000 --> 00:00:02.000\nword")


def test_an_empty_alignment_is_a_header():
    assert read(write(Alignment((), (), 1000))).words == ()
