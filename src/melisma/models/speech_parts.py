"""Recordings of any length for networks that hear parts: how they are normalised, cut, batched and put together again.

For networks of convolutions without padding that make a frame every 320 samples out of 400, as wav2vec 2.0 and its kin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from melisma.core.records import Float32

SAMPLE_RATE, STRIDE, REACH = 16000, 320, 400  # Hz, and samples
_CONTEXT = 100  # frames on either side of what a part is for: 2 s, which its first and last frames hear
_EPSILON = 1e-7  # of the variance, as in transformers' Wav2Vec2FeatureExtractor


def n_frames(n_samples: int) -> int:
    """Return how many frames so many samples make."""
    return max(0, (n_samples - REACH) // STRIDE + 1)


def normalised(samples: Float32) -> Float32:
    """Return samples with mean 0 and variance 1, as transformers' feature extractors make them."""
    return np.asarray((samples - samples.mean()) / np.sqrt(samples.var() + _EPSILON), np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording that is heard at once.

    Parameters
    ----------
    recording : int
        Its number.
    first, last : int
        Samples [first, last) that are heard.
    begin, end : int
        Frames [begin, end) of the recording that are kept of it; `first` is the first sample of frame
        `begin - lead`.
    lead : int
        Frames that are heard before them.
    """

    recording: int
    first: int
    last: int
    begin: int
    end: int
    lead: int

    @property
    def n_samples(self) -> int:
        """How many samples are heard."""
        return self.last - self.first


def parts_of(recording: int, n_samples: int, longest_s: float) -> list[Part]:
    """Cut a recording of which no more than `longest_s` may be heard at once; its length alone decides where."""
    total, most = n_frames(n_samples), max(1, n_frames(int(longest_s * SAMPLE_RATE)))
    if total <= most:
        return [Part(recording, 0, n_samples, 0, total, 0)] if total else []
    beside = min(_CONTEXT, most // 4)
    core = most - 2 * beside
    found = []
    for begin in range(0, total, core):
        end = min(begin + core, total)
        low, high = max(0, begin - beside), min(total, end + beside)
        last = n_samples if high == total else (high - 1) * STRIDE + REACH
        found.append(Part(recording, low * STRIDE, last, begin, end, begin - low))
    return found


def batched(parts: Sequence[Part], batch_s: float, *, padded: bool) -> list[list[Part]]:
    """Gather parts into batches that take no more than `batch_s` of audio, padding counted; the longest first.

    Parameters
    ----------
    parts : sequence of Part
        In any order.
    batch_s : float
        0 makes each a batch of its own.
    padded : bool
        Whether parts of different lengths may be in one batch.
    """
    most = batch_s * SAMPLE_RATE
    found: list[list[Part]] = []
    for part in sorted(parts, key=lambda each: -each.n_samples):
        batch = found[-1] if found else []
        fits = bool(batch) and batch[0].n_samples * (len(batch) + 1) <= most
        if fits and (padded or batch[0].n_samples == part.n_samples):
            batch.append(part)
        else:
            found.append([part])
    return found


@dataclass(frozen=True, slots=True)
class Hearing:
    """How recordings are taken to a network.

    Parameters
    ----------
    normalise : bool
        To mean 0 and variance 1, over the whole recording.
    longest_s, batch_s : float
        Of a part, and of a batch, in seconds.
    padded : bool
        Whether the network tells padding from sound.
    """

    normalise: bool
    longest_s: float
    batch_s: float
    padded: bool


def heard(
    waveforms: Sequence[Float32], run: Callable[[list[Float32]], list[Float32]], n_dims: int, how: Hearing
) -> list[Float32]:
    """Take recordings through a network, float32 [n_frames, n_dims] each.

    Parameters
    ----------
    waveforms : sequence of float32 [n_samples]
        Mono at 16 kHz.
    run : callable
        Samples of the parts of a batch to their frames, float32 [n_frames(n_samples), n_dims] each.
    n_dims : int
        Of a frame.
    how : Hearing
        What is done to them.
    """
    made = [np.empty((n_frames(len(samples)), n_dims), np.float32) for samples in waveforms]
    parts = [p for i, samples in enumerate(waveforms) for p in parts_of(i, len(samples), how.longest_s)]
    ready: dict[int, Float32] = {}
    left = Counter(part.recording for part in parts)
    for batch in batched(parts, how.batch_s, padded=how.padded):
        for part in batch:
            if part.recording not in ready:
                samples = np.asarray(waveforms[part.recording], np.float32)
                ready[part.recording] = normalised(samples) if how.normalise else samples
        got = run([ready[part.recording][part.first : part.last] for part in batch])
        for part, frames in zip(batch, got, strict=True):
            made[part.recording][part.begin : part.end] = frames[part.lead : part.lead + part.end - part.begin]
            left[part.recording] -= 1
            if not left[part.recording]:
                ready.pop(part.recording)
    return made
