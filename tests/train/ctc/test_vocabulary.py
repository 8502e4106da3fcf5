"""Labels: those of a corpus, those of a checkpoint that spell it, and transcripts in them."""

from __future__ import annotations

import pytest

from melisma.core.errors import InputError
from melisma.data.manifest import Utterance
from melisma.models.pretrained import Vocabulary
from melisma.train.ctc.trained import Units
from melisma.train.ctc.vocabulary import (
    PHONES,
    Speller,
    characters_of,
    check_language,
    common,
    frames_needed,
    lacking,
    of_corpus,
    words_of,
)

CAPITALS = Vocabulary(
    ("<pad>", "<s>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "'"), 0, frozenset({"<pad>", "<s>", "|"}), "|"
)


def utterance(**fields):
    return Utterance(**{"id": "a", "audio": "a.wav", "duration": 1.0, **fields})


def test_letters_are_counted_in_lower_case_and_composed():
    counts = characters_of(["Žena", "z\u030cena", "don’t", "(3)", "—"])
    assert counts["ž"] == 2
    assert counts["'"] == 1
    assert not {"3", "(", "—", "Ž"} & counts.keys()


def test_a_vocabulary_of_a_corpus_begins_with_its_blank_and_ends_with_its_letters():
    found = of_corpus(characters_of(["čaj", "i", "kava"]))
    assert found.labels == ("<pad>", "<unk>", "|", "a", "i", "j", "k", "v", "č")
    assert (found.blank, found.delimiter) == (0, "|")


def test_a_corpus_without_letters_is_refused():
    with pytest.raises(InputError, match="no letter"):
        of_corpus(characters_of(["12", "!"]))


def test_a_character_that_hardly_ever_comes_gets_no_label():
    counts = characters_of(["a"]) + characters_of(["ø"])
    counts["a"] = 1_000_000
    assert common(counts) == ("a",)


def test_what_a_checkpoint_lacks_is_named_the_commonest_first():
    counts = characters_of(["the", "čaj", "čaj", "šal"])
    assert lacking(CAPITALS, counts) == ("č", "š")
    assert lacking(CAPITALS, characters_of(["the"])) == ()


def test_words_stand_apart_where_the_network_learns_and_not_where_words_are_placed():
    spelt = Speller(CAPITALS, Units.CHARACTERS).spell(("no", "—", "tea"), "en")
    labels = [CAPITALS.labels[i] for i in spelt.ids]
    assert labels == ["N", "O", "|", "T", "E", "A"]
    assert [CAPITALS.labels[i] for i in spelt.tokens.ids] == ["N", "O", "T", "E", "A"]
    assert spelt.tokens.word.tolist() == [0, 0, 2, 2, 2]
    assert spelt.tokens.line.tolist() == [0, 0, 0]


def test_numbers_are_spelt_as_they_are_read():
    spelt = Speller(CAPITALS, Units.CHARACTERS).spell(("7",), "en")
    assert len(spelt.ids) > 3


def test_phones_are_those_of_the_engine():
    spelt = Speller(PHONES, Units.PHONES).spell(("tea",), "en")
    assert [PHONES.labels[i] for i in spelt.ids] == ["t", "i"]


def test_a_language_without_a_voice_has_characters_only():
    assert check_language("xx-klingon", Units.CHARACTERS) is None
    assert "xx-klingon" in str(check_language("xx-klingon", Units.PHONES))


def test_equal_neighbours_need_a_blank_between_them():
    assert frames_needed([1, 1, 2, 2, 2]) == 8


def test_the_words_of_an_utterance_are_the_timed_ones_then_the_normalised_then_the_transcript():
    timed = [{"text": "x", "start": 0, "end": 1}]
    assert words_of(utterance(transcript="A b!", norm="a b", words=timed)) == ("x",)
    assert words_of(utterance(transcript="A b!", norm="a b")) == ("a", "b")
    assert words_of(utterance(transcript="A\u200b b!")) == ("A", "b!")
