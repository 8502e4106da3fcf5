"""The gate on a song that a real engine heard: it passes what is right, and refuses what is forced, moved, squeezed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from melisma.aligner.decoder import DecoderConfig
from melisma.aligner.gate import judge
from melisma.engines.phone import PhoneEngine
from melisma.pipeline.listen import Task, listen
from melisma.text.lyrics import from_text

STRANGE = """\
merry rivers bury copper kettles
seven giant foxes argue under water
nobody remembers yellow thunder
purple engines whistle after midnight
sugar mountains answer every captain
hollow pigeons measure broken silver
"""


@pytest.fixture(scope="module")
def placed(sung):
    return listen(PhoneEngine(), Task(sung.waveform, sung.lyrics, "en"), lambda stage, share: None)


def timed(placed, times):
    return [
        replace(word, start=int(times(word.start)), end=int(times(word.end))) if not word.unsung else word
        for word in placed.words
    ]


def test_a_song_with_its_own_lyrics_passes(placed):
    verdict = judge(placed.words, placed.emission)
    assert verdict.passed, verdict.reasons
    assert verdict.confidence_avg > 0.75
    assert verdict.measures.silent_ratio < 0.15
    assert verdict.measures.unclaimed_ratio < 0.4


def test_the_lyrics_of_another_song_are_refused_where_they_are_forced_onto_it(sung):
    task = Task(sung.waveform, from_text(STRANGE), "en", DecoderConfig(refuse=False))
    found = listen(PhoneEngine(), task, lambda stage, share: None)
    assert not judge(found.words, found.emission).passed


def test_a_low_confidence_doubts_the_words_wherever_they_come_from(placed):
    doubted = [replace(word, confidence=0.1) for word in placed.words]
    (reason,) = [each for each in judge(doubted).reasons if "average" in each]
    assert "are these the words of this recording" in reason
    assert "lyrics" not in reason  # of a transcription nobody gave any


def test_an_alignment_that_is_squeezed_is_refused_though_its_confidence_is_high(placed):
    squeezed = timed(placed, lambda at: placed.duration / 2 + at / 20)
    verdict = judge(squeezed, placed.emission)
    assert not verdict.passed
    assert verdict.confidence_avg == judge(placed.words, placed.emission).confidence_avg
    assert verdict.measures.impossible_ratio > 0.5
    assert verdict.measures.unclaimed_ratio > 0.6


def test_an_alignment_of_the_wrong_half_of_a_song_is_refused(placed):
    late = timed(placed, lambda at: min(placed.duration - 1, at + 0.8 * placed.duration))
    assert not judge(late, placed.emission).passed


def test_an_alignment_that_is_late_is_refused_by_whoever_places_it_right(placed):
    late = timed(placed, lambda at: min(placed.duration - 1, at + 3 * placed.clock.sample_rate))
    said = judge(late, None, second=placed.words)
    assert [reason for reason in said.reasons if "by a second engine" in reason]
    assert said.measures.apart_median_s == pytest.approx(3.0, abs=0.3)


def test_every_word_says_how_far_off_it_may_be_and_sure_words_less(placed):
    words = sorted((word for word in placed.words if not word.unsung), key=lambda word: word.confidence)
    assert all(0 < word.expected_error_ms <= 5000 for word in words)
    half = len(words) // 2
    doubtful, sure = words[:half], words[half:]
    assert sum(w.expected_error_ms for w in sure) / len(sure) < sum(w.expected_error_ms for w in doubtful) / half
