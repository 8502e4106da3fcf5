from __future__ import annotations

import pysubs2
import pytest
from format_cases import QUICK, SONG, alignments, golden, got, make, simple_words, texts
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, TimedLine
from melisma.formats.srt import read, read_lines, write


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.srt")
    assert texts(read(golden("song.srt"))) == texts(SONG)


@QUICK
@given(alignments())
def test_lines_and_their_times_survive(alignment: Alignment):
    back = read(write(alignment))
    back.check()
    assert [(w.text, w.line) for w in back.words] == texts(alignment)
    for i in range(len(alignment.lines)):
        span = alignment.line_ms(i)
        assert span is None or back.line_ms(i) == span


# What pysubs2 itself confuses with structure, digits and times, is left out; markup is not.
FOR_PYSUBS2 = simple_words() | st.sampled_from(
    ("<i>", "</i>", "<b", "<", ">", "&amp;", "-->", "{\\k50}", "{", '"', "愛", "🎤")
)


@QUICK
@given(alignments(words=FOR_PYSUBS2))
def test_pysubs2_reads_the_same_cues(alignment: Alignment):
    subs = pysubs2.SSAFile.from_string(write(alignment), format_="srt")
    spans = [span for i in range(len(alignment.lines)) if (span := alignment.line_ms(i))]
    assert [(event.start, event.end) for event in subs] == (
        spans or [(0, alignment.duration_ms)] * bool(alignment.lines)
    )
    rows = [row.replace("\u2060", "") for event in subs for row in event.text.split("\\N")]
    assert rows == [alignment.line_text(i) for i in range(len(alignment.lines))]


def test_tags_and_overrides_are_stripped_and_all_newlines_read():
    text = "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>one</i> {\\an8}two\r\r"
    text += "2\n0:0:3.5 --> 0:0:4,5 X1:10\n<font color=red>three</font>"
    assert read_lines(text) == (TimedLine("one two", 1000, 2500), TimedLine("three", 3500, 4500))


def test_rows_of_a_cue_share_its_span_and_hint_at_what_is_known():
    text = "1\n00:00:01,000 --> 00:00:04,000\none two\nthree\n"
    assert read_lines(text) == (TimedLine("one two", 1000, None), TimedLine("three", None, 4000))
    back = read(text)
    assert got(back) == [("one", 1000, 4000, 0), ("two", 1000, 4000, 0), ("three", 1000, 4000, 1)]
    assert "times lines, not words" in back.warnings[0]


def test_cues_are_sorted_and_numbers_are_not_sung():
    text = "2\n00:00:03,000 --> 00:00:04,000\nlater\n10\n\n1\n00:00:01,000 --> 00:00:02,000\n99\n"
    assert [line.text for line in read_lines(text)] == ["99", "later", "10"]


def test_an_unsung_line_is_shown_with_the_line_in_front():
    text = write(make([[("ah", None, None)], [("one", 1000, 2000)], [("oh", None, None)]], 3000))
    assert text == "1\n00:00:01,000 --> 00:00:02,000\nah\none\noh\n"


def test_an_alignment_without_times_is_one_cue():
    assert write(make([[("ah", None, None)]], 3000)) == "1\n00:00:00,000 --> 00:00:03,000\nah\n"


def test_a_word_like_an_arrow_or_a_tag_stays_a_word():
    words = ["00:00:01,000", "-->", "00:00:02,000", "<i>", "{\\an8}", "--\u2060>"]
    back = read(write(make([[(word, 0, 10) for word in words]], 10)))
    assert [word[0] for word in got(back)] == words


def test_what_is_no_srt_is_refused():
    with pytest.raises(FormatError, match="no timing line"):
        read("some words\n\nand more")


def test_a_time_beyond_the_limit_is_refused():
    with pytest.raises(FormatError, match="beyond 1000 hours"):
        read("1\n99999:00:00,000 --> 99999:00:01,000\nword")


def test_an_empty_alignment_is_an_empty_file():
    assert write(Alignment((), (), 1000)) == ""
    assert read("").words == ()
