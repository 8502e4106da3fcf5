from __future__ import annotations

import re

import pysubs2
import pytest
from format_cases import QUICK, SONG, alignments, expected, golden, got, make, simple_words
from hypothesis import given

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, TimedLine
from melisma.formats._characters import clean
from melisma.formats.ass import read, read_lines, write

EVENTS = "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"


def spelt(text: str) -> str:
    return clean(text).replace("{", "(").replace("}", ")")


def event(text: str, start: str = "0:00:01.00", end: str = "0:00:04.00") -> str:
    return f"Dialogue: 0,{start},{end},Default,,0,0,0,,{text}\n"


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.ass")
    assert got(read(golden("song.ass"))) == expected(SONG, 10, "line", spelt)


@QUICK
@given(alignments())
def test_word_times_survive_to_the_centisecond(alignment: Alignment):
    assert got(read(write(alignment))) == expected(alignment, 10, "line", spelt)


@QUICK
@given(alignments())
def test_pysubs2_reads_the_same_text(alignment: Alignment):
    subs = pysubs2.SSAFile.from_string(write(alignment))
    rows = [row.replace("\u2060", "") for event in subs for row in event.plaintext.split("\n")]
    lines = [spelt(alignment.line_text(i)).replace("\u2060", "") for i in range(len(alignment.lines))]
    assert rows == lines
    assert all(event.style in subs.styles for event in subs)


@QUICK
@given(alignments(words=simple_words(), plain=True))
def test_karaoke_tags_add_up_without_drift(alignment: Alignment):
    subs = pysubs2.SSAFile.from_string(write(alignment))
    wanted = expected(alignment, 10, "line", spelt)
    found = []
    for e in subs:
        at = e.start
        for kind, digits in re.findall(r"\{\\(kf?)(\d+)\}", e.text):
            if kind == "kf":
                found.append((at, at + 10 * int(digits)))
            at += 10 * int(digits)
        assert at == e.end
    assert found == [(start, end) for _, start, end, _ in wanted]


def test_a_line_is_seen_before_it_is_sung_but_not_over_the_line_in_its_row():
    text = write(
        make([[("a", 1000, 2000)], [("b", 9000, 9500)], [("c", 10_000, 11_000)], [("d", 11_000, 12_000)]], 12_000)
    )
    seen = re.findall(r"Dialogue: 0,([^,]*),[^,]*,(\w+)", text)
    assert seen == [("0:00:00.00", "Upper"), ("0:00:06.00", "Lower"), ("0:00:07.00", "Upper"), ("0:00:09.50", "Lower")]


def test_lines_that_start_together_keep_their_order():
    alignment = make([[("a", 5000, 9000)], [("b", 9000, 9100)], [("c", 9100, 9200)], [("d", 9100, 9300)]], 9300)
    assert [word[0] for word in got(read(write(alignment)))] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("tag", ["k", "K", "kf", "ko"])
def test_every_karaoke_tag_is_read(tag: str):
    text = EVENTS + event(f"{{\\an8\\{tag}50}}o{{\\{tag}50}}ne {{\\{tag}100\\b1}}two")
    assert got(read(text)) == [("one", 1000, 2000, 0), ("two", 2000, 3000, 0)]


def test_kt_sets_the_time():
    text = EVENTS + event("{\\k50}one{\\kt150\\k20} {\\k30}two")
    assert [word[1:3] for word in got(read(text))] == [(1000, 2500), (2700, 3000)]


def test_events_without_karaoke_give_their_span_and_drawings_and_comments_are_skipped():
    text = EVENTS + event("{\\p1}m 0 0 l 1 1{\\p0}") + "Comment: 0,0:00:00.00,0:00:01.00,,,0,0,0,,no\n"
    text += event("{\\i1}one{\\i0}, two\\Nthree\\hfour")
    back = read(text)
    assert [word[:3] for word in got(back)] == [(w, 1000, 4000) for w in ("one,", "two", "three", "four")]
    assert "times lines, not words" in back.warnings[0]
    assert read_lines(text) == (TimedLine("one, two", 1000, None), TimedLine("three four", None, 4000))


def test_fields_are_found_by_the_format_row():
    text = "[Events]\nFormat: End, Start, Text\nDialogue: 0:00:02.00,0:00:01.00,a, b"
    assert [word[:3] for word in got(read(text))] == [("a,", 1000, 2000), ("b", 1000, 2000)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hello", r"there is no \[Events\] section"),
        (EVENTS + "Dialogue: 0,0:00:01.00", "line 3: a dialogue line has 2 fields, not 10"),
        (EVENTS + event("a", start="soon"), "line 3: this is no time: 'soon'"),
        (EVENTS + event("a", end="late"), "line 3: this is no time: 'late'"),
        ("[Events]\nFormat: Start, Text\nDialogue: 0:00:01.00,a", "no End"),
        (EVENTS + event("a", end="9999:00:00.00"), "beyond 1000 hours"),
    ],
)
def test_what_is_no_ass_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_an_empty_alignment_has_no_events():
    assert read(write(Alignment((), (), 1000))).words == ()
