"""Parts of one recording, at one rate and in one channel, decoded once however many they are, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from melisma.audio.downmix import MeanMix
from melisma.audio.resample import Resampler, n_resampled
from melisma.audio.stream import open_stream
from melisma.core.records import Float32

SAMPLE_RATE = 16000  # Hz, of all that trainings read
BLOCK = 1 << 16  # samples that are read of a part at once
_IN_MEMORY = 16 << 20  # bytes of a part (262 s) from which on it lies in a file without a name


@dataclass(slots=True)
class Part:
    """Samples of a part of a recording, kept in memory while they are few and on disk when they are many.

    Parameters
    ----------
    first, last : int
        The part is [first, last) of the recording, in samples; it may end earlier, where the recording does.
    folder : Path
        Where a long part is kept; nothing is left there, whatever ends the process.
    """

    first: int
    last: int | None
    folder: Path
    n_samples: int = 0
    _file: BinaryIO | None = field(default=None, repr=False)

    def append(self, samples: Float32) -> None:
        """Add samples at the end, float32 [n]."""
        if self._file is None:
            kept = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self.folder))  # noqa: SIM115 - closed in `close`
            self._file = cast(BinaryIO, kept)
        self._file.write(np.ascontiguousarray(samples).tobytes())
        self.n_samples += len(samples)

    def blocks(self, first: int = 0, last: int | None = None) -> Iterator[Float32]:
        """Yield samples [first, last) of the part, in order, float32 [at most BLOCK]."""
        last = self.n_samples if last is None else min(last, self.n_samples)
        for at in range(max(0, first), last, BLOCK):
            if self._file is not None:
                self._file.seek(4 * at)
                yield np.frombuffer(self._file.read(4 * min(BLOCK, last - at)), np.float32)

    def close(self) -> None:
        """Let go of what was kept."""
        if self._file is not None:
            self._file.close()
            self._file = None


def blocks_of(path: Path, sample_rate: int = SAMPLE_RATE) -> Iterator[Float32]:
    """Yield a recording of any format as one channel at one rate, float32 [n]; channels are averaged.

    There are round(n · sample_rate / rate) samples of a recording of n, as `melisma.audio.decode.decode` has them.

    Raises
    ------
    AudioError
        If it cannot be read; what was yielded before a damaged place is good.
    """
    with open_stream(path) as stream:
        rate, mix = stream.info.sample_rate, MeanMix()
        resampler = Resampler(rate, sample_rate, 1)
        n_in = n_out = 0
        for block in stream.blocks:
            n_in += len(block)
            done = resampler.push(mix.push(block)[:, None])[:, 0]
            n_out += len(done)
            if len(done):
                yield done
        rest = resampler.flush()[:, 0]
        wanted = n_resampled(n_in, rate, sample_rate) - n_out
        rest = np.pad(rest, (0, max(0, wanted - len(rest))))[: max(0, wanted)]  # a resampler may be one off
        if len(rest):
            yield rest


def parts(path: Path, spans: Sequence[tuple[int, int | None]], folder: Path) -> Iterator[tuple[int, Part]]:
    """Decode a recording once and yield each span of it with its index, as soon as it is complete.

    Parameters
    ----------
    path : Path
        The recording.
    spans : sequence of (int, int or None)
        First sample and the one behind the last, at `SAMPLE_RATE`; None for the end. They may overlap.
    folder : Path
        Where long parts are kept meanwhile.

    Yields
    ------
    (int, Part)
        In order of their ends, those that reach to the end of the recording last; a part may be empty. It is closed
        when the next one is asked for. Decoding stops where no part needs more.
    """
    waiting = sorted(range(len(spans)), key=lambda i: spans[i][0], reverse=True)
    open_parts: dict[int, Part] = {}
    at = 0
    try:
        for block in blocks_of(path):
            while waiting and spans[waiting[-1]][0] < at + len(block):
                i = waiting.pop()
                open_parts[i] = Part(*spans[i], folder)
            _give(block, at, open_parts)
            at += len(block)
            done = [i for i, part in open_parts.items() if part.last is not None and part.last <= at]
            for i in sorted(done, key=lambda i: (spans[i][1], i)):
                yield i, open_parts[i]
                open_parts.pop(i).close()
            if not waiting and not open_parts:
                return
        for i in sorted([*open_parts, *waiting]):
            yield i, open_parts.get(i) or Part(*spans[i], folder)
    finally:
        for part in open_parts.values():
            part.close()


def _give(block: Float32, at: int, open_parts: dict[int, Part]) -> None:
    """Hand a block that begins at sample `at` to the parts that it touches."""
    for part in open_parts.values():
        left = max(0, part.first - at)
        right = len(block) if part.last is None else min(len(block), part.last - at)
        if left < right:
            part.append(block[left:right])


def span_of(start_s: float, duration_s: float) -> tuple[int, int]:
    """Return first sample and the one behind the last of a part that is given in seconds."""
    return round(start_s * SAMPLE_RATE), round((start_s + duration_s) * SAMPLE_RATE)
