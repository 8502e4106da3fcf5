"""Long recordings in windows: made of tones, of which each is a word, so that what was said is known to the sample."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transcription_server as tones
from melisma.core.records import Heard, HeardWord, Waveform
from melisma.core.timebase import SECONDS, Timebase
from melisma.core.units import Clocked, ClockWord, to_clock
from melisma.engines import whisper_chunks
from melisma.engines.chunks import Piece
from melisma.engines.whisper_chunks import ChunkConfig, between_pauses, cut, join, listen

RATE, HOP = 16_000, 160
CLOCK = Timebase(RATE)
MOST = 30 * RATE


def vocal_of(truth, seconds):
    """Return how likely a voice is, in frames of 10 ms, averaged over 0.2 s as the network's output is."""
    heard = np.zeros(round(seconds * 100), np.float32)
    for tone in truth:
        heard[round(tone.start_s * 100) : round(tone.end_s * 100)] = 0.95
    return np.convolve(np.pad(heard, 10, mode="edge"), np.ones(21, np.float32) / 21, "valid").astype(np.float32)


def hear(samples, first, off=None):
    """Hear the tones of a piece; `off` gives by how many seconds each word is heard beside its place."""
    assert len(samples) <= MOST
    said = tones.listen(samples)
    by = [0.0] * len(said) if off is None else off(len(said))
    starts = np.maximum.accumulate([max(0.0, t.start_s + d) for t, d in zip(said, by, strict=True)] or [0.0])
    words = [HeardWord(t.text, float(s), max(float(s), t.end_s), 0.9) for t, s in zip(said, starts, strict=False)]
    words = [HeardWord(a.text, a.start, min(a.end, b.start), 0.9) for a, b in pairwise(words)] + words[-1:]
    return to_clock(Heard(tuple(words), SECONDS, "hr", (0,) if words else ()), len(samples), CLOCK)


def check(pieces, n):
    assert pieces[0].begin == 0
    assert pieces[-1].end == n
    assert all(a.end == b.begin for a, b in pairwise(pieces))
    assert all(0 < p.stop - p.first <= MOST for p in pieces)
    assert all(p.first <= p.stop and p.begin <= p.end for p in pieces)


