"""What workers make: the same from the same key, padded as the network needs it, lighter by what a piece weighs."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile
import torch

from melisma.data.augment.recipe import Recipe
from melisma.models import features
from melisma.train.ctc.batches import Key
from melisma.train.ctc.collate import ClipDataset, Collate, Hearing, Masks
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.trained import Kind

PLAIN = Hearing(Kind.TRANSFORMERS, False, 320)
NORMAL = Hearing(Kind.TRANSFORMERS, True, 320)
MELS = Hearing(Kind.PHONE_NET, True, 320)


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(1)
    for k, seconds in enumerate((1.0, 1.5)):
        soundfile.write(tmp_path / f"{k}.wav", rng.normal(0.1, 0.1, int(seconds * 16000)), 16000)
    names = [str(tmp_path / f"{k}.wav").encode() for k in range(2)]
    return Clips(
        np.array([0, 1], np.int32),
        np.array([0, 0]),
        np.array([16000, 24000], np.int32),
        np.array([1, 2, 3, 4, 5], np.int32),
        np.array([0, 2, 5]),
        np.array([0, 1]),
        np.frombuffer(b"".join(names), np.uint8),
        np.cumsum([0, *map(len, names)]),
    )


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "effects:\n  - {effect: gain, probability: 1.0, db: [-12, 0]}\n  - {effect: speed, probability: 0.5}\n"
    )
    return Recipe.read(path)


def test_samples_are_padded_with_zeros(clips):
    dataset = ClipDataset(clips, PLAIN)
    batch = Collate(PLAIN)([dataset[Key(3, 0, 0, 0.5)], dataset[Key(3, 1, 1, 0.5)]])
    assert batch.inputs.shape == (2, 25600)  # whole groups of 16 frames
    assert batch.lengths.tolist() == [16000, 24000]
    assert not batch.inputs[0, 16000:].any()
    assert batch.labels.tolist() == [1, 2, 3, 4, 5]
    assert batch.label_lengths.tolist() == [2, 3]
    assert (batch.seconds, batch.number, batch.row, batch.weight) == (2.5, 3, 0, 0.5)


def test_samples_are_normalised_where_the_network_was_trained_so(clips):
    heard = ClipDataset(clips, NORMAL)[Key(0, 0, 0)].inputs
    assert abs(float(heard.mean())) < 1e-4
    assert float(heard.std()) == pytest.approx(1, abs=1e-3)


def test_log_mels_are_those_of_the_engine(clips):
    dataset = ClipDataset(clips, MELS)
    expected = features.normalise(features.log_mel(dataset.samples(0)))
    batch = Collate(MELS)([dataset[Key(0, 0, 0)]])
    assert batch.lengths.tolist() == [100]
    np.testing.assert_allclose(batch.inputs[0, :, :100].numpy(), expected.T, atol=1e-5)


def test_a_key_draws_the_same_in_any_process_and_another_draws_otherwise(clips, recipe):
    dataset = ClipDataset(clips, PLAIN, 1, recipe)
    other = pickle.loads(pickle.dumps(dataset))
    one, same = dataset[Key(4, 1, 0)].inputs, other[Key(4, 1, 0)].inputs
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, dataset[Key(5, 1, 0)].inputs)
    assert not np.array_equal(one, dataset[Key(4, 0, 0)].inputs)


def test_a_clip_that_augmenting_makes_too_short_stays_as_it_is(clips, tmp_path):
    path = tmp_path / "fast.yaml"
    path.write_text("effects:\n  - {effect: speed, probability: 1.0, factor: [1.5, 1.5]}\n")
    dataset = ClipDataset(clips, PLAIN, 1, Recipe.read(path))
    assert len(dataset[Key(0, 0, 0)].inputs) < 16000
    long_text = Clips(*[getattr(clips, name) for name in ("owner", "first", "n_samples")],
                      np.tile(np.array([1, 2], np.int32), 20), np.array([0, 38, 40]), clips.line,
                      clips.names, clips.name_bounds)  # fmt: skip
    assert len(ClipDataset(long_text, PLAIN, 1, Recipe.read(path))[Key(0, 0, 0)].inputs) == 16000


def test_masks_hide_parts_of_log_mels_in_training_only(clips):
    plain = ClipDataset(clips, MELS)[Key(0, 0, 1)].inputs
    masked = ClipDataset(clips, MELS, 1, None, Masks(0.3, 20, 0.3, 8))
    shares = [float((masked[Key(n, 0, 1)].inputs == 0).mean()) for n in range(20)]
    assert not (plain == 0).any()
    assert 0.02 < np.mean(shares) < 0.4


def test_a_batch_moves_with_its_lengths_staying(clips):
    batch = Collate(PLAIN)([ClipDataset(clips, PLAIN)[Key(0, 0, 0)]]).to(torch.device("meta"))
    assert (batch.inputs.device.type, batch.labels.device.type, batch.lengths.device.type) == ("meta", "meta", "cpu")
