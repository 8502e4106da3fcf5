"""Parts of a recording are the samples that decoding it whole would give, however they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.audio.decode import load
from melisma.core.errors import AudioError
from melisma.data import cuts
from melisma.data.cuts import Part, blocks_of, parts, span_of


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 3)])
def test_blocks_are_the_decoded_recording(tmp_path: Path, rate, channels):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(rate * channels).reshape(-1, channels), rate)
    whole = np.concatenate(list(blocks_of(path)))
    wanted = load(path, downmix="mean").samples
    assert len(whole) == 16000
    np.testing.assert_array_equal(whole, wanted)


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> tuple[Path, np.ndarray]:
    path = tmp_path_factory.mktemp("cuts") / "long.wav"
    samples = noise(200_000)
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    return path, samples


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 220_000), st.one_of(st.none(), st.integers(0, 90_000))), min_size=1, max_size=8)
)
def test_parts_are_slices_of_it(recording, asked):
    path, samples = recording
    spans = [(first, None if n is None else first + n) for first, n in asked]
    found = {
        i: np.concatenate([*part.blocks(), np.zeros(0, np.float32)]) for i, part in parts(path, spans, path.parent)
    }
    assert sorted(found) == list(range(len(spans)))
    for i, (first, last) in enumerate(spans):
        np.testing.assert_array_equal(found[i], samples[first:last])


def test_a_recording_is_decoded_once_and_no_further_than_needed(recording, monkeypatch):
    path, samples = recording
    n_blocks = []

    def counted(path, sample_rate=16000):
        for at in range(0, len(samples), 20_000):
            n_blocks.append(at)
            yield samples[at : at + 20_000]

    monkeypatch.setattr(cuts, "blocks_of", counted)
    for _ in parts(path, [(i * 1000, i * 1000 + 500) for i in range(50)], path.parent):
        pass
    assert n_blocks == [0, 20_000, 40_000]


def test_a_long_part_lies_on_disk_without_a_name(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cuts, "_IN_MEMORY", 1000)
    part = Part(0, None, tmp_path)
    part.append(noise(5000))
    assert part._file._rolled
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(np.concatenate(list(part.blocks(10, 4990))), noise(5000)[10:4990])
    part.close()


def test_a_damaged_recording_is_refused(tmp_path: Path):
    (tmp_path / "a.mp3").write_bytes(b"no sound at all" * 40)
    with pytest.raises(AudioError, match=r"a\.mp3"):
        next(parts(tmp_path / "a.mp3", [(0, None)], tmp_path))


def test_seconds_are_rounded_to_samples():
    assert span_of(0.1, 1.00003) == (1600, 17600)
