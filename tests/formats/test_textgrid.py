from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import QUICK, SONG, alignments, expected, golden, got, make, simple_words, texts
from hypothesis import given
from praatio import textgrid as praat
from praatio.utilities import textgrid_io

from melisma.core.errors import FormatError
from melisma.core.records import Alignment
from melisma.formats.textgrid import read, write

HEAD = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'


def short(*tiers: str) -> str:
    return HEAD + f"0\n10\n<exists>\n{len(tiers)}\n" + "\n".join(tiers)


def tier(name: str, *intervals: tuple[float, float, str]) -> str:
    rows = [f'"IntervalTier"\n"{name}"\n0\n10\n{len(intervals)}']
    return "\n".join(rows + [f'{start}\n{end}\n"{text}"' for start, end, text in intervals])


def lasting(words: list[tuple[str, int | None, int | None, int]]) -> list[tuple[str, int | None, int | None, int]]:
    """Give words that start together the end of their group, and words of no length 1 ms."""
    ends: dict[int, int] = {}
    for _, start, end, _ in words:
        if start is not None and end is not None:
            ends[start] = max(ends.get(start, start + 1), end)
    return [(text, start, None if start is None else ends[start], line) for text, start, _, line in words]


def test_the_golden_file_is_written_and_read():
    assert write(SONG) == golden("song.textgrid")
    assert got(read(golden("song.textgrid"))) == lasting(expected(SONG, clip="song"))


@QUICK
@given(alignments())
def test_words_lines_and_times_survive(alignment: Alignment):
    back = read(write(alignment))
    assert got(back) == lasting(expected(alignment, clip="song"))
    assert back.warnings == ()
    assert back.duration_ms - max(alignment.duration_ms, 1) in (0, 1)


@QUICK
@given(alignments(words=simple_words()))
def test_praatio_reads_the_same_intervals(alignment: Alignment):
    found = textgrid_io.parseTextgridStr(write(alignment))
    tiers = {tier["name"]: list(tier["entries"]) for tier in found["tiers"]}
    words = [word for word in lasting(expected(alignment, clip="song")) if word[1] is not None]
    spelt: dict[tuple[int, int], list[str]] = {}
    for text, start, end, _ in words:
        spelt.setdefault((start, end), []).append(text)
    intervals = [(round(float(start) * 1000), round(float(end) * 1000), text) for start, end, text in tiers["words"]]
    assert intervals == [(*span, " ".join(texts)) for span, texts in spelt.items()]
    rows = [row for *_, text in tiers["lines"] for row in text.split("\n")]
    assert rows == [alignment.line_text(i) for i in range(len(alignment.lines))]


def test_praatio_opens_the_golden_file_and_what_it_writes_is_read(tmp_path: Path):
    path = tmp_path / "song.TextGrid"
    path.write_text(golden("song.textgrid"), encoding="utf-8")
    opened = praat.openTextgrid(str(path), includeEmptyIntervals=False)
    assert opened.getTier("words").entries[0].label == "Puisque"
    for form in ("short_textgrid", "long_textgrid"):
        opened.save(str(path), format=form, includeBlankSpaces=True)
        assert texts(read(path.read_text(encoding="utf-8"))) == texts(SONG)


def test_the_short_form_is_read_and_point_tiers_are_passed_over():
    points = '"TextTier"\n"notes"\n0\n10\n1\n5\n"click"'
    back = read(short(points, tier("Singer - words", (0, 1, ""), (1, 2.0005, 'o""h'), (2.0005, 3, "la la"))))
    assert got(back) == [('o"h', 1000, 2001, 0), ("la", 2001, 3000, 0), ("la", 2001, 3000, 0)]
    assert back.duration_ms == 10_000


def test_words_without_a_tier_of_lines_are_parted_at_pauses():
    back = read(short(tier("words", (1, 2, "a"), (3, 4, "b"), (5.5, 6, "c"))))
    assert [word[3] for word in got(back)] == [0, 0, 1]


def test_a_corrected_word_is_kept_and_the_lines_follow_its_time():
    back = read(short(tier("words", (1, 2, "A!"), (3, 4, "b")), tier("lines", (1, 2, "a"), (3, 4, "b"))))
    assert got(back) == [("A!", 1000, 2000, 0), ("b", 3000, 4000, 1)]
    assert "the tiers words and lines disagree" in back.warnings[0]


def test_the_place_of_an_unsung_word_among_its_likes_survives():
    alignment = make([[("la", None, None), ("la", 1000, 2000), ("la", None, None)]], 3000)
    assert got(read(write(alignment))) == expected(alignment)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the file does not begin like a TextGrid"),
        (HEAD + "0\n1e999\n<exists>\n0", "expected a time between 0 and 1000 hours, found '1e999'"),
        (HEAD + "0\nNaN", "the file breaks off"),
        (HEAD + "-5\n10", "line 4: expected a time between 0 and 1000 hours, found '-5'"),
        (HEAD + "0\n10\n<exists>\n99999999", "the file breaks off"),
        (HEAD + "0\n10\n<absent>", "there is no interval tier"),
        (HEAD + '0\n10\n<exists>\n1\n"IntervalTier"\n"w"\n0\n10\n1\n0\n1\n"open', "a text that ends with a quote"),
        (HEAD + '0\n10\n<exists>\n1\n"SpectrumTier"\n"w"\n0\n10\n1', "not 'SpectrumTier'"),
        (HEAD + '0\n10\n<exists>\n1.5\n"', "expected a count, found '1.5'"),
        (HEAD + '0\n10\n"x"', "expected <exists>, found"),
        (HEAD + "0\n10\n<exists>\n1\n7", "expected a text in quotes, found '7'"),
    ],
)
def test_what_is_no_textgrid_is_refused(text: str, fault: str):
    with pytest.raises(FormatError, match=fault):
        read(text)


def test_an_empty_alignment_has_empty_tiers():
    assert read(write(Alignment((), (), 1234))).duration_ms == 1234
    assert read(write(Alignment((), (), 0))).words == ()
