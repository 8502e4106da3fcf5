"""Lyrics to sung lines: every rule of docs/lyrics.md, and what holds for any text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from melisma.core.errors import LyricsError
from melisma.core.records import LyricLine, Lyrics, TimedLine
from melisma.text import lyrics as module
from melisma.text.characters import visible
from melisma.text.lyrics import from_text, parse

# A line that holds no bracket, no note, no heading's word and no "x2" or colon: each of its words is sung.
_WORDS = (
    "l'amour j'vois don't rock'n'roll naïve ÉTÉ Čekam ночь の花 1999 24/7 - & … — ! "
    "🎉 ❤️ a,b “quoted” ¿qué? y’all a\u200bb"
)
PLAIN_WORDS = st.sampled_from(_WORDS.split(" "))
SPACES = st.sampled_from([" ", "  ", "\t", "\xa0", "\u3000", " \u2003"])
NEWLINES = st.sampled_from(
    ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028", "\n\n", "\r\n\r\n", "\f", "\u2029", "\n \n", "\r\r\n"]
)


@st.composite
def plain_texts(draw: st.DrawFn) -> str:
    out = [draw(SPACES)] if draw(st.booleans()) else []
    for word in draw(st.lists(PLAIN_WORDS, min_size=1, max_size=25)):
        out += [word, draw(st.one_of(SPACES, NEWLINES))]
    return "".join(out)


_ROWS = (
    "[Chorus]|[Chorus x2]|(Verse 2)|Refrain:|[Repeat Chorus]|Chorus|♪ la ♫|la la (x2)|oh (x3) yeah x2|[x2]|(x2)||"
    "|hey you|(oh oh)|[Verse 1: Name] [x2]|Chorus: la la|[Chorus] so|x3|\u200b|🎵|(bis)|- & …|[|)|(x|a:b|2x"
)
ROWS = st.sampled_from(_ROWS.split("|"))
ANY_TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(ROWS, st.text(max_size=20)), max_size=15).map("\n".join),
)


def stanzas(lyrics: Lyrics) -> str:
    """Lines with "/" between them and "//" between stanzas."""
    return lyrics.text.replace("\n\n", "//").replace("\n", "/")


@given(plain_texts())
@settings(max_examples=200, deadline=None)
def test_without_brackets_and_notes_the_words_are_those_of_split(text: str) -> None:
    assert list(from_text(text).words) == text.split()


@given(ANY_TEXT)
@example("[Chorus x20]\n" + "a (x20)\n" * 20)
@settings(max_examples=300, deadline=None)
def test_any_text_ends_in_lyrics_or_one_sentence(text: str) -> None:
    check(text)


@pytest.mark.slow
@given(ANY_TEXT)
@settings(max_examples=10_000, deadline=None)
def test_ten_thousand_lyrics(text: str) -> None:
    check(text)


def check(text: str) -> None:
    """Check what holds for any lyrics at all."""
    try:
        lyrics = from_text(text)
    except LyricsError as error:
        assert "\n" not in str(error)
        return
    given_words = text.split()
    assert lyrics.words
    for line in lyrics.lines:
        assert line.words
        for word in line.words:
            assert word.split() == [word]
            assert visible(word)
            assert any(word in given_word for given_word in given_words)
    indices = [line.stanza for line in lyrics.lines]
    assert indices[0] == 0
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(indices))
    if not any(char in "xX×хХ回遍번" or char in "([（［" for char in text) and "epeat" not in text:
        rest = iter(given_words)
        assert all(any(word in given_word for given_word in rest) for word in lyrics.words)  # in order, each once


@given(plain_texts())
@settings(max_examples=100, deadline=None)
def test_what_was_read_reads_the_same_again(text: str) -> None:
    lyrics = from_text(text)
    assert from_text(lyrics.text) == lyrics


@pytest.mark.parametrize(
    ("text", "sung"),
    [
        # headings
        ("[Verse 1]\na b\n\n[Chorus]\nc", "a b//c"),
        ("[Verse 1]\na\n[Chorus]\nb", "a//b"),
        ("[Verse 2: Name]\na", "a"),
        ("[Produced by Someone]\na", "a"),
        ("(Chorus)\na", "a"),
        ("Chorus:\na", "a"),
        ("a\n\nChorus\nb", "a//b"),
        ("a\nChorus\nb", "a/Chorus/b"),
        ("Verse 1\na\n\nVerse 2\nb", "a//b"),
        ("[Chorus] We will\nrock you", "We will/rock you"),
        ("Chorus: We will\nrock you", "We will/rock you"),
        ("\ufeff[Chorus]\na", "a"),
        ("a\n\u200b[Chorus]\u200b\nb", "a//b"),
        ("\u200b[Chorus] \u200bWe will", "\u200bWe will"),
        # what is no heading is sung
        ("Chorus of angels", "Chorus of angels"),
        ("(oh oh oh)\n(hey)", "(oh oh oh)/(hey)"),
        ("I [really] love you", "I [really] love you"),
        ("[Chorus\na", "[Chorus/a"),
        ("She said: go\nTime:", "She said: go/Time:"),
        # notes
        ("♪ la la ♪\n♪♫\n🎵hey🎶", "la la/hey"),
        ("a\n♪\nb", "a/b"),
        ("rock♪roll #1 ♯", "rock♪roll #1 ♯"),
        # every other word stays
        ("- & … — 🎉 (!) ~", "- & … — 🎉 (!) ~"),
        ("a\u200bb \u200b \xad c", "a\u200bb c"),
        ("a\xa0b\u3000c", "a b c"),
        # repeats of a line
        ("a b (x2)\nc", "a b/a b/c"),
        ("a b [x3]", "a b/a b/a b"),
        ("a b x2", "a b/a b"),
        ("a b 2x", "a b/a b"),
        ("a b ×2", "a b/a b"),
        ("a b (bis)", "a b/a b"),
        ("baby(x2)", "baby/baby"),
        ("a (x2).", "a/a"),
        ("♪ a ♪ (x2)", "a/a"),
        ("(x2) a b", "a b/a b"),
        ("a (x1)", "a"),
        ("na na (x2) hey bye", "na na na na hey bye"),
        ("na (x2) hey (x3)", "na na hey hey hey"),
        ("bis\nsay it twice", "bis/say it twice"),
        ("Malcolm x 2\n2x4", "Malcolm x 2/2x4"),
        ("take me x100", "take me x100"),
        # repeats of a section
        ("[Chorus x2]\na\nb\n\nc", "a/b//a/b//c"),
        ("[Chorus] (x2)\na\n[Verse]\nb", "a//a//b"),
        ("[Chorus]\n(x2)\na\n\nb", "a//a//b"),
        ("[Chorus x2]\n\na\n\nb", "a//a//b"),
        ("Chorus (x2)\na", "a//a"),
        ("a\nb\n(x2)\n\nc", "a/b//a/b//c"),
        ("a\nb\n\n(x2)\nc", "a/b//a/b//c"),
        ("a\n\nb\nx3", "a//b//b//b"),
        ("[Chorus x2]\na\n(x2)", "a//a//a//a"),
        ("[Chorus x2]\na (x2)", "a/a//a/a"),
        ("(x2)\na", "a"),
        # calling a section back
        ("[Chorus]\na\n\n[Verse]\nb\n\n[Chorus x2]\n\nc", "a//b//a//a//c"),
        ("[Chorus]\na\n\n[Verse]\nb\n\n[Chorus x2]", "a//b//a//a"),
        ("[Chorus]\na\n\nb\n\n[Repeat Chorus]\n\nc", "a//b//a//c"),
        ("[Chorus]\na\n\nb\n\n(Repeat chorus x2)\nc", "a//b//a//a//c"),
        ("[Chorus: A]\na\n\n[Chorus: B]\nb\n\n[Chorus x2]", "a//b//b//b"),
        ("[Chorus]\na\n\n[Verse]\nb\n\n[Chorus]\n\nc", "a//b//c"),
        ("[Repeat Chorus]\na", "a"),
        # newlines
        ("a\r\nb\rc\x85d\u2028e\x0bf", "a/b/c/d/e/f"),
        ("a\fb\u2029c", "a//b//c"),
        ("a\r\r\nb", "a/b"),
        ("\n\n a \n \t \n\n b \n\n", "a//b"),
    ],
)
def test_rules(text: str, sung: str) -> None:
    assert stanzas(from_text(text)) == sung


@pytest.mark.parametrize("text", ["", " \n\t\n", "\u200b\n\xad", "\ufeff"])
def test_nothing_is_no_lyrics(text: str) -> None:
    with pytest.raises(LyricsError, match=r"^the lyrics hold no sung word$"):
        from_text(text)


@pytest.mark.parametrize("text", ["[Chorus]", "♪ ♫", "(x2)", "[Intro]\n\n[Outro]", "Chorus"])
def test_headings_alone_are_no_lyrics(text: str) -> None:
    with pytest.raises(LyricsError, match=r"^the lyrics hold no sung word, only headings and notes$"):
        from_text(text)


@pytest.mark.parametrize("text", ["a\nb (x21)", "\n[Chorus x99]\na", "a\n(x500)", "[Chorus x5]\na\n(x5)"])
def test_repeats_have_a_limit(text: str) -> None:
    with pytest.raises(
        LyricsError, match=r"^line [123] of the lyrics asks for \d+ repeats: at most 20 are written out$"
    ):
        from_text(text)


def test_words_have_a_limit() -> None:
    with pytest.raises(
        LyricsError, match=r"^line 1 of the lyrics passes the limit of 20,000 words, repeats written out$"
    ):
        from_text("a " * 1_001 + "(x20)")
    assert len(from_text("a " * 1_000 + "(x20)").words) == module.MAX_WORDS


def test_a_word_has_a_limit() -> None:
    with pytest.raises(LyricsError, match=r"^line 2 holds a word of 1,001 characters: are these lyrics\?$"):
        from_text("a\n" + "b" * 1_001)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(LyricsError, match=r"^line 2 of the lyrics holds half a character"):
        from_text("a\nb\ud800")


def test_times_of_a_file_stay_as_hints() -> None:
    line = TimedLine("la  belle vie", 1000, 2000, (1000, None, 1600))
    assert parse([line]).lines == (LyricLine(("la", "belle", "vie"), 0, 1000, 2000, (1000, None, 1600)),)


def test_dropped_words_take_their_times_along() -> None:
    line = TimedLine("♪ la belle♪ ♪", 0, 900, (0, 100, 200, 800))
    assert parse([line]).lines == (LyricLine(("la", "belle"), 0, 0, 900, (100, 200)),)


def test_hints_that_do_not_fit_the_words_are_left_out() -> None:
    line = TimedLine("la belle", 0, 900, (0, 100, 200))
    assert parse([line]).lines == (LyricLine(("la", "belle"), 0, 0, 900),)


def test_the_first_copy_keeps_the_start_and_the_last_one_the_end() -> None:
    line = TimedLine("la vie (x3)", 1000, 4000, (1000, 1500, 1900))
    assert parse([line]).lines == (
        LyricLine(("la", "vie"), 0, 1000, None, (1000, 1500)),
        LyricLine(("la", "vie")),
        LyricLine(("la", "vie"), 0, None, 4000),
    )


def test_copies_of_a_stanza_have_no_times() -> None:
    lines = [TimedLine("[Chorus x2]"), TimedLine("la", 500, 900, (500,)), TimedLine(""), TimedLine("si", 3000)]
    assert parse(lines).lines == (
        LyricLine(("la",), 0, 500, 900, (500,)),
        LyricLine(("la",), 1),
        LyricLine(("si",), 2, 3000),
    )


def test_repeats_inside_a_line_leave_the_line_its_times() -> None:
    line = TimedLine("na (x2) hey", 0, 900, (0, 100, 500))
    assert parse([line]).lines == (LyricLine(("na", "na", "hey"), 0, 0, 900),)


def test_a_heading_in_front_of_a_timed_line_leaves_its_times() -> None:
    line = TimedLine("[Chorus] la vie", 100, 900, (100, 200, 300))
    assert parse([line]).lines == (LyricLine(("la", "vie"), 0, 100, 900, (200, 300)),)


def test_subtitles_of_two_rows_are_two_lines() -> None:
    line = TimedLine("la belle\nvie", 0, 900, (0, 100, 500))
    assert parse([line]).lines == (
        LyricLine(("la", "belle"), 0, 0, None, (0, 100)),
        LyricLine(("vie",), 0, 500, 900, (500,)),
    )
