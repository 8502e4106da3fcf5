"""Pieces of a recording: cut where it is quiet, and no word lost or doubled at a seam."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.records import Heard, HeardWord, Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import to_clock
from melisma.engines import chunks
from melisma.engines.chunks import Piece

RATE = 1000
CLOCK = Timebase(RATE)


def noise(seconds, quiet=()):
    """Noise with silence of half a second around each of some moments."""
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    for moment in quiet:
        samples[round((moment - 0.25) * RATE) : round((moment + 0.25) * RATE)] = 0
    return Waveform(samples, RATE)


def test_a_short_recording_is_one_piece():
    assert chunks.cut(noise(10), 10 * RATE) == (Piece(0, 10_000, 0, 10_000),)


def test_seams_are_where_it_is_quiet():
    got = chunks.cut(noise(60, quiet=(14.0, 29.0)), 20 * RATE)
    assert abs(got[0].end - 14_000) <= 120
    assert abs(got[1].end - 29_000) <= 120


@settings(deadline=None)
@given(st.integers(1, 90_000), st.integers(9_000, 40_000))
def test_pieces_cover_the_recording_and_are_no_longer_than_allowed(n, most):
    rng = np.random.default_rng(n)
    got = chunks.cut(Waveform(rng.normal(0, 0.1, n).astype(np.float32), RATE), most)
    assert got[0].begin == got[0].first == 0
    assert got[-1].end == got[-1].stop == n
    assert all(a.end == b.begin for a, b in pairwise(got))
    assert all(p.stop - p.first <= most for p in got)
    assert all(p.first <= p.begin < p.end <= p.stop for p in got)


def test_pieces_shorter_than_their_overlaps_are_refused():
    with pytest.raises(ValueError, match="too short for overlaps"):
        chunks.cut(noise(60), 5 * RATE)


@pytest.mark.parametrize("loud", [0.0, 0.5, 3.0])
def test_a_file_is_never_larger_than_was_reckoned(loud):
    samples = np.random.default_rng(1).uniform(-loud, loud, chunks.most_samples(1_000_000)).astype(np.float32)
    assert len(chunks.flac(samples, 16_000)) <= 1_000_000


def test_a_file_holds_the_samples():
    samples = np.sin(np.arange(16_000) / 20).astype(np.float32) * 0.5
    back, rate = soundfile.read(io.BytesIO(chunks.flac(samples, 16_000)), dtype="float32")
    assert rate == 16_000
    assert np.abs(back - samples).max() < 2 / 32_768


def test_silence_is_told_from_a_whisper():
    assert chunks.is_silent(np.zeros(100, np.float32))
    assert chunks.is_silent(np.zeros(0, np.float32))
    assert not chunks.is_silent(np.full(100, 0.001, np.float32))


TWO = (Piece(0, 12_000, 0, 10_000), Piece(8_000, 20_000, 10_000, 20_000))


def joined(left, right, pieces=TWO, breaks=((), ())):
    """Words as (text, start, end) in seconds of the recording, as each of two pieces hears them."""
    parts = []
    for piece, words, opening in zip(pieces, (left, right), breaks, strict=True):
        shift = piece.first / RATE
        heard = Heard(tuple(HeardWord(t, a - shift, b - shift) for t, a, b in words), SECONDS, "fr", opening)
        parts.append((piece, to_clock(heard, piece.stop - piece.first, CLOCK)))
    return chunks.join(parts, CLOCK)


def texts(heard):
    return [word.text for word in heard.words]


def test_times_are_those_of_the_recording():
    got = joined([("a", 1.0, 1.5)], [("b", 15.25, 15.5)])
    assert [(w.text, w.start, w.end) for w in got.words] == [("a", 1000, 1500), ("b", 15250, 15500)]
    assert got.unit == CLOCK
    assert got.language == "fr"


def test_what_both_hear_counts_once():
    both = [("x", 8.5, 9.0), ("y", 9.2, 9.6), ("z", 10.5, 11.0)]
    assert texts(joined([("a", 1, 2), *both], [*both, ("b", 15, 16)])) == ["a", "x", "y", "z", "b"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((9.6, 10.2), (9.8, 10.4)),  # the one says before, the other behind the seam: own in both
        ((9.8, 10.4), (9.6, 10.2)),  # own in neither
        ((9.7, 10.3), (9.7, 10.3)),
    ],
)
def test_a_word_across_the_seam_counts_once(left, right):
    got = joined([("a", 1, 2), ("seam", *left)], [("seam", *right), ("b", 15, 16)])
    assert texts(got) == ["a", "seam", "b"]


def test_a_word_near_the_seam_that_one_piece_missed_is_kept():
    assert texts(joined([("a", 1, 2), ("x", 10.2, 10.8)], [("b", 15, 16)])) == ["a", "x", "b"]
    assert texts(joined([("a", 1, 2)], [("x", 9.0, 9.5), ("b", 15, 16)])) == ["a", "x", "b"]


def test_behind_the_seam_the_piece_counts_whose_part_it_is():
    got = joined([("a", 1, 2), ("riv", 10.2, 10.8)], [("river", 10.2, 10.8), ("b", 15, 16)])
    assert texts(got) == ["a", "river", "b"]
    got = joined([("a", 1, 2), ("river", 9.0, 9.6)], [("ver", 9.0, 9.6), ("b", 15, 16)])
    assert texts(got) == ["a", "river", "b"]


def test_a_part_that_the_other_piece_hears_as_a_longer_word_is_no_second_word():
    got = joined([("a", 1, 2), ("ri", 10.1, 10.4)], [("river", 10.3, 11.5), ("b", 15, 16)])
    assert texts(got) == ["a", "river", "b"]


def test_what_the_edge_of_a_piece_has_cut_is_not_kept():
    assert texts(joined([("a", 1, 2), ("ha", 11.5, 12.0)], [("b", 15, 16)])) == ["a", "b"]
    assert texts(joined([("a", 1, 2)], [("lf", 8.0, 8.4), ("b", 15, 16)])) == ["a", "b"]


def test_the_same_word_sung_twice_stays_two():
    both = [("na", 9.0, 9.4), ("na", 9.5, 9.9), ("na", 10.0, 10.4), ("na", 10.5, 10.9)]
    assert texts(joined(both, both)) == ["na"] * 4


def test_segments_begin_where_they_began():
    got = joined([("a", 1, 2), ("x", 9, 9.5)], [("x", 9, 9.5), ("y", 10.5, 11), ("b", 15, 16)], breaks=((0, 1), (0, 2)))
    assert texts(got) == ["a", "x", "y", "b"]
    assert got.breaks == (0, 1, 3)


@settings(deadline=None)
@given(st.data())
def test_any_song_of_any_cut_comes_back_word_by_word(data):
    """Each piece hears every word that lies within it whole, off by a little; those that it cuts, it hears cut."""
    steps = data.draw(st.lists(st.tuples(st.integers(0, 900), st.integers(150, 900)), min_size=30, max_size=60))
    truth, at = [], 0
    for gap, length in steps:
        truth.append((at + gap, at + gap + length))
        at += gap + length
    n = at + 100
    pieces = chunks.cut(Waveform(np.zeros(n, np.float32), RATE), 9_500)
    parts = []
    for piece in pieces:
        words = []
        for i, (start, end) in enumerate(truth):
            a, b = max(start, piece.first), min(end, piece.stop)
            if b - a > 20:
                off = data.draw(st.integers(-30, 30)) if start > piece.first + 40 and end < piece.stop - 40 else 0
                a, b = max(0, a + off, words[-1].end + piece.first if words else 0), min(b + off, n)
                words.append(HeardWord(str(i), a - piece.first, b - piece.first))
        heard = Heard(tuple(words), CLOCK)
        parts.append((piece, to_clock(heard, piece.stop - piece.first, CLOCK)))
    got = chunks.join(parts, CLOCK)
    assert texts(got) == [str(i) for i in range(len(truth))]
    assert all(abs(w.start - start) <= 30 for w, (start, _) in zip(got.words, truth, strict=True))
