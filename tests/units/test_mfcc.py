import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.fft

from melisma.units.clock import n_frames
from melisma.units.mfcc import Mfcc, mfcc


def voice(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 16000
    return (0.3 * np.sin(2 * np.pi * 150 * t + 3 * np.sin(9 * t)) + 0.05 * rng.standard_normal(n)).astype(np.float32)


def plain_cepstra(samples: np.ndarray) -> np.ndarray:
    """Kaldi's recipe written out frame by frame and filter by filter."""
    low, high = 1127 * np.log(1 + 20 / 700), 1127 * np.log(1 + 8000 / 700)
    step = (high - low) / 24
    rows = []
    for begin in range(0, len(samples) - 399, 160):
        frame = samples[begin : begin + 400].astype(float)
        frame = frame - frame.mean()
        frame = np.array([frame[i] - 0.97 * frame[max(i - 1, 0)] for i in range(400)])
        frame *= (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
        power = np.abs(scipy.fft.fft(frame, 512)) ** 2
        energies = []
        for band in range(23):
            left, middle, right = (low + (band + i) * step for i in range(3))
            total = 0.0
            for k in range(256):
                mel = 1127 * np.log(1 + k * 31.25 / 700)
                if left < mel <= middle:
                    total += power[k] * (mel - left) / (middle - left)
                elif middle < mel < right:
                    total += power[k] * (right - mel) / (right - middle)
            energies.append(np.log(max(total, np.finfo(np.float32).eps)))
        cepstra = scipy.fft.dct(np.array(energies), norm="ortho")[:13]
        rows.append(cepstra * (1 + 11 * np.sin(np.pi * np.arange(13) / 22)))
    return np.array(rows)


def plain_slopes(rows: np.ndarray) -> np.ndarray:
    at = lambda i: rows[min(max(i, 0), len(rows) - 1)]  # noqa: E731
    return np.array([(at(i + 1) - at(i - 1) + 2 * at(i + 2) - 2 * at(i - 2)) / 10 for i in range(len(rows))])


@pytest.mark.parametrize("n", [400, 560, 719, 4321])
def test_it_is_kaldis_recipe(n):
    samples = voice(n)
    cepstra = plain_cepstra(samples)
    first = plain_slopes(cepstra)
    expected = np.concatenate([cepstra, first, plain_slopes(first)], axis=1)[::2][: n_frames(n)]
    np.testing.assert_allclose(mfcc(samples), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [0, 399, 400, 719, 720, 16000, 2048 * 160 + 240, 2048 * 160 + 400])
def test_there_is_a_frame_for_every_unit(n):
    assert mfcc(voice(n)).shape == (n_frames(n), 39)


def test_a_long_recording_is_made_of_blocks_without_seams():
    samples = voice(2200 * 160 + 400)
    whole, late = mfcc(samples), mfcc(samples[320 * 900 :])  # where no block ended in the first
    np.testing.assert_array_equal(whole[902:], late[2:])  # the first two know of no frames before them


def test_silence_has_finite_features():
    assert np.isfinite(mfcc(np.zeros(16000, np.float32))).all()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_number_of_threads_shows_in_no_bit(threads):
    script = (
        "import hashlib, numpy as np; from melisma.units.mfcc import mfcc;"
        "x = np.random.default_rng(3).standard_normal(160_000).astype(np.float32);"
        "print(hashlib.sha256(mfcc(x).tobytes()).hexdigest())"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    got = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    import hashlib

    x = np.random.default_rng(3).standard_normal(160_000).astype(np.float32)
    assert got.stdout.strip() == hashlib.sha256(mfcc(x).tobytes()).hexdigest()


def test_neighbours_change_nothing():
    a, b = voice(9000), voice(700, 1)
    np.testing.assert_array_equal(Mfcc().encode([b, a])[1], Mfcc().encode([a])[0])
