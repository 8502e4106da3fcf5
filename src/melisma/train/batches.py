"""Clips to batches of like length, each step with a random generator of its own, so that any step can be redone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from melisma.models.features import N_MELS, STRIDE
from melisma.train.augment import Example, Mood, augment, plain
from melisma.train.config import PhoneTrainingConfig
from melisma.train.corpus import Clip, Noise

# Emission frames that a batch's length is a multiple of: on CPUs, convolutions of odd lengths take three times as long.
_LENGTH_STEP = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded arrays of one step."""

    features: Tensor  # float32 [batch, N_MELS, n_feature_frames]
    lengths: Tensor  # int64 [batch], emission frames
    labels: Tensor  # int64 [sum of label lengths]
    label_lengths: Tensor  # int64 [batch]
    active: Tensor  # float32 [batch, n_frames]


def collate(examples: list[Example], stride: int = STRIDE) -> Batch:
    """Pad examples to one length, a multiple of the stride and of `_LENGTH_STEP` frames."""
    lengths = [len(e.features) // stride for e in examples]
    longest = -(-max(lengths) // _LENGTH_STEP) * _LENGTH_STEP
    n = longest * stride
    features = np.zeros((len(examples), N_MELS, n), np.float32)
    active = np.zeros((len(examples), longest), np.float32)
    for i, (example, length) in enumerate(zip(examples, lengths, strict=True)):
        features[i, :, : length * stride] = example.features[: length * stride].T
        active[i, :length] = example.active[: length * stride].reshape(length, stride).mean(axis=1)
    return Batch(
        torch.from_numpy(features),
        torch.tensor(lengths),
        torch.from_numpy(np.concatenate([e.labels for e in examples])),
        torch.tensor([len(e.labels) for e in examples]),
        torch.from_numpy(active),
    )


def plan_batches(clips: list[Clip], batch_s: float, rng: np.random.Generator, short_first: bool) -> list[list[int]]:
    """Cut one pass into batches of about `batch_s` seconds whose clips are of like length."""
    lengths = np.array([len(c.log_power) for c in clips])
    order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lengths)), kind="stable")
    batches: list[list[int]] = [[]]
    for i in order:
        longest = max(lengths[i], lengths[batches[-1]].max() if batches[-1] else 0)
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_s * 100:
            batches.append([])
        batches[-1].append(int(i))
    if not short_first:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


class Sampler:
    """The batches of the whole training, in order, each with a random generator of its own: a step can be redone."""

    def __init__(self, clips: list[Clip], noises: list[Noise], config: PhoneTrainingConfig) -> None:
        self.clips, self.noises, self.config = clips, noises, config
        self.augment = config.augment
        self._plan_of = lru_cache(2)(self._batches_of)  # two: threads that make batches may be in two passes
        self.n_per_pass = len(self._plan_of(0))
        self.n_steps = int(config.passes * self.n_per_pass)

    def _batches_of(self, number: int) -> list[list[int]]:
        rng = np.random.default_rng([self.config.seed, 7, number])
        # Lengths vary a little from pass to pass; the number of batches must not, or steps would lose their meaning.
        plan = plan_batches(self.clips, self.config.batch_s, rng, number == 0)
        if number == 0:
            return plan
        while len(plan) < self.n_per_pass:
            plan.append(plan[int(rng.integers(len(plan)))])
        return plan[: self.n_per_pass]

    def batch(self, step: int) -> Batch:
        """Make the batch of a step; threads may ask at once."""
        number, index = divmod(step, self.n_per_pass)
        rng = np.random.default_rng([self.config.seed, 11, step])
        clips = [self.clips[i] for i in self._plan_of(number)[index]]
        done = step / self.n_per_pass - self.config.clean_passes
        if done < 0:
            return collate([plain(clip) for clip in clips], self.config.stride)
        mood = Mood.draw(self.augment, min(1.0, 0.2 + done / self.config.ramp_passes), rng)
        return collate([augment(clip, self.noises, self.augment, mood, rng) for clip in clips], self.config.stride)
