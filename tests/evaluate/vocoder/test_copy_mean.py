"""The baseline that says each unit as it is on average."""

from __future__ import annotations

import numpy as np
import pytest

import unit_corpus
from melisma.core.errors import InputError
from melisma.evaluate.vocoder.copy_mean import CopyMean, Sums
from melisma.metrics import synthesis, world


@pytest.fixture(scope="module")
def recordings():
    rng = np.random.default_rng(4)
    made = []
    for f0 in (120.0, 200.0):
        sound = unit_corpus.voice(rng, 1.0, f0)
        made.append((np.repeat(rng.integers(0, 4, 10), 5)[:49].tolist(), sound))
    return made


def learn(recordings):
    sums = Sums(6)
    for frames, sound in recordings:
        sums.add(frames, sound)
    return sums.means()


@pytest.fixture(scope="module")
def learnt(recordings):
    return learn(recordings)


def test_means_are_those_of_the_frames_of_each_unit(recordings, learnt):
    fine, coarse, voiced = [], [], []
    for frames, sound in recordings:
        heard = synthesis.hear(sound[: 320 * len(frames)])
        fine += [(frames[min(i // 4, 48)], row) for i, row in enumerate(heard.cepstra)]
        voiced += [(frames[min(i // 4, 48)], hz) for i, hz in enumerate(heard.f0_hz)]
        coarse += list(zip(frames, heard.log_mel, strict=True))
    for unit in range(4):
        np.testing.assert_allclose(learnt.cepstra[unit], np.mean([row for u, row in fine if u == unit], axis=0))
        np.testing.assert_allclose(learnt.log_mel[unit], np.mean([row for u, row in coarse if u == unit], axis=0))
        pitches = [hz for u, hz in voiced if u == unit]
        heard = [hz for hz in pitches if hz > 0]
        expected = np.exp(np.mean(np.log(heard))) if 2 * len(heard) > len(pitches) else 0
        assert learnt.f0_hz[unit] == pytest.approx(expected)
    np.testing.assert_allclose(learnt.cepstra[5], np.mean([row for _, row in fine], axis=0))
    assert learnt.seconds == pytest.approx(2 * 49 * 320 / 16000)


def test_it_speaks_320_samples_a_frame_and_sounds_like_its_means(learnt):
    frames = [0] * 30 + [2] * 30
    sound = learnt.sound(frames)
    assert (sound.dtype, len(sound)) == (np.float32, 60 * 320)
    assert np.abs(sound).max() <= 1
    heard = synthesis.hear(sound)
    means = learnt.heard(frames, len(sound))
    assert len(means.cepstra) == len(heard.cepstra) == world.n_frames(len(sound))
    other = learnt.heard(frames[::-1], len(sound))
    assert synthesis.mcd_db(means.cepstra, heard.cepstra) < 0.7 * synthesis.mcd_db(other.cepstra, heard.cepstra)


def test_no_other_frames_are_nearer_to_what_it_learnt_from(recordings, learnt):
    """Of all that say each unit in one way, means have the smallest squared distance."""
    frames, sound = recordings[0]
    own = learn(recordings[:1])
    heard = synthesis.hear(sound[: 320 * 49])

    def squares(means):
        return float(((means.heard(frames, 49 * 320).cepstra - heard.cepstra) ** 2).sum())

    assert squares(own) < squares(learnt)


def test_sums_of_parts_are_sums_of_all(recordings, learnt, tmp_path):
    together = Sums(6)
    for number, each in enumerate(recordings):
        part = Sums(6)
        part.add(*each)
        part.write(tmp_path / f"{number}.npz")
        together.add_file(tmp_path / f"{number}.npz")
    together.means().write(tmp_path / "means.npz")
    found = CopyMean.read(tmp_path / "means.npz")
    for name in CopyMean.__slots__:
        np.testing.assert_allclose(getattr(found, name), getattr(learnt, name), rtol=1e-12)


def test_without_a_recording_there_is_nothing_to_learn(recordings):
    with pytest.raises(InputError, match="no recording"):
        learn([])
    frames, sound = recordings[0]
    with pytest.raises(InputError, match="no recording"):
        learn([([], sound), (frames, sound[:100])])
