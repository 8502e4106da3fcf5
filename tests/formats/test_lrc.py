from __future__ import annotations

import pytest
from format_cases import QUICK, SONG, alignments, golden, got, make, stanza_breaks, texts
from hypothesis import given

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, TimedLine
from melisma.formats.lrc import read, read_lines, write


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.lrc")
    assert texts(read(golden("song.lrc"))) == texts(SONG)
    assert read(golden("song.lrc")).language == "fr"


@QUICK
@given(alignments())
def test_line_starts_untimed_lines_stanzas_and_words_survive(alignment: Alignment):
    back = read(write(alignment))
    assert texts(back) == [(word, line) for word, line, *_ in ((w, k) for w, k in texts(alignment))]
    assert [w.text for w in back.words] == [text for text, _ in texts(alignment)]
    assert stanza_breaks(back) == stanza_breaks(alignment)
    for i in range(len(alignment.lines)):
        span = alignment.line_ms(i)
        read_span = back.line_ms(i)
        assert (span is None) == (read_span is None)
        if span and read_span:
            assert read_span[0] == (span[0] + 5) // 10 * 10
    assert back.language == alignment.language


def test_words_carry_the_span_of_their_line_and_the_alignment_says_so():
    back = read("[00:10.00]one two\n[00:12.00]\n[00:20.00]three\n[00:21.50]\n")
    assert got(back) == [("one", 10_000, 12_000, 0), ("two", 10_000, 12_000, 0), ("three", 20_000, 21_500, 1)]
    assert "times lines, not words" in back.warnings[0]


def test_a_last_line_without_an_end_is_given_one_and_says_so():
    back = read("[00:10.00]one")
    assert got(back) == [("one", 10_000, 12_000, 0)]
    assert "2 seconds are assumed" in back.warnings[0]


def test_the_length_tag_ends_the_last_line():
    back = read("[length: 0:15]\n[00:10.00]one")
    assert (got(back), back.duration_ms, back.warnings) == ([("one", 10_000, 15_000, 0)], 15_000, ())


def test_short_pauses_leave_a_line_standing_and_long_ones_clear_it():
    text = write(make([[("a", 0, 1000)], [("b", 2999, 3000)], [("c", 5000, 6000)]], 9000))
    assert text.splitlines()[2:] == ["[00:00.00]a", "[00:03.00]b", "[00:03.00]", "[00:05.00]c", "[00:06.00]"]


def test_centiseconds_are_rounded_halves_up():
    assert "[00:00.01]a" in write(make([[("a", 5, 9)]], 9))
    assert "[00:00.00]a" in write(make([[("a", 4, 9)]], 9))


def test_several_time_tags_are_expanded_and_sorted():
    lines = read_lines("[01:20.00][00:10.00]chorus\n[00:30.00]verse\n")
    assert [(line.start_ms, line.text) for line in lines] == [(10_000, "chorus"), (30_000, "verse"), (80_000, "chorus")]


def test_lines_with_one_time_each_keep_their_place_in_the_text_whatever_their_times():
    text = "[00:30.00]first\n[00:10.00]second\n[00:20.00]\nthird\n[00:15.00]fourth\n"
    lines = [(line.text, line.start_ms, line.end_ms) for line in read_lines(text)]
    assert lines == [
        ("first", 30_000, None),
        ("second", 10_000, 20_000),
        ("third", None, None),
        ("fourth", 15_000, None),
    ]
    closed = read_lines("[00:30.00]first\n[00:10.00]\n[00:40.00]second\n")
    assert [(line.text, line.start_ms, line.end_ms) for line in closed] == [
        ("first", 30_000, None),
        ("second", 40_000, None),
    ]


def test_word_tags_move_with_a_repeated_line():
    back = read("[00:10.00][01:10.00]<00:10.00>a <00:11.00>b<00:12.00>")
    assert [word[1:3] for word in got(back)] == [(10_000, 11_000), (11_000, 12_000), (70_000, 71_000), (71_000, 72_000)]


@pytest.mark.parametrize(
    ("offset", "start"), [("+500", 9500), ("-500", 10_500), ("500", 9500), ("20000", 0), ("", 10_000)]
)
def test_the_offset_is_applied_wherever_it_stands(offset: str, start: int):
    assert read_lines(f"[00:10.00]word\n[offset:{offset}]")[0].start_ms == start


def test_metadata_is_not_sung_and_an_empty_row_is_kept_between_stanzas():
    lines = read_lines("[ar:Someone]\r\n[ti:A: B]\r\n[00:01.00]one\r\r[00:02.00]two\n[00:03.00]")
    assert lines == (TimedLine("one", 1000), TimedLine(""), TimedLine("two", 2000, 3000))


@pytest.mark.parametrize(
    ("tag", "ms"),
    [
        ("[1:2]", 62_000),
        ("[01:02.5]", 62_500),
        ("[01:02.345]", 62_345),
        ("[01:02:50]", 62_500),
        ("[1:01:02.50]", 3_662_500),
        ("[01:02,34]", 62_340),
        ("[125:00.00]", 7_500_000),
        ("[00:75.00]", 75_000),
    ],
)
def test_every_spelling_of_a_time_is_read(tag: str, ms: int):
    assert read_lines(f"{tag}word")[0].start_ms == ms


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("just some words\nof no format", "no line has a time tag"),
        ("[00:01.00]ok\n[00:xx.00]word", "line 2: this is no time tag"),
        ("[offset:soon]\n[00:01.00]word", "the offset is no number"),
        ("[00:01.00]" * 101 + "word", "more than 100 time tags"),
        ("[999999999:00.00]word", "beyond 1000 hours"),
    ],
)
def test_what_is_no_lrc_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_an_empty_alignment_is_a_header():
    assert read(write(Alignment((), (), 1230))).duration_ms == 1230
    assert read("").words == ()
