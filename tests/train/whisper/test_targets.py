"""What is learnt of a transcript: one script, single spaces, and segments where the words have times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.data.manifest import TimedWord, Utterance
from melisma.train.whisper.targets import LONGEST_SEGMENT_S, Segment, Wording, written


def utterance(text, words=None, duration=10.0, **more):
    timed = None if words is None else [TimedWord(text=w, start=a, end=b) for w, a, b in words]
    said = {"id": "u", "audio": "u.wav", "duration": duration, "language": "sr", "transcript": text, "words": timed}
    return Utterance.model_validate(said | more)


@pytest.mark.parametrize(
    ("text", "language", "script", "expected"),
    [
        ("Љубав и  џем", "sr", "latin", "Ljubav i džem"),
        ("Injekcija u konju", "hr", "cyrillic", "Инјекција у коњу"),
        ("Dobar dan", "sr-Latn", "cyrillic", "Добар дан"),
        ("Dobar dan", "srp", "cyrillic", "Добар дан"),
        ("Dobar dan", "no language", "cyrillic", "Dobar dan"),
        ("Я люблю", "ru", "latin", "Я люблю"),
        ("Cesta", "sl", "cyrillic", "Cesta"),
        ("c\u030cas\u00a0je\x00tu\n", "hr", "keep", "čas je tu"),
        ("Љубав", "sr", "keep", "Љубав"),
    ],
)
def test_texts_are_written_in_the_script_of_the_run(text, language, script, expected):
    assert written(text, language, script) == expected


@given(st.text(max_size=40))
def test_what_was_written_once_is_not_changed_again(text):
    once = written(text, "sr", "latin")
    assert written(once, "sr", "latin") == once
    assert " ".join(once.split()) == once


def test_a_clip_without_times_is_one_segment():
    target = Wording().target(utterance("Dobar dan svima", duration=3.0))
    assert target.segments == (Segment(0.0, 3.0, " Dobar dan svima"),)
    assert not target.timed


def test_segments_end_at_pauses_and_sentences():
    words = [("jedan", 0.5, 0.9), ("dva.", 1.0, 1.4), ("Tri", 1.5, 1.9), ("četiri", 2.6, 3.0), ("pet", 3.1, 3.5)]
    target = Wording().target(utterance("Jedan dva. Tri četiri pet", words))
    assert target.timed
    assert target.segments == (
        Segment(0.5, 1.4, " Jedan dva."),
        Segment(1.5, 1.9, " Tri"),
        Segment(2.6, 3.5, " četiri pet"),
    )


def test_segments_grow_no_longer_than_they_should():
    words = [(f"r{i}", i * 0.5, i * 0.5 + 0.5) for i in range(40)]
    target = Wording().target(utterance(" ".join(word for word, _, _ in words), words, duration=20.0))
    assert all(each.end_s - each.start_s <= LONGEST_SEGMENT_S for each in target.segments)
    assert target.text == " " + " ".join(word for word, _, _ in words)


def test_words_that_overlap_give_segments_that_do_not():
    words = [("da.", 0.0, 2.0), ("ne", 1.5, 3.0)]
    one, other = Wording().target(utterance("da. ne", words)).segments
    assert one.end_s == other.start_s == 1.5


def test_times_are_used_whatever_the_script_and_the_signs():
    words = [("Љубав", 0.2, 0.8), ("је", 0.9, 1.0)]
    target = Wording("latin").target(utterance("„ljubav“ je!", words))
    assert target.timed
    assert target.segments == (Segment(0.2, 1.0, " „ljubav“ je!"),)


def test_signs_that_stand_by_themselves_need_no_time():
    words = [("Dobar", 0.0, 0.5), ("dan", 0.6, 1.0), ("—", 1.0, 1.0), ("reče", 2.0, 2.4)]
    target = Wording().target(utterance("– „ Dobar dan – reče !", words))
    assert target.segments == (Segment(0.0, 1.0, " – „ Dobar dan –"), Segment(2.0, 2.4, " reče !"))


@pytest.mark.parametrize(
    "words",
    [
        [("Dobar", 0.0, 0.5)],
        [("Dobar", 0.0, 0.5), ("večer", 0.6, 1.0)],
        [("Dobar", 0.6, 1.0), ("dan", 0.0, 0.5)],
        [],
    ],
    ids=["too few", "another word", "backwards", "none"],
)
def test_times_of_other_words_are_not_used(words):
    target = Wording().target(utterance("Dobar dan", words, duration=2.0))
    assert not target.timed
    assert target.segments == (Segment(0.0, 2.0, " Dobar dan"),)


def test_times_beyond_the_clip_end_with_it():
    target = Wording().target(utterance("Dobar dan", [("Dobar", 0.0, 0.5), ("dan", 0.6, 9.0)], duration=2.0))
    assert target.segments[-1].end_s == 2.0


def test_the_normalised_text_is_learnt_where_it_is_asked_for():
    said = utterance("Imam 3 psa", norm="imam tri psa")
    assert Wording(field="norm").text(said) == "imam tri psa"
    assert Wording().text(said) == "Imam 3 psa"
    assert Wording(field="norm").target(utterance("Imam 3 psa")) is None
    assert Wording(field="norm").text(utterance("Imam", norm=3)) == ""


def test_a_text_is_written_as_the_language_that_it_is_read_as():
    said = utterance("Dobar dan", language="und")
    assert Wording("cyrillic").text(said) == "Dobar dan"
    assert Wording("cyrillic").text(said, "sr") == "Добар дан"
    assert Wording("cyrillic").target(said, "sr").text == " Добар дан"


def test_nothing_is_learnt_of_silence():
    assert Wording().target(utterance(" \n ")) is None
