import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from melisma.synth import songs
from melisma.synth.score import CLOCK, SongConfig, score_of_length, write_score
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.words import DEMO

SMALL = SongConfig("en", ("silver rain is on the hill", "", "carry me over"), tempo_bpm=120)


def stems(score):
    blocks = list(songs.blocks(score))
    return np.concatenate([b.voice for b in blocks]), np.concatenate([b.backing for b in blocks])


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@pytest.mark.parametrize("text", DEMO, ids=lambda t: t.language)
def test_demo_songs_are_short_clean_and_unclipped(text):
    song = songs.make_song(SongConfig(text.language, text.lines, tempo_bpm=100))
    assert 20 < song.duration_s < 45
    assert song.stereo.dtype == np.float32
    assert song.stereo.shape == (len(song.stereo), 2)
    assert np.isfinite(song.stereo).all()
    assert 0.2 < np.abs(song.stereo).max() < 1
    assert [w.text for w in song.words] == song.lyrics.split()
    assert len(song.mono.samples) == len(song.stereo)


def test_the_voice_sounds_where_words_are_and_nowhere_else():
    score = write_score(SMALL)
    voice, _ = stems(score)
    inside = np.zeros(len(voice), bool)
    for word in score.words:
        inside[word.start : word.end] = True
        part = np.abs(voice[word.start : word.end])
        audible = np.flatnonzero(part > 10 ** (-45 / 20) * part.max())
        assert audible[0] <= CLOCK.ticks(0.005)  # the truth is good to 5 ms
        assert rms(part) > 0.01
    assert not np.any(voice[~inside])


def test_the_accompaniment_fills_intro_and_breaks():
    score = write_score(SMALL)
    _, backing = stems(score)
    for i, bar in enumerate(score.bars):
        part = backing[score.band.bar_start(i) : score.band.bar_start(i + 1)]
        assert rms(part) > 0.2 * rms(backing), (i, bar)


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 9.0, 30.0])
def test_voice_and_band_stand_in_the_ratio_asked_for(snr_db):
    score = write_score(replace(SMALL, snr_db=snr_db))
    voice, backing = stems(score)
    sung = np.concatenate([voice[w.start : w.end] for w in score.words])
    bars = [i for i, bar in enumerate(score.bars) if bar.kind == "verse"]
    verse = np.concatenate([backing[score.band.bar_start(i) : score.band.bar_start(i + 1)] for i in bars])
    assert abs(20 * np.log10(rms(sung) / rms(verse)) - snr_db) < 1.0
    assert np.abs(voice[:, None] + backing).max() < 1


def test_the_voice_is_in_the_centre_and_the_band_is_not():
    song = songs.make_song(replace(SMALL, snr_db=0))
    quiet = songs.make_song(replace(SMALL, snr_db=60))
    assert rms(quiet.stereo[:, 0] - quiet.stereo[:, 1]) < 0.01 * rms(quiet.stereo)
    assert rms(song.stereo[:, 0] - song.stereo[:, 1]) > 0.2 * rms(song.stereo)


def test_blocks_put_together_are_the_song():
    score = write_score(SMALL)
    np.testing.assert_array_equal(np.concatenate([b.mix for b in songs.blocks(score)]), songs.make_song(SMALL).stereo)


def test_the_same_record_makes_the_same_bytes():
    one, two = songs.song_of_length(20, "hr", 7), songs.song_of_length(20, "hr", 7)
    assert one.stereo.tobytes() == two.stereo.tobytes()
    assert one.words == two.words


@pytest.mark.parametrize("seconds", [15, 20.00001, 33.3])
def test_a_song_of_a_length_sounds_for_exactly_that_long(seconds):
    song = songs.song_of_length(seconds, "fr", 1)
    assert len(song.stereo) == CLOCK.ticks(seconds)
    assert np.abs(song.stereo[-1]).max() < 1e-6
    assert np.abs(song.stereo[-SAMPLE_RATE:]).max() > 0.01


def test_memory_does_not_grow_with_the_song():
    score = score_of_length(240, "en")
    for _ in songs.blocks(score):  # fills the caches of words and bars
        break
    tracemalloc.start()
    try:
        for _ in songs.blocks(score):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.25 * 4 * 2 * score.n_samples
