"""Doubtful stretches searched again between trusted passages, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import heard_songs as songs
import pytest

from melisma.aligner import second_pass
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.passages import split
from melisma.aligner.routes import find_route
from melisma.aligner.second_pass import Searched, look_again
from melisma.core.records import BACKING

LINES = ("golden birds fly away now", "thin cloud jumps on me", "quick foxes sleep in boxes")
GAP = "." * 40
SUNG = GAP.join(["", *LINES, ""])
WILDCARD = 2.0


@pytest.fixture
def song():
    emission = songs.heard(songs.frames_of(SUNG))
    tokens, lyrics = songs.text(*LINES)
    first = decode_words(emission, tokens, lyrics, DecoderConfig(refuse=False, second_pass=False)).words
    return emission, tokens, lyrics, [replace(word, confidence=0.95) for word in first]


def changed(words, line, **what):
    return [replace(word, **what) if word.line == line else word for word in words]


def again(song, placed):
    emission, tokens, lyrics, _ = song
    return look_again(placed, Searched(emission, tokens, lyrics, split(tokens, lyrics), WILDCARD))


@pytest.fixture
def searched(monkeypatch):
    """Frames and tokens of every search."""
    seen = []

    def spy(log_probs, rest, tokens, *others):
        seen.append((len(log_probs), len(tokens.ids)))
        return find_route(log_probs, rest, tokens, *others)

    monkeypatch.setattr(second_pass, "find_route", spy)
    return seen


def starts(words, line):
    return [word.start for word in words if word.line == line]


def test_where_everything_is_trusted_nothing_is_searched(song, searched):
    assert list(again(song, song[3])) == song[3]
    assert searched == []


def test_a_line_in_the_wrong_place_between_trusted_ones_is_found(song, searched):
    true = song[3]
    end = true[4].end
    misplaced = [
        replace(word, start=end + 480 * k, end=end + 480 * (k + 1), confidence=0.1) if word.line == 1 else word
        for k, word in enumerate(true, -4)
    ]
    found = again(song, misplaced)
    assert starts(found, 1) == pytest.approx(starts(true, 1), abs=2 * songs.STRIDE)
    assert min(word.confidence for word in found) > 0.5
    for line in (0, 2):
        assert [w for w in found if w.line == line] == [w for w in true if w.line == line]
    room = true[10].start // songs.STRIDE - -(-true[4].end // songs.STRIDE)
    assert searched == [(room, 18)] * len(second_pass.WAYS)


def test_a_line_that_was_given_up_though_it_is_sung_is_found(song):
    true = song[3]
    found = again(song, changed(true, 1, start=None, end=None, confidence=None))
    assert starts(found, 1) == pytest.approx(starts(true, 1), abs=2 * songs.STRIDE)


def test_lines_at_the_head_and_at_the_end_have_the_recording_for_a_border(song):
    true = song[3]
    for line in (0, 2):
        found = again(song, changed(true, line, start=None, end=None, confidence=None))
        assert starts(found, line) == pytest.approx(starts(true, line), abs=2 * songs.STRIDE)


def test_what_another_way_is_no_surer_of_stays_as_it_is(song):
    """0.79 a word is too little to be trusted, and too much to be beaten by two and a half words in five."""
    doubted = changed(song[3], 1, confidence=0.79)
    assert list(again(song, doubted)) == doubted


def test_a_line_of_another_song_stays_unsung(song):
    emission, _, _, true = song
    tokens, lyrics = songs.text(LINES[0], "my window never hopes", LINES[2])
    texts = zip(lyrics.words, tokens.line.tolist(), strict=True)
    times = iter([word for word in true if word.line != 1])
    placed = [
        replace(true[0], text=text, line=1, start=None, end=None, confidence=None) if line == 1 else next(times)
        for text, line in texts
    ]
    found = look_again(placed, Searched(emission, tokens, lyrics, split(tokens, lyrics), WILDCARD))
    assert starts(found, 1) == [None] * 4


def test_lines_that_stand_elsewhere_are_left_there(song, searched):
    """Sung in another order: between its neighbours in the text there is nothing to look for."""
    true = song[3]
    late = true[-1].end
    moved = changed(true, 1, start=late, end=late + 480, confidence=0.1)
    assert list(again(song, moved)) == moved
    assert searched == []


def test_voices_behind_the_lead_hold_no_frame(song, searched):
    true = changed(song[3], 0, voice=BACKING)
    again(song, changed(true, 1, start=None, end=None, confidence=None))
    room = song[3][10].start // songs.STRIDE
    assert {frames for frames, _ in searched} == {room}
