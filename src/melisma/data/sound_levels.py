"""How loud a recording is, fiftieth of a second by fiftieth: what tells silence, clipping and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from melisma.audio.probe import open_source
from melisma.audio.stream import open_stream
from melisma.core.records import Float32

FRAMES_PER_S = 50
_FULL = 0.99  # of full scale: what converters and codecs make of a sample that was cut off
_TOP = 0.97  # of the loudest: where a cut-off wave is flat, if it was made quieter later
_COARSE = 0.02  # quieter waves are flat between two steps of 16 bit
_HEARD_DB = 40.0  # below the loudest frame; what is quieter counts as a pause
_BROKEN_OFF_S = 0.5  # less than this missing at the end is padding that a codec counts or does not


@dataclass(frozen=True, slots=True)
class Levels:
    """A recording, frame by frame of 20 ms.

    Parameters
    ----------
    duration_s : float
        Of all that can be decoded.
    promised_s : float or None
        What the header states.
    peak : float32 [n_frames]
        The loudest sample of any channel, full scale 1.
    power : float32 [n_frames]
        Mean square of all channels.
    at_full, flat : float32 [n_frames]
        Share of samples at full scale; and at the frame's peak and equal to the two before.
    """

    duration_s: float
    promised_s: float | None
    peak: Float32
    power: Float32
    at_full: Float32
    flat: Float32

    @property
    def breaks_off(self) -> bool:
        """Whether there is less than the header states."""
        return self.promised_s is not None and self.duration_s < self.promised_s - _BROKEN_OFF_S


@dataclass(frozen=True, slots=True)
class Facts:
    """A part of a recording: how much there is of it in seconds, how loud (dB of full scale), shares of its samples."""

    seconds: float
    peak_db: float
    rms_db: float
    clipped: float
    heard: float  # share of its frames that are no pause


def measure(path: Path) -> Levels:
    """Decode a recording once, in the memory of a block and 16 bytes a frame.

    Raises
    ------
    AudioError
        As `melisma.audio.stream.open_stream`.
    """
    with open_source(path) as source:
        promised = source.promised_s
    with open_stream(path) as stream:
        frames = _Frames(stream.info.sample_rate // FRAMES_PER_S)
        frames.take(stream.blocks)
        duration = frames.n_samples / stream.info.sample_rate
    table = frames.table()
    return Levels(duration, promised, table[0], table[1], table[2], table[3])


class _Frames:
    """Frames of a stream of blocks."""

    def __init__(self, size: int) -> None:
        self.n_samples = 0
        self._size = size
        self._found: list[NDArray[np.float32]] = []

    def take(self, blocks: Iterable[Float32]) -> None:
        rest: Float32 | None = None
        for block in blocks:
            self.n_samples += len(block)
            rest = block if rest is None or not len(rest) else np.concatenate([rest, block])
            whole = len(rest) // self._size * self._size
            if whole:
                self._found.append(_rows(rest[:whole].reshape(-1, self._size, rest.shape[1])))
                rest = rest[whole:].copy()
        if rest is not None and len(rest):
            self._found.append(_rows(rest[None]))

    def table(self) -> NDArray[np.float32]:
        """All frames, float32 [4, n_frames]."""
        return np.concatenate(self._found, axis=1) if self._found else np.zeros((4, 0), np.float32)


def _rows(frames: Float32) -> NDArray[np.float32]:
    """Peak, power and shares of frames [n_frames, n_samples, n_channels]."""
    loud = np.abs(frames).max(axis=2)
    peak = loud.max(axis=1)
    power = np.square(frames).mean(axis=(1, 2))
    at_full = (loud >= _FULL).mean(axis=1)
    same = (loud[:, 2:] == loud[:, 1:-1]) & (loud[:, 1:-1] == loud[:, :-2])
    flat = (same & (loud[:, 2:] >= _TOP * peak[:, None])).sum(axis=1) / loud.shape[1]
    return np.stack([peak, power, at_full, flat]).astype(np.float32)


def part(levels: Levels, start_s: float, duration_s: float) -> Facts:
    """Sum up a part of a recording; what lies behind its end is not there."""
    n_frames = len(levels.peak)
    first = min(int(start_s * FRAMES_PER_S), n_frames)
    last = min(max(first + 1, round((start_s + duration_s) * FRAMES_PER_S)), n_frames)
    seconds = max(0.0, min(levels.duration_s, start_s + duration_s) - start_s)
    if first >= last or seconds <= 0:
        return Facts(0.0, _db(0.0), _db(0.0), 0.0, 0.0)
    peak, power = levels.peak[first:last], levels.power[first:last]
    top = (peak >= _TOP * peak.max()) & (peak >= _COARSE)
    clipped = max(float(levels.at_full[first:last].mean()), float(levels.flat[first:last][top].sum() / len(peak)))
    heard = float((power >= power.max() * 10 ** (-_HEARD_DB / 10)).mean()) if power.max() > 0 else 0.0
    return Facts(seconds, _db(float(peak.max()) ** 2), _db(float(power.mean())), clipped, heard)


def _db(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-20)))
