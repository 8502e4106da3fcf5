"""A recording as blocks, from whichever decoder gets to its end, in the memory of one block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.audio import ffmpeg
from melisma.audio.container import AudioInfo, shown
from melisma.audio.probe import Source, open_source
from melisma.core.errors import AudioError, AudioTooLong
from melisma.core.records import Float32

LOUDEST = 2.0**32  # as in `melisma.audio.decode`: beyond, a value is no more a sample than NaN is


@dataclass(frozen=True, slots=True)
class Stream:
    """An open recording: what its header says, and its blocks, float32 [n, n_channels], to be taken once."""

    info: AudioInfo
    blocks: Iterator[Float32]


@contextmanager
def open_stream(path: str | Path, *, max_duration_s: float | None = None) -> Iterator[Stream]:
    """Open a recording of any format that `melisma.audio.decode.decode` takes; samples stand at the same times.

    Where libsndfile stops at a damaged packet, ffmpeg goes on behind it. Values that are no numbers are zero.

    Raises
    ------
    AudioError
        If there is no such file or it cannot be read; subclasses as in `decode`.
    AudioTooLong
        While blocks are taken, once there are more than `max_duration_s` seconds of them.
    """
    path = Path(path)
    with open_source(path) as source:
        yield Stream(source.info, _bounded(_all_blocks(path, source), path, source.info, max_duration_s))


def _all_blocks(path: Path, source: Source) -> Iterator[Float32]:
    n_done = 0
    for block in source.blocks():
        n_done += len(block)
        yield block
    executable = ffmpeg.program()
    if source.gave_up and executable is not None and not isinstance(source, ffmpeg.FfmpegSource):
        yield from _rest(path, executable, source.info, n_done)


def _rest(path: Path, executable: str, info: AudioInfo, n_done: int) -> Iterator[Float32]:
    """Yield what ffmpeg finds behind the samples that are there already."""
    try:
        again = ffmpeg.FfmpegSource(path, executable, info.container)
    except AudioError:
        return  # what the first decoder got is all there is
    with again:
        if (again.info.sample_rate, again.info.channels) != (info.sample_rate, info.channels):
            return
        for block in again.blocks():
            fresh = block[n_done:]
            n_done = max(0, n_done - len(block))
            if len(fresh):
                yield fresh


def _bounded(blocks: Iterator[Float32], path: Path, info: AudioInfo, max_duration_s: float | None) -> Iterator[Float32]:
    n_frames = 0
    for block in blocks:
        if not len(block):
            continue
        n_frames += len(block)
        if max_duration_s is not None and n_frames > max_duration_s * info.sample_rate:
            raise AudioTooLong(f"{shown(path)} is longer than the limit of {max_duration_s:g} s")
        yield _clean(block)


def _clean(block: Float32) -> Float32:
    loudest = max(float(block.max()), -float(block.min()))
    if loudest <= LOUDEST:  # false for NaN as well
        return block
    return np.where(np.abs(block) <= LOUDEST, block, np.float32(0))
