"""Alignments for the tests of formats: a song with every oddity, and a Hypothesis strategy for valid ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st

from melisma.core.records import BACKING, Alignment, Line, Repeat, Word
from melisma.formats._characters import clean

GOLDEN = Path(__file__).parent / "golden"
QUICK = settings(max_examples=60, deadline=None)  # a loaded machine is no fault of the code

# Words that look like the markup of some format, or that its files have trouble with.
TRAPS = (
    "l'amour", "don't", "Čežnja", "любовь", "愛", "שלום", "🎤", "a\u200bb", "\u2060", "[ar:x]", "[00:12.00]", "[2:1]",
    "<00:12.00>", "<i>", "</i>", "<", ">", "&", "&amp;", "&lt;", "-->", "--\u2060>", "{\\k50}", "{", "}", "\\N",
    "\\h", "\\", "a\\", '"', '""', "*", ":", "-", "E", "~", "~a", "\u2060~", "#BPM:3", "P1", "1", "10", "item",
    "NOTE", "STYLE", "WEBVTT", "'", "]]>", "<!--", "[\u2060ar:x]", "<\u2060i>", "00:00:01,000", "Dialogue:",
    "[Events]", "!", "2:la", "xmin", ",", "//", "<3", "[Chorus]",
)  # fmt: skip


def make(lines: list[list[tuple[str, int | None, int | None]]], duration: int, **extra: object) -> Alignment:
    """Make an alignment of lines of (word, start, end) in ms."""
    words: list[Word] = []
    kept: list[Line] = []
    for line in lines:
        first = len(words)
        words += [Word(text, len(kept), start, end, None if start is None else 0.5) for text, start, end in line]
        kept.append(Line(first, len(words)))
    return Alignment(tuple(words), tuple(kept), duration, **extra)


SONG = Alignment(
    words=(
        Word("Puisque", 0, 16_230, 16_895, 0.91),
        Word("l'amour,", 0, 16_895, 17_500, 0.8),
        Word("oh", 0, None, None),
        Word("<vole>", 0, 18_004, 18_004, 0.2),
        Word("ouh", 1, None, None),
        Word("ouh", 1, None, None),
        Word("{et", 2, 20_000, 21_234, 1.0),
        Word("moi}", 2, 21_234, 21_999, 0.0),
        Word('"je', 3, 6_000_000, 6_000_500, 0.7),
        Word("&", 3, 6_000_500, 6_000_700, 0.7),
        Word('toi"', 3, 36_000_000, 36_001_000, None),
    ),
    lines=(Line(0, 4, 0), Line(4, 6, 0), Line(6, 8, 1), Line(8, 11, 2)),
    duration=36_002_345,
    language="fr",
    engine="phone",
    engine_version="1",
    model_id="melisma-phone",
    model_revision="abc",
)

# A verse sung before the one in front of it, two backing groups over their lead, one between its words, a backing line.
VOICES = Alignment(
    words=(
        Word("Deuxième", 0, 20_000, 20_700, 0.9, expected_error_ms=42.5),
        Word("couplet", 0, 20_700, 24_000, 0.9, expected_error_ms=180.0),
        Word("(oh", 0, 21_000, 21_400, 0.6, voice=BACKING),
        Word("oh)", 0, 21_400, 22_000, 0.6, voice=BACKING),
        Word("jamais", 1, None, None),
        Word("Premier", 2, 10_000, 10_500, 0.95),
        Word("(hé)", 2, 10_500, 10_800, 0.7, voice=BACKING),
        Word("vers", 2, 11_000, 13_000, 0.95),
        Word("(ah)", 2, 12_000, 12_500, 0.5, voice=BACKING),
        Word("tenu", 2, 13_000, 15_000, 0.95),
        Word("(mmh", 3, 14_000, 14_500, 0.4, voice=BACKING),
        Word("mmh)", 3, None, None, voice=BACKING),
    ),
    lines=(Line(0, 4, 0), Line(4, 5, 0), Line(5, 10, 1), Line(10, 12, 1)),
    duration=30_000,
    language="fr",
    engine="phone",
    engine_version="1",
    model_id="melisma-phone",
    model_revision="abc",
    warnings=("the refrain comes back once more than written",),
    repeats=(Repeat(2, 4, 25_000, 29_000),),
)


@st.composite
def alignments(draw: st.DrawFn, words: st.SearchStrategy[str] | None = None, plain: bool = False) -> Alignment:
    """Draw a valid alignment; `plain` ones have no unsung or empty words and no two that start together."""
    texts = words if words is not None else st.one_of(st.sampled_from(TRAPS), word_texts())
    shape = draw(st.lists(st.integers(1, 4), max_size=5))
    at = draw(st.sampled_from((0, 0, 5, 59_990, 5_999_000, 35_999_000)))
    found: list[Word] = []
    lines: list[Line] = []
    stanza = 0
    longest = 0
    for k, n_words in enumerate(shape):
        stanza += draw(st.integers(0, 1)) if k else 0
        first = len(found)
        for _ in range(n_words):
            text = draw(texts)
            if not plain and draw(st.integers(0, 4)) == 0:
                found.append(Word(text, k, None, None))
                continue
            at += draw(st.integers(25, 4000) if plain else st.integers(0, 40) | st.integers(0, 4000))
            length = draw(st.integers(20, 900) if plain else st.integers(0, 30) | st.integers(0, 3000))
            confidence = draw(st.none() | st.integers(0, 10_000).map(lambda n: n / 10_000))
            found.append(Word(text, k, at, at + length, confidence))
            longest = max(longest, at + length)
        lines.append(Line(first, len(found), stanza))
    duration = longest + draw(st.integers(0, 3000))
    language = draw(st.sampled_from(("und", "fr", "sr-Cyrl", "pt-BR")))
    alignment = Alignment(tuple(found), tuple(lines), duration, language=language, model_id="m", engine="phone")
    alignment.check()
    return alignment


@st.composite
def voiced(draw: st.DrawFn, words: st.SearchStrategy[str] | None = None) -> Alignment:
    """Draw a valid alignment whose lines are in any order, and in which a backing voice sings over the lead."""
    plain = draw(alignments(words))
    ends = [0, *(span[1] for i in range(len(plain.lines)) if (span := plain.line_ms(i)))]
    longest = max(ends)
    found: list[Word] = []
    lines: list[Line] = []
    for i in draw(st.permutations(range(len(plain.lines)))):
        first = len(found)
        found += [replace(word, line=len(lines)) for word in plain.line_words(i)]
        for _ in range(draw(st.integers(0, 2))):
            group = backing_group(draw, plain.line_ms(i) or (0, 0), len(lines), longest)
            earlier = [w.start for w in found[first:] if w.voice == BACKING and w.start is not None]
            if draw(st.booleans()) and not earlier:
                at = draw(st.integers(first, len(found)))
                found[at:at] = group
            elif not earlier or all(w.start is None or w.start >= earlier[-1] for w in group):
                found += group
        lines.append(Line(first, len(found), plain.lines[i].stanza))
    duration = max([plain.duration, *(word.end or 0 for word in found)])
    alignment = replace(plain, words=tuple(found), lines=tuple(lines), duration=duration)
    alignment.check()
    return alignment


def backing_group(draw: st.DrawFn, span: tuple[int, int], line: int, longest: int) -> list[Word]:
    """Draw a group of backing words that begins about where its line is sung, or anywhere; some have no time."""
    at = draw(st.integers(max(0, span[0] - 500), span[1] + 500) | st.integers(0, longest + 500))
    group: list[Word] = []
    for _ in range(draw(st.integers(1, 3))):
        text = draw(st.sampled_from(("(oh", "oh)", "(la)", "<hé>")))
        if draw(st.integers(0, 4)) == 0:
            group.append(Word(text, line, None, None, voice=BACKING))
            continue
        length = draw(st.integers(0, 900))
        group.append(Word(text, line, at, at + length, 0.5, voice=BACKING))
        at += draw(st.integers(0, 1200))
    return group


def word_texts() -> st.SearchStrategy[str]:
    """Draw words of any characters but whitespace, lone surrogates and controls too."""
    return st.text(st.characters(), min_size=1, max_size=6).map(lambda text: "".join(text.split())).filter(bool)


def simple_words() -> st.SearchStrategy[str]:
    """Draw words of letters and apostrophes, for libraries that are confused by less than we are."""
    return st.from_regex(r"[a-zéčßжあ🎤']{1,8}", fullmatch=True)


def expected(
    alignment: Alignment, step_ms: int = 1, clip: str = "", spell: Callable[[str], str] = clean
) -> list[tuple[str, int | None, int | None, int]]:
    """Give the words (text, start, end, line) that a format must keep: rounded to steps, halves up, and clipped.

    `clip` is "line" or "song" where a word cannot overlap the next one of its line, or of the whole song.
    """
    found: list[tuple[str, int | None, int | None, int]] = []
    follower: tuple[int, int] | None = None
    for word in reversed(alignment.words):
        start, end = word.start_ms, word.end_ms
        if start is not None and end is not None:
            if follower is not None and (clip == "song" or (clip == "line" and follower[0] == word.line)):
                end = min(end, follower[1])
            follower = word.line, start
            start, end = ((t + step_ms // 2) // step_ms * step_ms for t in (start, end))
        found.append((spell(word.text), start, end, word.line))
    return found[::-1]


def got(alignment: Alignment) -> list[tuple[str, int | None, int | None, int]]:
    """Give the words of what a reader returned, after checking it."""
    alignment.check()
    return [(word.text, word.start_ms, word.end_ms, word.line) for word in alignment.words]


def texts(alignment: Alignment) -> list[tuple[str, int]]:
    """Give text and line of every word."""
    return [(clean(word.text), word.line) for word in alignment.words]


def stanza_breaks(alignment: Alignment) -> list[bool]:
    """Tell for each line but the first whether a stanza begins with it."""
    return [line.stanza != before.stanza for before, line in zip(alignment.lines, alignment.lines[1:], strict=False)]


def golden(name: str) -> str:
    """Read a golden file, newlines as they are."""
    return (GOLDEN / name).read_bytes().decode("utf-8")
