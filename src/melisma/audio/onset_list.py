"""Moments at which something begins to sound, of a recording of any length: what an editor snaps to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from melisma.audio.downmix import MeanMix
from melisma.audio.onsets import flux, onsets
from melisma.audio.resample import Resampler
from melisma.audio.stream import open_stream
from melisma.core.records import Float32, Int64, Waveform

VERSION = "1"  # changes where the same recording gets other onsets
_RATE_HZ = 16000
_PART_S = 600  # that onsets are sought in at once: all of most songs, and 40 MB
_AROUND_S = 2  # heard on both sides of a part, so that its borders are none


def onset_times(path: str | Path) -> Int64:
    """Return the onsets of a recording in ms, int64 [n_onsets], going up.

    Beyond ten minutes they are sought part by part, each held against its own loudness.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    found: list[Int64] = []
    with open_stream(path) as stream:
        for first, samples, keep in _parts(_mono(stream.blocks, stream.info.sample_rate)):
            flow = flux(Waveform(samples, _RATE_HZ))
            at = onsets(flow) * flow.timebase.stride
            at = at[(at >= keep[0]) & (at < keep[1])] + first
            found.append((2000 * at + _RATE_HZ) // (2 * _RATE_HZ))
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _mono(blocks: Iterable[Float32], rate: int) -> Iterator[Float32]:
    """Average over channels and resample."""
    mix, resampler = MeanMix(), Resampler(rate, _RATE_HZ, 1)
    for block in blocks:
        yield resampler.push(mix.push(block)[:, None])[:, 0]
    yield resampler.flush()[:, 0]


def _parts(blocks: Iterable[Float32]) -> Iterator[tuple[int, Float32, tuple[int, int]]]:
    """Cut into parts that overlap: the sample that a part begins with, its samples, and which of them are its own."""
    around, whole = _AROUND_S * _RATE_HZ, _PART_S * _RATE_HZ
    waiting: list[Float32] = []
    at = n_waiting = done = 0  # where what is waiting begins, how long it is, and what earlier parts own
    for block in blocks:
        waiting.append(block)
        n_waiting += len(block)
        while at + n_waiting >= done + whole + around:
            samples, end = np.concatenate(waiting), done + whole
            yield at, samples[: end + around - at], (done - at, end - at)
            first = max(at, end - around)
            waiting = [samples[first - at :]]
            at, done, n_waiting = first, end, len(waiting[0])
    rest = np.concatenate(waiting) if waiting else np.zeros(0, np.float32)
    if at + len(rest) > done:
        yield at, rest, (done - at, len(rest))
