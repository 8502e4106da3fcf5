"""Prepared audio: 16-bit files of one channel, written whole or not at all, and known by their SHA-256."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import soundfile

from melisma.core.errors import OutputError
from melisma.core.files import make_folder, sha256_of
from melisma.core.records import Float32
from melisma.data.cuts import SAMPLE_RATE

FORMATS = ("wav", "flac")
_FULL_SCALE = 32768


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: how many samples it holds, and the SHA-256 of its bytes."""

    n_samples: int
    sha256: str


def write(path: Path, blocks: Iterable[Float32], gain: float = 1.0) -> Written:
    """Write samples as 16-bit WAV or FLAC at `SAMPLE_RATE`, by the suffix of the path.

    The same samples give the same bytes. A process that is killed leaves a hidden `.partial` beside the file, which the
    next try writes over.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    make_folder(path.parent)
    partial = path.with_name(f".{path.name}.partial")
    try:
        n_samples = _fill(partial, path.suffix[1:], blocks, gain)
        written = Written(n_samples, sha256_of(partial))
        os.replace(partial, path)
    except (OSError, soundfile.SoundFileError) as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return written


def _fill(path: Path, kind: str, blocks: Iterable[Float32], gain: float) -> int:
    n_samples = 0
    with path.open("wb") as raw:
        sink = _Sink(raw)
        try:
            with soundfile.SoundFile(sink, "w", SAMPLE_RATE, 1, "PCM_16", format=kind.upper()) as file:
                for block in blocks:
                    file.write(as_int16(block, gain))
                    n_samples += len(block)
        except (AssertionError, soundfile.SoundFileError) as error:
            raise sink.failure or error from error
        if sink.failure is not None:
            raise sink.failure
    return n_samples


class _Sink:
    """A file as libsndfile writes to it: what goes wrong is lost on its way through, and is kept here."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            return 0

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(place, whence)
        except OSError as error:  # what is still to be written goes out first
            self.failure = self.failure or error
            return -1

    def tell(self) -> int:
        return self._file.tell()


def as_int16(samples: Float32, gain: float = 1.0) -> npt.NDArray[np.int16]:
    """Round to 16 bit; samples that come from 16 bit are what they were.

    >>> as_int16(np.array([-1, 0.5, 2], np.float32)).tolist()
    [-32768, 16384, 32767]
    """
    scaled = np.rint(samples.astype(np.float64) * (gain * _FULL_SCALE))
    rounded: npt.NDArray[np.int16] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return rounded