@pytest.mark.parametrize("seed", range(4))
def test_with_pauses_every_word_is_heard_once_and_in_its_place(seed):
    waveform, truth = tones.recording(200.0, seed, gap_s=(0.3, 1.2))
    pieces = between_pauses(waveform, vocal_of(truth, 200.0))
    check(pieces, len(waveform.samples))
    heard = listen(waveform, pieces, hear)
    assert [word.text for word in heard.words] == [tone.text for tone in truth]
    assert all(abs(w.start / RATE - t.start_s) < 0.02 for w, t in zip(heard.words, truth, strict=True))
    assert all(abs(w.end / RATE - t.end_s) < 0.02 for w, t in zip(heard.words, truth, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_without_a_pause_every_word_is_heard_once_and_in_its_place(seed):
    """As in singing over an accompaniment: a voice is heard throughout."""
    waveform, truth = tones.recording(200.0, seed, gap_s=(0.0, 0.02))
    pieces = between_pauses(waveform, np.full(20_000, 0.9, np.float32))
    assert len(pieces) > 6
    check(pieces, len(waveform.samples))
    heard = listen(waveform, pieces, hear)
    assert [word.text for word in heard.words] == [tone.text for tone in truth]
    assert all(abs(w.start / RATE - t.start_s) < 0.02 for w, t in zip(heard.words, truth, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_words_whose_times_are_a_word_off_are_neither_lost_nor_doubled(seed):
    """Attention is off by some tenths of a second, and in each window otherwise."""
    waveform, truth = tones.recording(240.0, seed, gap_s=(0.0, 0.05))
    rng = np.random.default_rng(seed)
    pieces = between_pauses(waveform, np.full(24_000, 0.9, np.float32))
    heard = listen(waveform, pieces, lambda samples, first: hear(samples, first, lambda n: rng.uniform(-0.3, 0.3, n)))
    assert [word.text for word in heard.words] == [tone.text for tone in truth]
    assert all(a.end <= b.start for a, b in pairwise(heard.words))


def test_a_seam_is_in_the_longest_pause_of_the_second_half():
    waveform, truth = tones.recording(50.0, 1, gap_s=(0.0, 0.02))
    truth = [t for t in truth if not (14 < t.start_s < 15.5 or 22 < t.start_s < 24.5 or 27 < t.start_s < 27.6)]
    pieces = between_pauses(waveform, vocal_of(truth, 50.0))
    assert 22 < pieces[0].end / RATE < 25
    assert pieces[0].stop <= pieces[1].first + 3 * RATE
    assert all(not (p.first / RATE < t.start_s < p.stop / RATE < t.end_s) for p in pieces for t in truth)


def test_long_stretches_without_a_voice_are_not_listened_to():
    waveform = Waveform(np.full(120 * RATE, 0.1, np.float32), RATE)
    vocal = np.zeros(12_000, np.float32)
    vocal[1000:1500] = vocal[9000:9400] = 0.9
    pieces = between_pauses(waveform, vocal)
    check(pieces, len(waveform.samples))
    assert [(round(p.first / RATE, 1), round(p.stop / RATE, 1)) for p in pieces] == [(9.6, 15.4), (89.6, 94.4)]


def test_where_no_voice_is_heard_anywhere_all_is_listened_to():
    """The network may not know such a voice; what a transcriber invents there is cut afterwards."""
    waveform = Waveform(np.full(70 * RATE, 0.1, np.float32), RATE)
    pieces = between_pauses(waveform, np.zeros(7000, np.float32))
    check(pieces, len(waveform.samples))
    assert pieces[0].first == 0
    assert pieces[-1].stop == len(waveform.samples)


def test_an_empty_recording_has_no_pieces():
    assert between_pauses(Waveform(np.zeros(0, np.float32), RATE), np.zeros(0, np.float32)) == ()
    assert listen(Waveform(np.zeros(0, np.float32), RATE), (), hear).words == ()


def test_a_short_recording_is_one_piece():
    waveform, truth = tones.recording(20.0, 2)
    assert len(between_pauses(waveform, vocal_of(truth, 20.0))) == 1


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_pieces_keep_their_promises_whatever_the_voice_does(data):
    n = data.draw(st.integers(1, 200 * RATE))
    edges = sorted(data.draw(st.lists(st.integers(0, n // HOP), max_size=40)))
    vocal = np.zeros(-(-n // HOP), np.float32)
    for first, stop in zip(edges[::2], edges[1::2], strict=False):
        vocal[first:stop] = 0.9
    waveform = Waveform(np.zeros(n, np.float32), RATE)
    pieces = between_pauses(waveform, vocal)
    check(pieces, n)
    covered = np.zeros(n, np.bool_)
    for piece in pieces:
        covered[piece.first : piece.stop] = True
    voiced = np.repeat(vocal >= 0.3, HOP)[:n]
    assert covered[voiced].all()


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="16000 Hz"):
        cut(Waveform(np.zeros(10, np.float32), 8000))


def test_pieces_that_would_be_all_overlap_are_refused():
    with pytest.raises(ValueError, match="too short"):
        ChunkConfig(most_s=10.0)


def test_speech_is_cut_where_nobody_speaks(speech):
    """By the network that ships with Melisma, on spoken sentences with a second between them."""
    waveform, spans = speech
    pieces = cut(waveform, ChunkConfig(most_s=16.0))
    assert len(pieces) > 2
    for edge in [p.first for p in pieces[1:]] + [p.stop for p in pieces[:-1]]:
        assert not any(start * RATE < edge < end * RATE for start, end in spans)


@pytest.fixture(scope="module")
def speech():
    import soxr

    from melisma.synth.speech import SAMPLE_RATE
    from melisma.synth.voice import speak

    parts, spans, at = [], [], 0.0
    for i in range(30):
        sound = speak(["dobro jutro", "kako ste danas", "tiho noći moje zlato spava"][i % 3], "hr").samples
        sound = soxr.resample(sound / np.abs(sound).max() * 0.5, SAMPLE_RATE, RATE).astype(np.float32)
        gap = np.zeros(RATE * 7 // 10, np.float32)
        spans.append((at + 0.35 + 0.05, at + 0.35 + len(sound) / RATE - 0.05))
        parts += [gap[: len(gap) // 2], sound, gap[len(gap) // 2 :]]
        at += (len(sound) + len(gap)) / RATE
    noise = np.random.default_rng(0).normal(0, 0.002, sum(map(len, parts)))
    return Waveform((np.concatenate(parts) + noise).astype(np.float32), RATE), spans


def said(piece, *words):
    """Put words (text, start, end) in seconds of the recording into a piece."""
    made = [ClockWord(t, round(a * RATE) - piece.first, round(b * RATE) - piece.first, 0.5) for t, a, b in words]
    return piece, Clocked(tuple(made), piece.stop - piece.first, CLOCK, "hr", (0,))


LEFT, RIGHT = Piece(0, 30 * RATE, 0, 28 * RATE), Piece(26 * RATE, 50 * RATE, 28 * RATE, 50 * RATE)


def test_a_word_that_both_sides_put_on_their_own_is_one():
    got = join([said(LEFT, ("da", 27.5, 27.9)), said(RIGHT, ("Da,", 28.1, 28.5), ("ne", 29, 29.5))], CLOCK)
    assert [word.text for word in got.words] == ["da", "ne"]


def test_a_word_that_both_sides_give_to_the_other_is_not_lost():
    got = join([said(LEFT, ("da", 28.1, 28.5)), said(RIGHT, ("da", 27.4, 27.8), ("ne", 29, 29.5))], CLOCK)
    assert [word.text for word in got.words] == ["da", "ne"]


def test_a_word_that_is_said_twice_stays_twice():
    left = said(LEFT, ("ne", 27.0, 27.4), ("ne", 27.6, 27.9), ("ne", 28.3, 28.6))
    right = said(RIGHT, ("ne", 27.1, 27.4), ("ne", 27.6, 27.9), ("ne", 28.3, 28.6), ("da", 31, 32))
    assert [word.text for word in join([left, right], CLOCK).words] == ["ne", "ne", "ne", "da"]


def test_a_half_of_a_word_at_an_edge_gives_way_to_the_whole():
    left = said(LEFT, ("dobro", 26.5, 27.0), ("ju", 29.6, 30.0))
    right = said(RIGHT, ("bro", 26.0, 27.0), ("jutro", 29.6, 30.4))
    assert [word.text for word in join([left, right], CLOCK).words] == ["dobro", "jutro"]


def test_where_both_sides_hear_something_else_the_times_decide():
    left = said(LEFT, ("jedan", 27.0, 27.5), ("dva", 28.5, 29.0))
    right = said(RIGHT, ("tri", 27.0, 27.5), ("pet", 28.5, 29.0), ("šest", 31.0, 32.0))
    assert [word.text for word in join([left, right], CLOCK).words] == ["jedan", "pet", "šest"]


def test_progress_goes_to_the_end():
    waveform, truth = tones.recording(70.0, 3)
    shares = []
    listen(waveform, between_pauses(waveform, vocal_of(truth, 70.0)), hear, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert whisper_chunks.ChunkConfig().most_s == 30.0


@pytest.mark.parametrize(("lead", "first"), [(0.8, 0.0), (2.5, 0.0), (5.0, 4.5)])
def test_a_clip_is_heard_whole_unless_there_is_long_nothing_to_hear(lead, first):
    n = round((lead + 4) * RATE)
    vocal = np.zeros(n // HOP, np.float32)
    vocal[round(lead * 100) : -100] = 0.95
    (piece,) = between_pauses(Waveform(np.zeros(n, np.float32), RATE), vocal)
    assert piece.stop == n or first
    assert piece.first == pytest.approx(first * RATE, abs=0.2 * RATE)
    check((piece,), n)
