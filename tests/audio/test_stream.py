"""Blocks: the same samples as `decode` has, in one pass."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from melisma.audio.decode import decode
from melisma.audio.stream import open_stream
from melisma.core.errors import AudioTooLong

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")


def taken(path, **options):
    with open_stream(path, **options) as stream:
        return np.concatenate(list(stream.blocks)), stream.info


@pytest.fixture
def song(tmp_path):
    rng = np.random.default_rng(7)
    path = tmp_path / "song.flac"
    soundfile.write(path, 0.3 * rng.standard_normal((12 * 16000, 1)), 16000)
    return path


def test_the_samples_are_those_of_decode(song):
    samples, info = taken(song)
    assert info.sample_rate == 16000
    np.testing.assert_array_equal(samples[:, 0], decode(song, downmix="mean").waveform.samples)


@needs_ffmpeg
def test_what_only_ffmpeg_reads_is_read(song, tmp_path):
    path = tmp_path / "song.m4a"
    subprocess.run(["ffmpeg", "-v", "error", "-i", song, "-c:a", "aac", path], check=True)
    samples, info = taken(path)
    assert info.container == "mov"
    assert abs(len(samples) - 12 * 16000) < 2048


@needs_ffmpeg
def test_behind_a_damaged_place_it_goes_on_in_time(song):
    whole, _ = taken(song)
    data = bytearray(song.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    song.write_bytes(data)
    samples, _ = taken(song)
    assert abs(len(samples) - len(whole)) < 16000
    np.testing.assert_allclose(samples[-16000:], whole[-16000:], atol=1e-4)


def test_what_is_too_long_is_refused_while_it_is_read(song):
    with pytest.raises(AudioTooLong, match="limit of 5 s"):
        taken(song, max_duration_s=5)
    assert len(taken(song, max_duration_s=12)[0]) == 12 * 16000
