"""Clips to what a network takes, in the workers: read, augmented, made into log-mels or normalised, and padded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import Dataset

from melisma.core.errors import AudioError
from melisma.core.records import Float32, Int64
from melisma.data.augment.recipe import Recipe
from melisma.models import features
from melisma.train.augment import mask
from melisma.train.clip_audio import SAMPLE_RATE, read_samples
from melisma.train.ctc.batches import Key
from melisma.train.ctc.dataset import Clips
from melisma.train.ctc.trained import Kind
from melisma.train.ctc.vocabulary import frames_needed

_AUGMENT, _MASK = 11, 12  # what a generator is for: part of its seed
# Networks are called with lengths of whole steps: on CPUs, convolutions of odd lengths take far longer.
_STEP_FRAMES = 16


@dataclass(frozen=True, slots=True)
class Masks:
    """SpecAugment of log-mels: shares of the time and of the bands, in stretches of so many frames of 10 ms."""

    time: float = 0.0
    time_length: int = 20
    bands: float = 0.0
    band_length: int = 8


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is done to a clip before a network hears it.

    Parameters
    ----------
    kind : Kind
        Of network: samples, or log-mels.
    normalise : bool
        Whether samples are brought to mean 0 and variance 1.
    stride : int
        Samples of a frame of the emission.
    """

    kind: Kind
    normalise: bool
    stride: int

    def hear(self, samples: Float32) -> Float32:
        """Return samples, float32 [n], or normalised log-mels, float32 [n_frames, N_MELS]."""
        if self.kind is Kind.PHONE_NET:
            log_power = features.log_mel(samples)
            return features.normalise(log_power, out=log_power)
        if not self.normalise:
            return samples
        return np.asarray((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7), np.float32)


@dataclass(frozen=True, slots=True)
class Example:
    """One clip: what the network takes, its labels int64, its seconds, and its place in the training."""

    inputs: Float32
    labels: Int64
    seconds: float
    key: Key


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's clips, or a part of them.

    Parameters
    ----------
    inputs : float32 [batch, n_samples] or [batch, N_MELS, n_feature_frames]
        Zero beyond each length.
    lengths : int64 [batch]
        Samples or feature frames, whole frames of the emission.
    labels : int64 [sum of label_lengths]
        On end.
    label_lengths : int64 [batch]
        Of each.
    seconds : float
        Of audio, without padding.
    number, row : int
        Of the batch, counted from the beginning of the training, and of the first clip in it.
    weight : float
        Of the loss, where a batch is cut into pieces.
    """

    inputs: Tensor
    lengths: Tensor
    labels: Tensor
    label_lengths: Tensor
    seconds: float
    number: int
    row: int
    weight: float

    def pin_memory(self) -> Batch:
        """Return it in memory that a GPU reads without waiting; called by torch's loader."""
        return replace(self, inputs=self.inputs.pin_memory(), labels=self.labels.pin_memory())

    def to(self, device: torch.device) -> Batch:
        """Return it with what the network reads on a device; lengths stay, CTC reads them on the CPU."""
        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
        )


class ClipDataset(Dataset[Example]):
    """Clips by key (batch, row, clip); what is drawn for one depends on the key and the seed alone.

    Parameters
    ----------
    clips : Clips
        All of them.
    hearing : Hearing
        What the network takes.
    seed : int
        Another one augments otherwise.
    augmentation : Recipe, optional
        Changes clips.
    masks : Masks, optional
        Hides parts of log-mels.
    """

    def __init__(
        self,
        clips: Clips,
        hearing: Hearing,
        seed: int = 1,
        augmentation: Recipe | None = None,
        masks: Masks | None = None,
    ) -> None:
        self.clips, self.hearing, self.seed = clips, hearing, seed
        self.augmentation, self.masks = augmentation, masks

    def __getitem__(self, key: Key) -> Example:
        """Return a clip as the network takes it."""
        samples = self.samples(key.clip)
        seconds = len(samples) / SAMPLE_RATE
        labels = self.clips.labels_of(key.clip)
        if self.augmentation is not None:
            rng = np.random.default_rng([self.seed, _AUGMENT, key.number, key.row])
            changed = self.augmentation.apply(samples, SAMPLE_RATE, rng).samples
            if len(changed) // self.hearing.stride - 1 > frames_needed(labels.tolist()):
                samples = changed
        heard = self.hearing.hear(samples)
        if self.masks is not None and self.hearing.kind is Kind.PHONE_NET:
            _hide(heard, self.masks, np.random.default_rng([self.seed, _MASK, key.number, key.row]))
        return Example(heard, labels, seconds, key)

    def __len__(self) -> int:
        """Return how many clips there are."""
        return len(self.clips)

    def samples(self, clip: int) -> Float32:
        """Read a clip, float32 [n_samples].

        Raises
        ------
        AudioError
            If its file is gone, or cannot be read any more.
        """
        path = self.clips.path_of(clip)
        try:
            return read_samples(path, int(self.clips.first[clip]), int(self.clips.n_samples[clip]))
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioError(f"{path} was there when the training was prepared, and cannot be read any more") from error


def _hide(log_mels: Float32, masks: Masks, rng: np.random.Generator) -> None:
    n_moments = round(masks.time * len(log_mels) / masks.time_length + rng.random() - 0.5)
    n_bands = round(masks.bands * features.N_MELS / masks.band_length + rng.random() - 0.5)
    mask(log_mels, (max(0, n_bands), masks.band_length), (max(0, n_moments), masks.time_length), rng)


@dataclass(frozen=True, slots=True)
class Collate:
    """Pads clips to one length; picklable, for workers."""

    hearing: Hearing

    def __call__(self, examples: list[Example]) -> Batch:
        """Return a batch."""
        mels = self.hearing.kind is Kind.PHONE_NET
        frame = self.hearing.stride // features.HOP if mels else 1
        lengths = [len(each.inputs) // frame * frame for each in examples]
        step = _STEP_FRAMES * (frame if mels else self.hearing.stride)
        least = examples[0].key.longest // (features.HOP if mels else 1)
        longest = -(-max(least, *lengths) // step) * step
        shape = (len(examples), features.N_MELS, longest) if mels else (len(examples), longest)
        inputs = np.zeros(shape, np.float32)
        for i, (example, length) in enumerate(zip(examples, lengths, strict=True)):
            inputs[i, ..., :length] = example.inputs[:length].T
        return Batch(
            torch.from_numpy(inputs),
            torch.tensor(lengths),
            torch.from_numpy(np.concatenate([each.labels for each in examples])),
            torch.tensor([len(each.labels) for each in examples]),
            sum(each.seconds for each in examples),
            examples[0].key.number,
            examples[0].key.row,
            examples[0].key.weight,
        )
