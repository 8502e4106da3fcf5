"""Heard words into given lines: by time, by spelling, and every word exactly once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.regroup import RegroupConfig, RegroupMode, regroup
from melisma.core.records import Alignment, LyricLine, Word

LINES = (
    LyricLine(("Over", "the", "river"), 0, 10_000, 13_000),
    LyricLine(("under", "the", "moon"), 0, 14_000, 17_000),
    LyricLine(("J'ai", "rêvé", "de", "toi"), 1, 30_000, 34_000),
)


def words(text, start_s=10.0, step_s=0.8):
    """Words that follow each other; "/" waits for as many seconds as the number behind it says."""
    out, at = [], start_s
    for token in text.split():
        if token.startswith("/"):
            at = float(token[1:])
            continue
        out.append(Word(token, 0, round(at * 1000), round((at + 0.6) * 1000), 0.9))
        at += step_s
    return out


def texts(found):
    return [" ".join(w.text for w in found.words[line.first : line.stop]) for line in found.lines]


def test_words_go_into_the_lines_in_whose_time_they_are():
    found = regroup(words("over the river /14 under the moon /30 jai reve de toi"), LINES)
    assert texts(found) == ["over the river", "under the moon", "jai reve de toi"]
    assert found.given == (0, 1, 2)
    assert [line.stanza for line in found.lines] == [0, 0, 1]
    assert [word.line for word in found.words] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert (found.regroup_mode_used, found.skipped_words, found.skipped_words_ratio) == ("hybrid", 0, 0.0)


def test_spelling_decides_at_the_edge_of_two_lines():
    """The singer is early: "under" begins in the time of the line before."""
    found = regroup(words("over the river /13.2 under the moon"), LINES[:2])
    assert texts(found) == ["over the river", "under the moon"]
    late = regroup(words("over the /13.7 river under the moon", step_s=0.7), LINES[:2])
    assert texts(late) == ["over the river", "under the moon"]


def test_time_decides_where_a_word_is_misheard():
    found = regroup(words("clover tea liver /14 wonder duh spoon"), LINES[:2])
    assert texts(found) == ["clover tea liver", "wonder duh spoon"]


def test_an_ad_lib_between_lines_stands_in_a_line_of_its_own():
    found = regroup(words("over the river /20 yeah yeah /30 j'ai rêvé de toi"), LINES)
    assert texts(found) == ["over the river", "yeah yeah", "j'ai rêvé de toi"]
    assert found.given == (0, None, 2)
    assert found.skipped_words == 2
    assert found.skipped_words_ratio == pytest.approx(2 / 9)


def test_an_ad_lib_close_to_a_line_joins_it():
    lines = (LyricLine(("Over", "the", "river"), 0, 10_000, 11_000), LINES[2])
    found = regroup(words("over the river yeah /30 j'ai rêvé de toi"), lines, RegroupConfig(tolerance_s=0.7))
    assert texts(found) == ["over the river yeah", "j'ai rêvé de toi"]
    assert found.skipped_words == 1


def test_lines_of_another_song_give_way_to_gaps():
    found = regroup(words("bonjour à tous /60 voici la chanson /120 au revoir"), LINES)
    assert found.regroup_mode_used is RegroupMode.GAPS
    assert found.regroup_mode_used == "gaps"
    assert texts(found) == ["bonjour à tous", "voici la chanson", "au revoir"]
    assert found.given == (None, None, None)
    assert found.skipped_words == 6
    assert found.skipped_words_ratio == pytest.approx(6 / 8)


def test_a_verse_that_no_line_has_does_not_swell_the_line_before_it():
    lines = (LyricLine(("Over", "the", "river"), 0, 10_000, 12_000), LINES[2])
    verse = " ".join(f"word{i}" for i in range(6))
    heard = words(f"over the river {verse} /22 {verse} /30 j'ai rêvé de toi", step_s=0.7)
    found = regroup(heard, lines, RegroupConfig(tolerance_s=0.05, max_skipped_ratio=0.8))
    assert found.given == (0, None, None, 1)
    assert texts(found) == ["over the river", verse, verse, "j'ai rêvé de toi"]


def test_a_long_run_without_gaps_is_broken():
    found = regroup(words(" ".join(["la"] * 30), 100.0), LINES, RegroupConfig(most_words=8))
    assert found.regroup_mode_used is RegroupMode.GAPS
    assert max(line.stop - line.first for line in found.lines) <= 8
    assert sum(line.stop - line.first for line in found.lines) == 30


def test_a_line_that_comes_again_is_filled_twice():
    chorus = ("Oh", "my", "love")
    lines = [LyricLine(chorus, 0, 10_000, 13_000), LINES[1], LyricLine(chorus, 0, 20_000, 23_000)]
    found = regroup(words("oh my love /14 under the moon /20 oh my love"), lines)
    assert found.given == (0, 1, 2)


def test_lines_never_go_back():
    lines = (LINES[1], LINES[0])  # in an order that the times deny
    found = regroup(words("over the river /14 under the moon"), lines)
    assert [each for each in found.given if each is not None] == sorted(
        each for each in found.given if each is not None
    )
    assert len(found.words) == 6


def test_a_line_without_a_time_lies_between_its_neighbours():
    lines = (LINES[0], LyricLine(("under", "the", "moon")), LINES[2])
    found = regroup(words("over the river /16 under the moon /30 j'ai rêvé de toi"), lines)
    assert found.given == (0, 1, 2)


def test_words_without_a_time_stay_where_they_are():
    heard = words("over the river /14 under the moon")
    heard.insert(2, Word("(wide)", 0, None, None))
    found = regroup(heard, LINES[:2])
    assert texts(found) == ["over the (wide) river", "under the moon"]


@pytest.mark.parametrize("lines", [(), (LyricLine(()),), (LyricLine(("a",)),)])
def test_without_lines_that_say_anything(lines):
    heard = words("over the river")
    found = regroup(heard, lines)
    assert [word.text for word in found.words] == ["over", "the", "river"]


def test_nothing_heard():
    found = regroup([], LINES)
    assert (found.words, found.lines, found.skipped_words_ratio) == ((), (), 0.0)


_TOKENS = st.sampled_from(["over", "the", "River!", "moon", "réver", "toi", "xyz", "♪", "君"])
_TIMES = st.one_of(st.none(), st.integers(0, 60_000))


@st.composite
def _heard(draw):
    at, out = 0, []
    for text, step, length, unsung in draw(
        st.lists(st.tuples(_TOKENS, st.integers(0, 9_000), st.integers(0, 900), st.booleans()), max_size=40)
    ):
        at += step
        out.append(Word(text, 0, None, None) if unsung else Word(text, 0, at, at + length))
        at += 0 if unsung else length
    return out


@settings(max_examples=300, deadline=None)
@given(_heard(), st.lists(st.tuples(st.lists(_TOKENS, max_size=5), _TIMES, _TIMES), max_size=12), st.floats(0.0, 1.0))
def test_every_word_is_there_once_and_in_order(heard, rows, most):
    lines = [LyricLine(tuple(text), 0, start, end) for text, start, end in rows]
    found = regroup(heard, lines, RegroupConfig(max_skipped_ratio=most))
    assert [(w.text, w.start, w.end) for w in found.words] == [(w.text, w.start, w.end) for w in heard]
    Alignment(found.words, found.lines, 10**9).check()
    assert 0.0 <= found.skipped_words_ratio <= 1.0
    assert found.skipped_words == round(found.skipped_words_ratio * len(heard))
    assert (found.regroup_mode_used is RegroupMode.GAPS) == (found.skipped_words_ratio > most)
    used = [each for each in found.given if each is not None]
    assert used == sorted(set(used))
    assert len(found.given) == len(found.lines)
