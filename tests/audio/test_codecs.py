from pathlib import Path

import numpy as np
import pytest

from melisma.audio import codecs, ffmpeg
from melisma.audio.codecs import Codec, draw, lag, through
from melisma.core.errors import InputError, MissingDependency, TrainingError

needs_ffmpeg = pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
RATE = 16000
CLICKS_S = (0.05, 0.8125, 1.5, 2.9)
EVERY = [
    Codec(name, kbps, sample_rate)
    for (name, sample_rate), choices in codecs._DRAWN.items()
    for kbps in (min(choices), max(choices))
]


def clicks(rate=RATE):
    """3 s with short bursts of noise, which every codec can tell apart."""
    rng = np.random.default_rng(1)
    sound = np.zeros(3 * rate, np.float32)
    for at_s in CLICKS_S:
        burst = 0.3 * rng.standard_normal(rate // 50).astype(np.float32) * np.hanning(rate // 50)
        sound[round(at_s * rate) :][: len(burst)] = burst
    return sound


@needs_ffmpeg
@pytest.mark.parametrize("codec", EVERY, ids=str)
def test_every_click_comes_back_where_it_was(codec):
    before = clicks()
    after = through(before, RATE, codec)
    assert (after.shape, after.dtype) == (before.shape, np.float32)
    for at_s in CLICKS_S:
        here = slice(max(0, round((at_s - 0.05) * RATE)), round((at_s + 0.07) * RATE))
        assert abs(lag(before[here], after[here])) <= codecs.LATE_S * RATE
    assert np.abs(after - before).max() > 1e-3  # it was coded indeed


@needs_ffmpeg
@pytest.mark.parametrize("name", ["mp3", "aac", "opus"])
def test_fewer_bits_leave_less_of_the_sound(name):
    sound = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE, np.float32)
    rate = 48000 if name == "opus" else 44100
    low, high = (through(sound, RATE, Codec(name, kbps, rate)) for kbps in (32, 128))
    assert np.square(high - sound).mean() < 0.5 * np.square(low - sound).mean()


@needs_ffmpeg
def test_the_same_sound_gives_the_same():
    for codec in (Codec("mp3", 32), Codec("aac", 32), Codec("opus", 16, 48000)):
        np.testing.assert_array_equal(through(clicks(), RATE, codec), through(clicks(), RATE, codec))


@needs_ffmpeg
def test_stereo_keeps_its_sides_apart_and_one_channel_joins_them():
    sound = np.stack([clicks(), -clicks()[::-1]], axis=1)
    both = through(sound, RATE, Codec("mp3", 128))
    assert both.shape == sound.shape
    for side in (0, 1):
        assert np.corrcoef(both[:, side], sound[:, side])[0, 1] > 0.9
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.1
    joined = through(sound, RATE, Codec("mp3", 64, channels=1))
    np.testing.assert_array_equal(joined[:, 0], joined[:, 1])
    assert np.corrcoef(joined[:, 0], sound.mean(axis=1))[0, 1] > 0.9


@needs_ffmpeg
@pytest.mark.parametrize("n", [0, 1, 700])
def test_short_sounds_keep_their_length(n):
    sound = clicks()[round(0.05 * RATE) :][:n]
    assert through(sound, RATE, Codec("aac", 32)).shape == (n,)


def test_what_is_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw(0.25, 2, rng) for _ in range(4000)]
    chosen = [codec for codec in drawn if codec]
    assert 0.22 < len(chosen) / len(drawn) < 0.28
    assert {(c.name, c.sample_rate) for c in chosen} == set(codecs._DRAWN)
    assert {c.kbps for c in chosen if c.name == "opus"} == {16, 24, 32, 48}
    assert draw(0, 1, rng) is None
    assert draw(1, 1, np.random.default_rng(5)) == draw(1, 1, np.random.default_rng(5))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_all(share):
    with pytest.raises(InputError, match="lies between 0 and 1"):
        draw(share, 1, np.random.default_rng(0))


def test_lag_is_found_in_both_directions():
    sound = clicks()
    assert lag(sound, np.roll(sound, 37)) == 37
    assert lag(np.roll(sound, 37), sound) == -37


@needs_ffmpeg
def test_this_ffmpeg_passes():
    codecs.check()


def write_ffmpeg(folder: Path, text: str) -> None:
    script = folder / "ffmpeg"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


@needs_ffmpeg
def test_an_ffmpeg_that_keeps_the_delay_is_refused(tmp_path, monkeypatch):
    # Into raw AAC, which says nothing of a delay.
    real = ffmpeg.program()
    write_ffmpeg(tmp_path, f'exec {real} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setitem(codecs._SUFFIXES, "aac", "adts")
    with pytest.raises(TrainingError, match=r"gives aac at .* back \d+ ms late"):
        codecs.check()


def test_no_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="coding sounds needs ffmpeg: install ffmpeg"):
        codecs.check()


def test_an_ffmpeg_without_an_encoder(tmp_path, monkeypatch):
    write_ffmpeg(tmp_path, "cat > /dev/null; echo \"Unknown encoder 'libmp3lame'\" >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(MissingDependency, match="cannot write mp3: it was built without libmp3lame"):
        codecs.check()


def test_an_ffmpeg_that_fails(tmp_path, monkeypatch):
    write_ffmpeg(tmp_path, "cat > /dev/null; echo 'it went wrong' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(TrainingError, match=r"failed at mp3 at 32 kb/s and 44\.1 kHz: it went wrong"):
        through(clicks(), RATE, Codec("mp3", 32))
