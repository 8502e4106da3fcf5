from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text.vocables import hummed, shortened


@pytest.mark.parametrize(
    ("word", "ipa"),
    [
        *(("mmm", "m"), ("Mm", "m"), ("hm", "hm"), ("HMMM", "hm"), ("mhm", "mhm"), ("nnn", "n")),
        *(("shh", "ʃ"), ("Sshhh", "ʃ"), ("psst", "pst"), ("pss", "ps"), ("tsk", "tsk"), ("sss", "s"), ("zzz", "z")),
        *(("brrr", "br"), ("grr", "ɡr"), ("pfff", "pf"), ("pfft", "pft")),
    ],
)
def test_hums_have_their_own_sounds(word, ipa):
    assert hummed(word) == ipa


@pytest.mark.parametrize("word", ["", "m", "mum", "prst", "smrt", "ss", "sh", "TV", "www", "hmm-mm", "مم", "ммм"])
def test_other_words_are_left_to_the_dictionary(word):
    assert hummed(word) is None


@pytest.mark.parametrize(
    ("word", "short"),
    [
        *(("loooove", "love"), ("Nooooo", "No"), ("yeeeah", "yeah"), ("sooo", "so"), ("baaaby", "baby")),
        *(("ooooh", "ooh"), ("freeee", "free"), ("meee", "mee"), ("aaaa", "aa"), ("iiii", "i")),
        *(("любооовь", "любовь"), ("αγάαααπη", "αγάαπη")),
        *(("good", "good"), ("1000", "1000"), ("하하하", "하하하"), ("哈哈哈", "哈哈哈"), ("ららら", "ららら")),
    ],
)
def test_held_letters_are_written_as_a_dictionary_would(word, short):
    assert shortened(word) == short


@given(st.text(max_size=12))
def test_shortening_twice_changes_no_more_and_adds_nothing(word):
    short = shortened(word)
    assert shortened(short) == short
    assert len(short) <= len(word)
    assert set(short) == set(word)
