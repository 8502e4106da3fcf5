"""Prepared audio where there is no room for it: a sentence, and nothing left."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import soundfile

from melisma.core.errors import OutputError
from melisma.data import sound_file


@pytest.fixture
def little_room():
    """Let files grow to 20,000 bytes: what lies beyond is refused by the system, as a full disk refuses it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("length", [11_000, 400_000])
def test_a_file_that_finds_no_room_is_one_sentence_and_leaves_nothing(tmp_path, little_room, suffix, length):
    noise = np.random.default_rng(1).uniform(-1, 1, length).astype(np.float32)
    with pytest.raises(OutputError, match=r"cannot write .*/a\.\w+: File too large"):
        sound_file.write(tmp_path / f"a.{suffix}", [noise, noise])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_finds_room_is_written(tmp_path, little_room):
    written = sound_file.write(tmp_path / "a.wav", [np.full(4_000, 0.5, np.float32)] * 2)
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert (written.n_samples, len(samples), rate) == (8_000, 8_000, 16_000)
    assert (samples == 16_384).all()
