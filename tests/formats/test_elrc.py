from __future__ import annotations

import pytest
from format_cases import QUICK, SONG, alignments, expected, golden, got, make, stanza_breaks
from hypothesis import given

from melisma.core.records import Alignment, TimedLine
from melisma.formats.elrc import read, read_lines, write


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.elrc")
    assert got(read(golden("song.elrc"))) == expected(SONG, 10, clip="line")


@QUICK
@given(alignments())
def test_word_times_survive_to_the_centisecond(alignment: Alignment):
    back = read(write(alignment))
    assert got(back) == expected(alignment, 10, clip="line")
    assert stanza_breaks(back) == stanza_breaks(alignment)
    assert back.language == alignment.language
    assert back.duration_ms == (alignment.duration_ms + 5) // 10 * 10 or alignment.words


@pytest.mark.parametrize(
    "row",
    [
        "[00:10.00]<00:10.00>one <00:11.00>two<00:12.00>",
        "[00:10.00] <00:10.00> one <00:11.00> two <00:12.00>",
        "[00:10.00]<00:10.00>one <00:11.00>two <00:12.00>",
        "[00:10.00]one <00:11.00>two<00:12.00>",
        "[00:10.00]<00:10.00>o<00:10.30>ne <00:11.00>two\n[00:12.00]",
        "<00:10.00>one <00:11.00>two<00:12.00>",
    ],
)
def test_every_custom_of_word_tags_is_read(row: str):
    assert got(read(row)) == [("one", 10_000, 11_000, 0), ("two", 11_000, 12_000, 0)]


def test_words_behind_a_tag_that_only_ends_have_no_time():
    back = read("[00:10.00]<00:10.00>one<00:10.50> oh <00:11.00>two<00:12.00> ah")
    assert [word[1] for word in got(back)] == [10_000, None, 11_000, None]


def test_words_in_front_of_the_first_tag_have_no_time():
    assert got(read("[00:10.00]oh <00:10.00>one<00:11.00>"))[0] == ("oh", None, None, 0)


def test_words_that_share_a_tag_share_its_span():
    assert {word[1:3] for word in got(read("[00:10.00]<00:10.00>one two<00:12.00>"))} == {(10_000, 12_000)}


def test_lyrics_lines_carry_the_starts_of_their_words():
    text = "[00:10.00]<00:10.00>one <00:11.00>two<00:12.00>\n[00:20.00]three\n[00:21.00]"
    assert read_lines(text) == (
        TimedLine("one two", 10_000, 12_000, (10_000, 11_000)),
        TimedLine("three", 20_000, 21_000),
    )


def test_a_word_that_looks_like_a_tag_stays_a_word():
    alignment = make([[("<00:12.00>", 0, 100), ("[01:00.00]", None, None)], [("[ar:x]", None, None)]], 500)
    assert [word[0] for word in got(read(write(alignment)))] == ["<00:12.00>", "[01:00.00]", "[ar:x]"]
    assert "<00:12.00><" not in write(alignment)
