"""Where a singer may pause inside a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text.phrasing import phrase_begins


def phrases(text):
    """Split a line at the phrases that are found."""
    words = text.split()
    begins = [i for i, begun in enumerate(phrase_begins(words)) if begun]
    return [" ".join(words[a:b]) for a, b in zip(begins, [*begins[1:], len(words)], strict=True)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("carry me home to the sea", ["carry me home to the sea"]),
        ("my love, come back; or stay", ["my love,", "come back;", "or stay"]),
        ("wait — for me", ["wait —", "for me"]),
        ("你好， 世界", ["你好，", "世界"]),
        ("who wipes my tears my tears", ["who wipes my tears", "my tears"]),
        ("My tears! (my tears) again", ["My tears!", "(my tears) again"]),
        ("baby baby baby", ["baby", "baby", "baby"]),
        ("let it be let it be let it be", ["let it be", "let it be", "let it be"]),
        ("ooh ooh I know", ["ooh", "ooh", "I know"]),
        ("say whoa then go", ["say", "whoa", "then go"]),
        ("mmm hmm yes", ["mmm", "hmm", "yes"]),
    ],
)
def test_phrases_of_a_line(line, expected):
    assert phrases(line) == expected


@pytest.mark.parametrize("word", ["who", "home", "ma", "he", "you", "show", "him", "them", "am"])
def test_a_short_word_is_not_taken_for_a_held_sound(word):
    assert phrases(f"now {word} goes") == [f"now {word} goes"]


@pytest.mark.parametrize(
    "sound", ["oh", "ooh", "Ahh", "whoa", "woooah", "hey", "yeah", "uhh", "eh", "hmmm", "mm", "Ooh!", "(ah)"]
)
def test_a_held_sound_stands_alone(sound):
    assert phrases(f"now {sound} goes") == ["now", sound, "goes"]


def test_signs_that_repeat_are_no_words_sung_again():
    assert phrases("one & & two") == ["one & & two"]


@given(st.lists(st.text("ab,oh", min_size=1, max_size=4), min_size=1, max_size=12))
def test_every_line_begins_a_phrase_and_every_word_is_judged(words):
    begins = phrase_begins(words)
    assert len(begins) == len(words)
    assert begins[0] is True
