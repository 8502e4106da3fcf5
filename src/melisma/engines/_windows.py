"""Recordings of any length through a network that hears windows: exact frames, in bounded memory.

A network of convolutions and attention turns samples into frames. How many samples lie between two frames, and how many
one frame is made of, follows from the network's layers; nothing here is rounded to milliseconds. Every frame of a
recording is asked for by the samples that it is made of, so there is no tail to be cut, padded or counted again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from melisma.core.errors import EngineFailed, EngineOutOfMemory, ModelError
from melisma.core.records import Float32
from melisma.engines.device import give_back
from melisma.engines.protocol import Progress

_BLOCK = 1 << 20  # samples that statistics are summed over at a time
_EPSILON = 1e-7  # of the variance, as in transformers' Wav2Vec2FeatureExtractor
# What torch, CUDA's libraries and onnxruntime say when they find no memory.
_NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "failed to allocate memory", "bad_alloc")


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which samples a frame is made of.

    Frame i stands for the samples [i * stride, (i + 1) * stride); the network is given `reach` of them, centred on
    those, that is from `lead` before the first of them on (behind it where `lead` is negative).
    """

    stride: int
    reach: int
    lead: int

    @classmethod
    def of_layers(cls, kernels: Sequence[int], strides: Sequence[int], merged: int = 1) -> Geometry:
        """Return the geometry of convolutions without padding, the first layer first.

        `merged` is how many of their frames an adapter behind them joins in one, as wav2vec2's convolutions with a
        kernel of 3, a stride of 2 and padding do.

        >>> Geometry.of_layers((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))  # wav2vec 2.0: 20 ms at 16 kHz
        Geometry(stride=320, reach=400, lead=40)
        """
        if not kernels or len(kernels) != len(strides) or min(*kernels, *strides, merged) < 1:
            raise ModelError(f"convolutions with kernels {list(kernels)} and strides {list(strides)} give no frames")
        stride, reach = 1, 1
        for kernel, step in zip(kernels, strides, strict=True):
            reach += (kernel - 1) * stride
            stride *= step
        whole = stride * merged
        return cls(whole, reach, (reach - whole) // 2)

    def n_frames(self, n_samples: int) -> int:
        """Return how many frames cover a recording: one is begun every stride."""
        return -(-n_samples // self.stride)

    def samples_of(self, first: int, stop: int) -> tuple[int, int]:
        """Return the samples [begin, end) that frames [first, stop) are made of; some may lie outside the recording."""
        begin = first * self.stride - self.lead
        return begin, begin + (stop - first - 1) * self.stride + self.reach


class Network(Protocol):
    """Windows of samples in, log-probabilities out."""

    @property
    def geometry(self) -> Geometry:
        """Which samples its frames are made of."""
        ...

    @property
    def least_frames(self) -> int:
        """The fewest frames that it can be asked for."""
        ...

    def __call__(self, windows: Float32) -> Float32:
        """Turn float32 [n, n_samples] into natural-log probabilities, float32 [n, n_frames, n_labels]."""
        ...


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """How a recording is cut, and how much of it is heard at a time."""

    core_s: float = 30.0  # of each window counts: about as long as what such networks are trained on
    context_s: float = 2.0  # more on either side; wav2vec 2.0 places frames by what is within 1.3 s of them
    batch: int = 1  # windows at a time


@dataclass(frozen=True, slots=True)
class Window:
    """Frames [first, stop) are heard, of which [begin, end) count."""

    first: int
    stop: int
    begin: int
    end: int


def cut(n_frames: int, core: int, context: int, least: int = 1) -> list[Window]:
    """Cut a recording into windows of one length, so that a batch of them needs neither padding nor a mask.

    A recording no longer than a window is one window of its own length. At either end the window is moved inwards
    instead of being filled with silence.

    >>> cut(10, 4, 1)
    [Window(first=0, stop=6, begin=0, end=4), Window(first=3, stop=9, begin=4, end=8), \
Window(first=4, stop=10, begin=8, end=10)]
    """
    length = core + 2 * context
    if n_frames <= length:
        return [Window(0, max(n_frames, least), 0, n_frames)] if n_frames else []
    windows = []
    for begin in range(0, n_frames, core):
        first = min(max(0, begin - context), n_frames - length)
        windows.append(Window(first, first + length, begin, min(begin + core, n_frames)))
    return windows


class Listener:
    """A network with the number of windows that fit in memory, which it finds out by itself.

    Parameters
    ----------
    network : Network
        What listens.
    n_labels : int
        How wide its answers must be.
    normalise : bool
        Whether it was trained on recordings of mean 0 and variance 1.
    sample_rate : int
        Hz.
    """

    def __init__(
        self, network: Network, n_labels: int, normalise: bool, sample_rate: int, config: WindowConfig | None = None
    ) -> None:
        config = config or WindowConfig()
        self.network = network
        self.batch = max(1, config.batch)
        self._n_labels = n_labels
        self._normalise = normalise
        stride = network.geometry.stride
        self._core = max(1, round(config.core_s * sample_rate / stride))
        self._context = max(0, round(config.context_s * sample_rate / stride))

    def hear(self, samples: Float32, progress: Progress | None = None) -> Float32:
        """Return natural-log probabilities of a recording.

        Parameters
        ----------
        samples : float32 [n_samples]
            At the network's rate.
        progress : callable, optional
            Called with the share that is done; at last with 1.

        Returns
        -------
        float32 [n_frames, n_labels]
            `geometry.n_frames(n_samples)` of them.

        Raises
        ------
        EngineOutOfMemory
            If a single window does not fit.
        EngineFailed
            If the network returns what are no numbers.
        ModelError
            If it returns another number of frames or labels than its layers promise.
        """
        geometry = self.network.geometry
        total = geometry.n_frames(len(samples))
        windows = cut(total, self._core, self._context, self.network.least_frames)
        scale = _statistics(samples) if self._normalise else (0.0, 1.0)
        out = np.empty((total, self._n_labels), np.float32)
        done = 0
        while done < len(windows):
            some = windows[done : done + self.batch]
            heard = self._run(np.stack([_samples(samples, geometry, window, scale) for window in some]))
            if heard is None:
                continue
            for window, log_probs in zip(some, heard, strict=True):
                self._check(log_probs, window)
                out[window.begin : window.end] = log_probs[window.begin - window.first : window.end - window.first]
            done += len(some)
            if progress and done < len(windows):
                progress(done / len(windows))
        if progress:
            progress(1.0)
        return out

    def _run(self, windows: Float32) -> Float32 | None:
        """Run the network; None, and half as many windows from now on, if it found too little memory."""
        try:
            return self.network(windows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise EngineFailed(f"the network broke off: {first_line(error)}") from error
            reason = first_line(error)
        give_back()  # outside the handler: the traceback holds on to what the network had allocated
        if len(windows) == 1:
            raise EngineOutOfMemory(f"there is too little memory for one window: {reason}")
        self.batch = max(1, len(windows) // 2)
        return None

    def _check(self, log_probs: Float32, window: Window) -> None:
        wanted = (window.stop - window.first, self._n_labels)
        if log_probs.shape != wanted:
            raise ModelError(
                f"the network gave {log_probs.shape[0]} frames of {log_probs.shape[1]} labels, "
                f"its layers and its vocabulary promise {wanted[0]} of {wanted[1]}"
            )
        if not np.isfinite(log_probs).all():
            raise EngineFailed("the network returned values that are no numbers")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a library found too little memory."""
    said = str(error).lower()
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, without torch
    return named or any(words in said for words in _NO_MEMORY)


def first_line(error: BaseException) -> str:
    """Return the first line of what a library says, which may go on for pages."""
    said = str(error).strip() or type(error).__name__
    return said.splitlines()[0][:200]


def _samples(samples: Float32, geometry: Geometry, window: Window, scale: tuple[float, float]) -> Float32:
    """Return the samples of a window, normalised, with zeros where the recording has none."""
    begin, end = geometry.samples_of(window.first, window.stop)
    low, high = max(0, begin), min(max(0, end), len(samples))
    out = np.zeros(end - begin, np.float32)
    mean, factor = scale
    out[low - begin : max(low, high) - begin] = (samples[low:high] - np.float32(mean)) * np.float32(factor)
    return out


def _statistics(samples: Float32) -> tuple[float, float]:
    """Return the mean of a recording and what brings its variance to 1, without a second copy of it in memory."""
    if not len(samples):
        return 0.0, 1.0
    mean = float(np.mean(samples, dtype=np.float64))
    blocks = (samples[at : at + _BLOCK].astype(np.float64) - mean for at in range(0, len(samples), _BLOCK))
    variance = sum(float(np.dot(block, block)) for block in blocks) / len(samples)
    return mean, 1 / float(np.sqrt(variance + _EPSILON))
