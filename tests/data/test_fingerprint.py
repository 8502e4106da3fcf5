from __future__ import annotations

import numpy as np
import pytest
import soxr

from melisma.data import fingerprint
from melisma.data.fingerprint import NEAR, Words


def speech(seed: int, seconds: float = 4.0, rate: int = 16000):
    """Sound whose spectrum and loudness wander as those of a voice do: filtered noise in syllables."""
    rng = np.random.default_rng(seed)
    n, n_syllables = int(seconds * rate), int(seconds * 5)
    sound = np.zeros(n, np.float32)
    at = np.arange(n) / rate
    for syllable in range(n_syllables):
        begin = (syllable + rng.uniform(0, 0.5)) / 5
        loud = np.exp(-(((at - begin - 0.1) / 0.07) ** 2))
        pitch = rng.uniform(90, 220)
        for harmonic in range(2, 18):
            sound += (loud * rng.uniform(0, 1) * np.sin(2 * np.pi * pitch * harmonic * at)).astype(np.float32)
    return 0.3 * sound / np.abs(sound).max()


def of(sound, rate: int = 16000) -> Words:
    return fingerprint.of(sound, rate)


def test_fifty_words_a_second():
    words = of(speech(1, 4.0))
    assert words.dtype == np.uint32
    assert len(words) == (4 * 8000 - 3200) // 160


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.41])
def test_what_is_too_short_has_none(seconds):
    assert len(of(speech(1)[: int(seconds * 16000)])) == 0


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(32000, np.float32),
        np.full(32000, 0.5, np.float32),
        (0.5 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)).astype(np.float32),
    ],
    ids=["silence", "offset", "hum"],
)
def test_steady_sound_says_nothing_and_resembles_nothing(sound):
    assert np.count_nonzero(of(sound)) < 5  # but for its beginning and end
    assert fingerprint.similar(of(sound), of(sound)) == 0.0


def changed(kind: str, sound):
    rng = np.random.default_rng(9)
    loudness = np.sqrt(np.mean(sound**2))
    return {
        "gain": lambda: (0.2 * sound, 16000),
        "resampled": lambda: (soxr.resample(sound, 16000, 44100), 44100),
        "narrow": lambda: (soxr.resample(sound, 16000, 8000), 8000),
        "trimmed": lambda: (sound[4800:], 16000),
        "late": lambda: (np.concatenate([np.zeros(3333, np.float32), sound]), 16000),
        "noise": lambda: (sound + (0.1 * loudness * rng.standard_normal(len(sound))).astype(np.float32), 16000),
        "clipped": lambda: (np.clip(4 * sound, -1, 1), 16000),
    }[kind]()


@pytest.mark.parametrize("kind", ["gain", "resampled", "narrow", "trimmed", "late", "noise", "clipped"])
def test_a_changed_copy_is_known(kind):
    sound = speech(3)
    assert fingerprint.similar(of(sound), of(*changed(kind, sound))) > NEAR + 0.1


def test_other_recordings_are_not_alike():
    found = [of(speech(seed)) for seed in range(8)]
    assert max(fingerprint.similar(a, b) for i, a in enumerate(found) for b in found[:i]) < NEAR - 0.05


def test_a_cut_is_known_in_the_whole_and_two_halves_are_not_alike():
    whole = speech(5, 8.0)
    assert fingerprint.similar(of(whole), of(whole[48000:96000])) > 0.8
    assert fingerprint.similar(of(whole[48000:96000]), of(whole)) > 0.8
    assert fingerprint.similar(of(whole[:64000]), of(whole[64000:])) < NEAR


def test_similar_is_one_for_the_same_and_none_for_none():
    words = of(speech(2))
    assert fingerprint.similar(words, words) == 1.0
    assert fingerprint.similar(words, np.zeros(0, np.uint32)) == 0.0


def test_long_recordings_are_laid_where_their_words_agree():
    rng = np.random.default_rng(0)
    long = rng.integers(1, 2**32, 9000, np.uint32)
    other = long[700:8000] ^ (rng.random(7300) < 0.5).astype(np.uint32)
    assert fingerprint.similar(long, other) > 0.9
    assert fingerprint.similar(long, rng.integers(1, 2**32, 7300, np.uint32)) < 0.1


def test_bits_are_counted():
    assert fingerprint.n_bits(np.array([0, 1, 0xFFFF0000, 0xFFFFFFFF], np.uint32)).tolist() == [0, 1, 16, 32]


def test_of_few_words_more_must_agree():
    rng = np.random.default_rng(7)
    words = rng.integers(1, 2**32, 200, np.uint32)
    flips = np.packbits(rng.random((200, 32)) < 0.3, axis=1).view(">u4")[:, 0].astype(np.uint32)
    assert fingerprint.similar(words, words ^ flips) > NEAR
    assert fingerprint.similar(words[:30], (words ^ flips)[:30]) < NEAR
    assert fingerprint.similar(words[:30], words[:30]) == 1.0
