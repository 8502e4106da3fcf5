"""A song as two recordings: its voice, and everything else.

Both are as long as the recording, begin with it, and are rounded so that they add up to it, sample by sample: a player
may mix them anew. The second is the first taken away from the mix, which leaves what the first one missed in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import soundfile

from melisma.audio.container import shown
from melisma.audio.downmix import Pair
from melisma.audio.resample import Resampler, n_resampled
from melisma.audio.separation import choose
from melisma.audio.separation.protocol import SeparatorFacts
from melisma.audio.separation.stage import Segments, to_16_bits
from melisma.audio.stream import open_stream
from melisma.core import plugins
from melisma.core.errors import EmptyAudio, LicenceError, MissingDependency, OutputError
from melisma.core.records import Float32

Progress = Callable[[float], None]
MEDIA_TYPE, SUFFIX = "audio/flac", ".flac"
_NONE = (
    "no separator that makes two recordings of a song can run here: pip install 'melisma[separate]' and fetch the "
    "weights of Demucs (docs/separate.md)"
)


@dataclass(frozen=True, slots=True)
class Stems:
    """Two FLAC files of 16 bits in stereo, at one rate in Hz, of as many samples each."""

    vocals: Path
    instrumental: Path
    sample_rate: int
    n_samples: int


@runtime_checkable
class StemMaker(Protocol):
    """A separator that makes stems too; of those that ship with Melisma, `demucs`."""

    @property
    def facts(self) -> SeparatorFacts:
        """What it says of itself."""
        ...

    def missing(self) -> str | None:
        """Say in one sentence what it lacks to run here; None if nothing."""
        ...

    def stems(self, path: Path, folder: Path, progress: Progress | None = None) -> Stems:
        """Write `vocals.flac` and `instrumental.flac` into a folder; errors as in `Separator.separate`."""
        ...


def maker(*, commercial: bool = False) -> StemMaker:
    """Return a separator that can make stems here. The centre cannot: what it leaves is one channel, and rough.

    Parameters
    ----------
    commercial : bool
        Whether its licence has to allow commercial use.

    Raises
    ------
    MissingDependency
        If there is none; the sentence says what is missing.
    LicenceError
        If there is one, and its licence forbids what the result is for.
    """
    lacking, forbidden = "", ""
    for name in sorted(plugins.names(plugins.SEPARATORS), key=lambda name: (name != choose.MODEL, name)):
        found = choose.separator(name)
        if not isinstance(found, StemMaker):
            continue
        if missing := found.missing():
            lacking = lacking or missing
        elif commercial and not found.facts.commercial:
            forbidden = (
                f"stems by {name} are refused in commercial mode: its licence ({found.facts.licence}) forbids it"
            )
        else:
            return found
    if forbidden:
        raise LicenceError(forbidden)
    raise MissingDependency(f"{_NONE}; {lacking}" if lacking else _NONE)


def write_stems(path: Path, folder: Path, network: Any, device: str, progress: Progress | None = None) -> Stems:
    """Separate a recording in a stream, in memory that does not grow with its length.

    Parameters
    ----------
    path : Path
        Any recording.
    folder : Path
        That gets `vocals.flac` and `instrumental.flac`.
    network : demucs.apply.BagOfModels
        On its device.
    device : str
        That device.
    progress : callable, optional
        Called with the share done, in [0, 1].

    Raises
    ------
    AudioError
        If the recording cannot be used.
    OutputError
        If nothing can be written.
    ModelError, EngineOutOfMemory
        As `Segments` does.
    """
    segments = Segments(network, device, 2)
    rate = segments.sample_rate
    vocals, instrumental = folder / f"vocals{SUFFIX}", folder / f"instrumental{SUFFIX}"
    try:
        with (
            soundfile.SoundFile(vocals, "w", rate, 2, "PCM_16", format="FLAC") as voice_file,
            soundfile.SoundFile(instrumental, "w", rate, 2, "PCM_16", format="FLAC") as rest_file,
        ):
            n_samples = _separate(path, segments, _Pair(voice_file, rest_file), progress)
    except (soundfile.SoundFileError, OSError) as error:
        raise OutputError(f"the stems cannot be written: {error}") from error
    return Stems(vocals, instrumental, rate, n_samples)


def _separate(path: Path, segments: Segments, out: _Pair, progress: Progress | None) -> int:
    pair, n = Pair(), 0
    with open_stream(path) as stream:
        rate, expected = stream.info.sample_rate, stream.info.duration_s
        resampler = Resampler(rate, segments.sample_rate, 2)
        for block in stream.blocks:
            n += len(block)
            mix = resampler.push(pair.push(block))
            out.take(mix, segments.push(mix))
            if progress and expected:
                progress(min(1.0, n / rate / expected))
    if not n:
        raise EmptyAudio(f"{shown(path)} holds no sample")
    n_wanted = n_resampled(n, rate, segments.sample_rate)
    rest = resampler.flush()
    rest = np.pad(rest, ((0, max(0, n_wanted - out.n_taken - len(rest))), (0, 0)))  # a resampler may be one off
    rest = rest[: max(0, n_wanted - out.n_taken)]
    voice = segments.push(rest)
    out.take(rest, np.concatenate([voice, segments.flush()]))
    return out.n_taken


class _Pair:
    """Two files that add up to what was taken; the mix waits until the voice in it is known."""

    def __init__(self, voice: soundfile.SoundFile, rest: soundfile.SoundFile) -> None:
        self.n_taken = 0
        self._voice, self._rest = voice, rest
        self._waiting = np.zeros((0, 2), np.float32)

    def take(self, mix: Float32, voice: Float32) -> None:
        """Take the next of the mix, and what is known of the voice by now, float32 [n, 2] and [m, 2]."""
        self.n_taken += len(mix)
        self._waiting = np.concatenate([self._waiting, mix])
        whole = to_16_bits(self._waiting[: len(voice)]).astype(np.int32)
        self._waiting = self._waiting[len(voice) :]
        # Where the voice alone would be louder than full scale, the rest takes what is cut from it.
        sung = np.clip(to_16_bits(voice).astype(np.int32), whole - 32767, whole + 32768)
        self._voice.write(sung.astype(np.int16))
        self._rest.write((whole - sung).astype(np.int16))
