"""Voices that overlap, lines out of order and unsung words, in every format that is read back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from format_cases import QUICK, VOICES, expected, golden, voiced
from hypothesis import given

from melisma.core.files import format_named
from melisma.core.records import BACKING, LEAD, Alignment
from melisma.formats._characters import clean
from melisma.formats._sung import in_sung_order, is_backing

BY_TIME = ("lrc", "elrc", "srt", "vtt", "ass", "ttml", "textgrid", "ultrastar", "word-timestamps")
# Format, step in ms, what of a word cannot overlap the next one.
TIMED_WORDS = (
    ("elrc", 10, "line"),
    ("vtt", 1, "line"),
    ("ass", 10, "line"),
    ("ttml", 1, ""),
    ("word-timestamps", 1, ""),
)
ALL_VOICES = ("vtt", "ttml", "word-timestamps")  # of each word
APART = {"ttml": "never", "textgrid": "always", "ultrastar": "always"}
LINE_VOICES = ("ass", "textgrid", "ultrastar")  # of each line


def shown(alignment: Alignment, name: str) -> Alignment:
    return in_sung_order(alignment, APART.get(name, "over"))


def back(alignment: Alignment, name: str) -> Alignment:
    found = format_named(name)
    read = found.read(found.write(alignment))
    read.check()
    return read


def bare(text: str) -> str:
    return clean(text).replace("{", "(").replace("}", ")")


@pytest.mark.parametrize("name", [*BY_TIME, "json"])
def test_the_golden_file_is_written(name: str):
    found = format_named(name)
    assert found.write(VOICES) == golden(f"voices{found.suffixes[0]}")


@pytest.mark.parametrize("name", [*ALL_VOICES, *LINE_VOICES])
def test_the_golden_file_gives_the_backing_voice_back(name: str):
    found = format_named(name)
    backing = [word.text for word in found.read(golden(f"voices{found.suffixes[0]}")).words if word.voice == BACKING]
    inside = [] if name == "ass" else ["(hé)"]
    assert backing == [*inside, "(ah)", "(mmh", "mmh)", "(oh", "oh)"]


@pytest.mark.parametrize(("name", "step", "clip"), TIMED_WORDS)
@QUICK
@given(voiced())
def test_words_and_times_survive_in_the_order_of_the_song(name: str, step: int, clip: str, alignment: Alignment):
    wanted = expected(shown(alignment, name), step, clip, bare)
    found = [(bare(w.text), w.start_ms, w.end_ms, w.line) for w in back(alignment, name).words]
    assert found == wanted


@pytest.mark.parametrize("name", ALL_VOICES)
@QUICK
@given(voiced())
def test_the_voice_of_every_word_survives(name: str, alignment: Alignment):
    assert [w.voice for w in back(alignment, name).words] == [w.voice for w in shown(alignment, name).words]


@pytest.mark.parametrize("name", LINE_VOICES)
@QUICK
@given(voiced())
def test_a_timed_line_of_the_backing_voice_stays_one(name: str, alignment: Alignment):
    def backing(of: Alignment) -> Counter[str]:
        lines = [of.line_words(i) for i in range(len(of.lines))]
        timed = [line for line in lines if any(not word.unsung for word in line)]
        return Counter(bare(w.text) for line in timed if is_backing(line) for w in line)

    has_lead = any(not word.unsung and word.voice == LEAD for word in alignment.words)
    if has_lead:  # else lines of the lead without a time are rows of a backing one
        assert backing(back(alignment, name)) == backing(shown(alignment, name))


@pytest.mark.parametrize("name", BY_TIME)
@QUICK
@given(voiced())
def test_no_word_is_lost_and_nothing_is_unsorted(name: str, alignment: Alignment):
    read = back(alignment, name)
    assert Counter(bare(w.text) for w in read.words) == Counter(bare(w.text) for w in alignment.words)
    starts = [span[0] for i in range(len(read.lines)) if (span := read.line_ms(i))]
    assert starts == sorted(starts)
    if name not in ("lrc", "srt"):
        unsung = Counter(bare(w.text) for w in alignment.words if w.unsung)
        assert Counter(bare(w.text) for w in read.words if w.unsung) == unsung


@pytest.mark.parametrize("name", BY_TIME)
def test_leads_that_are_sung_into_each_other_do_not_disturb_a_writer(name: str):
    rounds = replace(
        VOICES,
        words=tuple(
            replace(word, start=start, end=start + 700, voice=LEAD)
            for word, start in zip(
                VOICES.words, (0, 2000, 4000, 6000, 1, 500, 2500, 4500, 6500, 7000, 499, 501), strict=True
            )
        ),
        repeats=(),
    )
    read = back(rounds, name)
    assert Counter(w.text for w in read.words) == Counter(w.text for w in rounds.words)


def test_the_text_keeps_its_order_in_json():
    assert back(VOICES, "json") == VOICES
