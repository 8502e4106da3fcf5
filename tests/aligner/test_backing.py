"""Words in parentheses that are sung over the lead, on a track of their own."""

from __future__ import annotations

from dataclasses import replace

import heard_songs as songs
import pytest

from melisma.aligner.backing import place_backing
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.passages import split
from melisma.aligner.second_pass import Searched
from melisma.core.records import BACKING, LEAD

LEAD_LINE, NEXT_LINE, GROUP = "golden birds away again", "thin cloud", "jumpy fox"
GAP = "." * 60
SUNG = GAP.join(["", LEAD_LINE, NEXT_LINE, ""])
WRITTEN = (f"{LEAD_LINE} ({GROUP})", NEXT_LINE)


def recording(over="", at=0):
    """The lead, and others over it from frame `at` on."""
    labels = songs.frames_of(SUNG)
    others = songs.frames_of(over)
    also = [*labels[:at], *others, *labels[at + len(others) :]]
    return songs.heard(labels, also=also)


def decode(emission, *lines):
    return decode_words(emission, *songs.text(*lines), DecoderConfig(refuse=False)).words


def test_a_group_that_is_sung_over_the_lead_stands_there_and_overlaps_it():
    found = decode(recording(GROUP, at=80), *WRITTEN)
    group = [word for word in found if word.voice == BACKING]
    assert [word.text for word in group] == ["(jumpy", "fox)"]
    assert group[0].start == pytest.approx(80 * songs.STRIDE, abs=2 * songs.STRIDE)
    assert [word.line for word in group] == [0, 0]
    lead = [word for word in found if word.voice == LEAD]
    assert any(word.start < group[0].end and group[0].start < word.end for word in lead)
    alone = decode(recording(), LEAD_LINE, NEXT_LINE)
    assert [word.start for word in lead] == pytest.approx([word.start for word in alone], abs=songs.STRIDE)


def test_a_group_that_nobody_sings_is_unsung():
    found = decode(recording(), *WRITTEN)
    assert [word.text for word in found if word.unsung] == ["(jumpy", "fox)"]


def test_an_echo_after_its_line_is_sung_by_the_lead_in_turn():
    labels = songs.frames_of(GAP + LEAD_LINE + " " + GROUP + GAP + NEXT_LINE + GAP)
    found = decode(songs.heard(labels), *WRITTEN)
    assert all(word.voice == LEAD for word in found)
    assert not any(word.unsung for word in found)
    starts = [word.start for word in found]
    assert starts == sorted(starts)


def placed_lead(emission):
    """The lead alone, with the words of the group unsung."""
    tokens, lyrics = songs.text(*WRITTEN)
    lead = iter(decode(emission, LEAD_LINE, NEXT_LINE))
    words = []
    for text, line in zip(lyrics.words, tokens.line.tolist(), strict=True):
        inside = text.strip("()") in GROUP.split()
        word = words[-1] if inside else next(lead)
        unsung = {"start": None, "end": None, "confidence": None} if inside else {}
        words.append(replace(word, text=text, line=line, **unsung))
    return words, tokens, split(tokens, lyrics)


def searched(emission, tokens, passages):
    return Searched(emission, tokens, songs.text(*WRITTEN)[1], passages, 2.0, ())


@pytest.mark.parametrize(("at", "found"), [(28, True), (20, False)])
def test_a_group_is_looked_for_from_a_second_before_its_line_on(at, found):
    """The line begins in frame 60, the second before it in frame 26."""
    emission = recording(GROUP, at=at)
    words, tokens, passages = placed_lead(emission)
    made = place_backing(words, searched(emission, tokens, passages), emission.log_probs)
    first = [word.start for word in made.values()][:1]
    assert (first == [pytest.approx(at * songs.STRIDE, abs=songs.STRIDE)]) == found


def test_a_group_in_front_of_every_line_belongs_to_none():
    emission = recording(GROUP, at=4)
    tokens, lyrics = songs.text(f"({GROUP})", LEAD_LINE, NEXT_LINE)
    lead = decode(emission, LEAD_LINE, NEXT_LINE)
    group = [replace(lead[0], text=text, start=None, end=None) for text in lyrics.words[:2]]
    song = Searched(emission, tokens, lyrics, split(tokens, lyrics), 2.0, ())
    assert place_backing([*group, *lead], song, emission.log_probs) == {}


def test_a_group_for_which_there_are_too_few_frames_is_not_looked_for():
    emission = recording(GROUP, at=80).part(0, 6)
    words, tokens, passages = placed_lead(recording())
    early = [replace(word, start=0, end=480) if word.start is not None else word for word in words]
    assert place_backing(early, searched(emission, tokens, passages), emission.log_probs) == {}


def test_groups_that_have_their_place_keep_it():
    emission = recording(GROUP, at=80)
    words, tokens, passages = placed_lead(emission)
    timed = [replace(word, start=0, end=480) if word.start is None else word for word in words]
    assert place_backing(timed, searched(emission, tokens, passages), emission.log_probs) == {}


def test_a_group_that_says_what_its_line_says_does_not_take_the_sounds_of_the_lead():
    found = decode(recording(), f"{LEAD_LINE} (birds away)", NEXT_LINE)
    assert [word.text for word in found if word.unsung] == ["(birds", "away)"]
    both = decode(recording("birds away", at=95), f"{LEAD_LINE} (birds away)", NEXT_LINE)
    assert [word.text for word in both if word.voice == BACKING] == ["(birds", "away)"]
