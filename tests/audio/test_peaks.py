"""Peaks: against a plain computation over the whole recording, however it is cut."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from melisma.audio import peaks as module
from melisma.audio.peaks import FULL_SCALE, Peaks, peaks
from melisma.core.errors import EmptyAudio, NotAudio


def plain(samples, rate, per_second):
    """Bin by bin, as the docstring says."""
    bins = np.arange(len(samples)) * per_second // rate
    loud = np.abs(samples).max(axis=1)
    return np.array([loud[bins == i].max() for i in range(bins[-1] + 1)])


@given(
    st.integers(1, 400),
    st.sampled_from([1000, 7999, 8000, 44100]),
    st.integers(1, 30),
    st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_blocks_of_any_length_give_the_same(seed, rate, per_second, lengths):
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1, 1, (sum(lengths), 2)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(lengths)[:-1])
    found, n = module._folded(blocks, rate, per_second)
    assert n == len(samples)
    np.testing.assert_allclose(found / FULL_SCALE, plain(samples, rate, per_second), atol=1 / FULL_SCALE)


def test_a_click_stands_where_it_is(tmp_path):
    samples = np.zeros((3 * 8000, 2), np.float32)
    samples[int(1.23 * 8000), 1] = -0.5
    soundfile.write(tmp_path / "click.wav", samples, 8000)
    found = peaks(tmp_path / "click.wav", 100)
    assert len(found.values) == 300
    assert np.flatnonzero(found.values).tolist() == [123]
    assert found.values[123] / FULL_SCALE == pytest.approx(0.5, abs=1e-4)
    assert found.duration_ms == 3000


def test_longer_bins_keep_the_largest():
    found = Peaks(np.arange(10, dtype=np.uint16), 10, 8000, 8000)
    assert found.at(5).values.tolist() == [1, 3, 5, 7, 9]
    assert found.at(10).values.tolist() == list(range(10))
    assert found.at(3).values.tolist() == [2, 5, 9]
    assert found.at(1).values.tolist() == [9]
    with pytest.raises(ValueError, match="cannot become 11"):
        found.at(11)


def test_what_is_louder_than_full_scale_is_full_scale(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.full((8000, 1), 3.0, np.float32), 8000, "FLOAT")
    assert set(peaks(tmp_path / "loud.wav").values.tolist()) == {FULL_SCALE}


def test_values_that_are_no_numbers_are_silent(tmp_path):
    samples = np.full((8000, 1), 0.25, np.float32)
    samples[4000:] = np.nan
    soundfile.write(tmp_path / "bad.wav", samples, 8000, "FLOAT")
    found = peaks(tmp_path / "bad.wav", 10)
    assert found.values[:5].min() > 0
    assert found.values[5:].max() == 0


def test_no_sample_and_no_sound_are_refused(tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), 8000)
    with pytest.raises(EmptyAudio):
        peaks(tmp_path / "none.wav")
    (tmp_path / "text.mp3").write_text("no sound at all, but some words", encoding="utf-8")
    with pytest.raises(NotAudio):
        peaks(tmp_path / "text.mp3")


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.float32))
    tracemalloc.start()
    found = peaks(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.values) == 3600 * 400
    assert most < 12_000_000  # 115 MB as samples, 2.9 MB as peaks
