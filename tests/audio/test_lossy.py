import numpy as np
import pytest

from melisma.audio import codecs, ffmpeg, lossy, stretch
from melisma.core.errors import UnknownName
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.text.espeak import voice_code

RATE = 16000


@pytest.fixture(scope="module")
def voice():
    """Harmonics under a moving spectrum, with pauses: what a transform coder has to work for."""
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(140 + 20 * np.sin(3 * t)) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 30)) * (np.sin(2 * np.pi * 2 * t) > -0.5)
    return (0.1 * sound + 0.002 * rng.normal(0, 1, len(t))).astype(np.float32)


def distance_db(before, after):
    return 10 * np.log10(np.sum(before**2) / np.sum((before - after) ** 2))


@pytest.mark.parametrize("codec", ["mp3", "aac", "opus"])
def test_more_bits_damage_less(voice, codec):
    reached = [distance_db(voice, lossy.through(voice, RATE, codec, kbps)) for kbps in (8, 16, 32, 64, 128)]
    assert reached == sorted(reached)
    assert reached[0] < 20
    assert reached[-1] > reached[0] + 12


@pytest.mark.skipif(ffmpeg.program() is None, reason="no ffmpeg")
@pytest.mark.parametrize(("codec", "kbps", "rate"), [("mp3", 32, 44100), ("opus", 16, 48000)])
def test_the_damage_is_about_as_great_as_that_of_the_real_codec(codec, kbps, rate):
    spoken, _ = utter("seven yellow monkeys wanted another banana", voice_code("en"), "", 150, 50)
    spoken = stretch.speed(spoken, SAMPLE_RATE, SAMPLE_RATE / RATE)
    real = codecs.through(spoken, RATE, codecs.Codec(codec, kbps, rate))
    ours = lossy.through(spoken, RATE, codec, kbps)
    assert distance_db(spoken, ours) == pytest.approx(distance_db(spoken, real), abs=4)


def test_with_bits_without_end_the_sound_comes_back(voice):
    out = lossy.through(voice, RATE, "mp3", 320)
    assert out.dtype == np.float32
    assert out.shape == voice.shape
    assert distance_db(voice, out) > 60


def test_a_telephone_has_no_top_and_no_bass(voice):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(lossy.through(noise, RATE, "telephone", 64))) ** 2
    assert power[4200:].sum() < 1e-3 * power[500:3000].sum()
    assert power[:150].sum() < 1e-2 * power[500:3000].sum()


def test_nothing_moves_in_time(voice):
    out = lossy.through(voice, RATE, "opus", 16)
    cross = np.fft.irfft(np.conj(np.fft.rfft(voice, 1 << 16)) * np.fft.rfft(out, 1 << 16))
    assert int(np.argmax(cross)) == 0


@pytest.mark.parametrize("n", [0, 1, 7, 160, 161, 4000])
def test_any_length_comes_back_as_long(n):
    assert len(lossy.through(np.ones(n, np.float32), RATE, "aac", 24)) == n


def test_silence_stays_silent():
    assert np.abs(lossy.through(np.zeros(RATE, np.float32), RATE, "mp3", 16)).max() < 1e-5


def test_a_codec_that_there_is_not_is_named():
    with pytest.raises(UnknownName, match="no codec is called 'flac'"):
        lossy.through(np.zeros(10, np.float32), RATE, "flac", 16)
