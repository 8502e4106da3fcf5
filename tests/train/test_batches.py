from __future__ import annotations

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from melisma.models.features import N_MELS, STRIDE
from melisma.train.augment import Example
from melisma.train.batches import Batch, Sampler, collate, plan_batches
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, load_noise, load_speech

CONFIG = PhoneTrainingConfig(passes=4, clean_passes=1, ramp_passes=1, batch_s=4)


def clip(n_frames: int) -> Clip:
    return Clip("c", "en", "s", np.zeros((n_frames, N_MELS), np.float16), np.array([1], np.int64))


def test_collate_pads_with_zeros_to_whole_strides():
    examples = [
        Example(np.full((n, N_MELS), n, np.float32), np.arange(1, 4), np.ones(n, np.float32)) for n in (10, 31, 3)
    ]
    batch = collate(examples)
    assert batch.lengths.tolist() == [3, 10, 1]
    assert batch.features.shape[2] == batch.active.shape[1] * STRIDE
    assert batch.features.shape[2] >= 30
    for i, (example, length) in enumerate(zip(examples, batch.lengths.tolist(), strict=True)):
        inside, beyond = batch.features[i, :, : length * STRIDE], batch.features[i, :, length * STRIDE :]
        np.testing.assert_array_equal(inside.T.numpy(), example.features[: length * STRIDE])
        assert not beyond.any()
        assert batch.active[i, :length].eq(1).all()
        assert not batch.active[i, length:].any()
    assert batch.label_lengths.tolist() == [3, 3, 3]
    assert batch.labels.tolist() == [1, 2, 3] * 3


@given(st.lists(st.integers(10, 1600), min_size=1, max_size=40), st.floats(5, 100), st.booleans())
def test_a_plan_holds_every_clip_once_in_batches_of_the_length_asked_for(lengths, batch_s, short_first):
    plan = plan_batches([clip(n) for n in lengths], batch_s, np.random.default_rng(1), short_first)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    for batch in plan:
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= batch_s * 100
    if short_first:
        first, last = max(lengths[i] for i in plan[0]), max(lengths[i] for i in plan[-1])
        assert first <= last * 1.3


def sampler_of(corpus, noise, tmp_path, config: PhoneTrainingConfig = CONFIG) -> Sampler:
    clips = load_speech(corpus, tmp_path / "cache", frozenset(), 1)
    return Sampler(clips, load_noise(noise, tmp_path / "cache", 1), config)


def same(a: Batch, b: Batch) -> bool:
    names = ("features", "lengths", "labels", "label_lengths", "active")
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_a_step_has_the_same_batch_whoever_asks_and_whenever(corpus, noise, tmp_path):
    one, other = sampler_of(corpus, noise, tmp_path), sampler_of(corpus, noise, tmp_path)
    assert one.n_steps == 4 * one.n_per_pass > 8
    forwards = [one.batch(step) for step in range(one.n_steps)]
    for step in reversed(range(one.n_steps)):
        assert same(other.batch(step), forwards[step])
    assert not same(forwards[-1], forwards[-2])


@pytest.fixture
def restless():
    """Threads that take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_threads_that_ask_at_once_get_the_batches_of_their_steps():
    clips = [dataclasses.replace(clip(6 + n), labels=np.array([n], np.int64)) for n in range(1, 11)]
    config = PhoneTrainingConfig(passes=1000, clean_passes=1000, batch_s=0.3)
    one, other = Sampler(clips, [], config), Sampler(clips, [], config)
    # Steps of many passes, jumbled: each thread keeps falling into a pass that another is just leaving.
    steps = np.random.default_rng(1).permutation(one.n_steps).tolist()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda step: one.batch(step).labels.tolist(), steps))
    right = [other.batch(step).labels.tolist() for step in range(other.n_steps)]
    assert made == [right[step] for step in steps]
    assert len(steps) > 2000


def test_another_seed_gives_other_batches(corpus, noise, tmp_path):
    one = sampler_of(corpus, noise, tmp_path)
    other = sampler_of(corpus, noise, tmp_path, CONFIG.model_copy(update={"seed": 2}))
    late = one.n_steps - 1
    assert not same(one.batch(late), other.batch(late))


def test_the_first_passes_are_clean_and_the_later_ones_are_not(corpus, noise, tmp_path):
    sampler = sampler_of(corpus, noise, tmp_path)
    clean = {tuple(np.round(row.numpy().ravel()[:50], 4)) for row in sampler.batch(0).features}
    again = sampler_of(corpus, noise, tmp_path, CONFIG.model_copy(update={"clean_passes": 4.0}))
    late = sampler.n_steps - 1
    assert clean == {tuple(np.round(row.numpy().ravel()[:50], 4)) for row in again.batch(0).features}
    assert not same(sampler.batch(late), again.batch(late))
