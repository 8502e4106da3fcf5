"""The script: fills lie on the truth, and nothing that somebody wrote acts as markup."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from melisma.core.errors import FormatError
from melisma.core.records import BACKING, LEAD, Alignment, Line, Word
from melisma.formats.karaoke_script import Colours, Look, script, text

HOSTILE = [
    r"{\p1}m",
    r"{\fs400\pos(0,0)}BIG",
    r"a\Nb",
    r"a\nb\hc",
    "\\",
    r"\{\b1\}",
    "{",
    "}{",
    "a\u202eb",
    "a\x1b[31m",
    "a\ud800b",
    "Dialogue:,0",
    r"{\fnhttp://x/}",
    "a\x00b",
    "[Events]",
    "\u2066x",
]


def song(*lines):
    words = [
        Word(t, k, start, end, voice=more[0] if more else LEAD)
        for k, line in enumerate(lines)
        for t, start, end, *more in line
    ]
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line))
    return Alignment(tuple(words), tuple(Line(a, b) for a, b in pairwise(ends)), 600_000)


def events(written):
    """Return (start, end, style, text) of each event, times in cs."""

    def cs(clock):
        hours, minutes, seconds = clock.split(":")
        return round(100 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))

    rows = [line[len("Dialogue: ") :].split(",", 9) for line in written.splitlines() if line.startswith("Dialogue: ")]
    return [(cs(row[1]), cs(row[2]), row[3], row[9]) for row in rows]


def fills(event):
    """Return (word, start, end) in cs as libass takes an event: tags add up from its beginning."""
    at, found = event[0], []
    for kind, length, shown in re.findall(r"\{(?:\\an5[^}]*\}\{)?\\(kf|k)(\d+)[^}]*\}([^{]*)", event[3]):
        if kind == "kf":
            found.append((shown, at, at + int(length)))
        at += int(length)
    return found


def test_each_word_is_filled_over_its_time():
    line = [("When", 5003, 5349), ("the", 5349, 5555), ("day", 6001, 6007), ("ends", 6008, 8004)]
    (event,) = [e for e in events(script(song(line), Look(count_in=False))) if e[2] == "Lead"]
    assert [shown for shown, _, _ in fills(event)] == ["When", "the", "day", "ends"]
    for (_, start, end), (_, first, last) in zip(fills(event), line, strict=True):
        assert abs(10 * start - first) <= 5
        assert abs(10 * end - last) <= 5


def test_rounding_never_adds_up():
    line = [(f"w{k}", 1004 + 15 * k, 1004 + 15 * (k + 1)) for k in range(12)]
    (event,) = events(script(song(line), Look(width=3000, count_in=False)))
    for k, (_, start, _) in enumerate(fills(event)):
        assert abs(10 * start - (1004 + 15 * k)) <= 5


@pytest.mark.parametrize("written", HOSTILE)
def test_what_was_written_never_is_markup(written):
    shown = text(written)
    assert "{" not in shown
    assert "}" not in shown
    assert not re.search(r"\\(?!\u2060)", shown)
    assert not re.search("[\x00-\x1f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", shown)
    shown.encode("utf-8")


@pytest.mark.parametrize("written", HOSTILE)
def test_hostile_lyrics_and_titles_change_no_line_of_the_script(written):
    def made(word, title):
        alignment = song([(word, 9000, 9500), ("end", 9600, 9900)])
        return script(alignment, Look(title=title, artist=title))

    plain, hostile = (
        made("word", "name").splitlines(),
        made(written.replace("\n", "").strip() or "x", written).splitlines(),
    )
    assert len(plain) == len(hostile)
    ours = {block for line in plain for block in re.findall(r"\{[^}]*\}", line)}
    for line in hostile:
        for block in re.findall(r"\{[^}]*\}", line):
            assert re.sub(r"fsc([xy])\d+", r"fsc\g<1>100", block) in ours or block in ours


def test_a_title_is_shown_where_there_is_time():
    late, soon = song([("word", 9000, 9500)]), song([("word", 1000, 1500)])
    look = Look(title="A song", artist="Somebody")
    shown = [e for e in events(script(late, look)) if e[2] in ("Title", "Artist")]
    assert [e[3].rsplit("}", 1)[1] for e in shown] == ["A song", "Somebody"]
    first = min(e[0] for e in events(script(late, look)) if e[2] == "Lead")
    assert all(e[1] <= first for e in shown)
    assert not [e for e in events(script(soon, look)) if e[2] in ("Title", "Artist")]


def test_three_dots_go_one_by_one():
    dots = [e for e in events(script(song([("word", 9000, 9500)]), Look())) if e[2] == "Dot"]
    assert sorted(e[:2] for e in dots) == [(600, 700), (600, 800), (600, 900)]
    assert not [e for e in events(script(song([("word", 9000, 9500)]), Look(count_in=False))) if e[2] == "Dot"]


def test_words_without_a_time_keep_their_colour():
    line = [("a", 1000, 1400), ("silent", None, None), ("b", 2000, 2400)]
    colours = Colours(unsung="#010203", sung="#0a0b0c")
    (event,) = events(script(song(line), Look(colours=colours)))
    assert r"{\k0\1c&H030201&}silent" in event[3]
    assert fills(event)[1][0] == "b"


def test_a_backing_word_of_a_line_has_its_colour():
    line = [("a", 1000, 1400), ("(ooh)", 1500, 1900, BACKING), ("b", 2000, 2400)]
    (event,) = events(script(song(line), Look(colours=Colours(backing="#123456"))))
    assert re.search(r"\\1c&H563412&\}\(ooh\)", event[3])


def test_words_from_right_to_left_change_their_colour_in_the_order_of_the_text():
    line = [("שלום", 5000, 5400), ("hello", 5500, 5900)]
    (event,) = [e for e in events(script(song(line), Look(count_in=False))) if e[2] == "Lead"]
    assert r"{\fe-1}" in event[3]
    assert r"\kf" not in event[3]
    seen = 10 * event[0]
    times = [(int(a) + seen, int(b) + seen) for a, b in re.findall(r"\\t\((\d+),(\d+),", event[3])]
    assert times == [(5000, 5400), (5500, 5900)]
    assert event[3].index("שלום") < event[3].index("hello")


def test_colours_are_spelt_backwards():
    assert "&H00332211" in script(song([("a", 0, 1)]), Look(colours=Colours(sung="#112233")))


def test_what_has_no_time_or_no_order_is_refused():
    with pytest.raises(FormatError, match="nothing to sing"):
        script(song([("a", None, None)]), Look())
    with pytest.raises(FormatError, match="outside"):
        script(song([("a", 0, 700_000)]), Look())
