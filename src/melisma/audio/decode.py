"""A file → mono float32 at one sample rate, in a stream: blocks → channels → resampling → one channel → one buffer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from melisma.audio import ffmpeg
from melisma.audio.container import AudioInfo, shown
from melisma.audio.downmix import CentreMix, MeanMix, Pair
from melisma.audio.probe import Source, open_source
from melisma.audio.resample import Resampler, n_resampled
from melisma.core.errors import AudioError, AudioTooLong, DamagedAudio, EmptyAudio, UnknownName
from melisma.core.records import Float32, Waveform

MAX_DURATION_S = 6 * 3600.0  # the longest stage works and field recordings; 1.4 GB at 16 kHz
MAX_BAD = 0.01  # share of values that are no numbers beyond which nothing useful is left
LOUDEST = 2.0**32  # full scale of 32-bit integers in a float file; beyond, a value is no more a sample than NaN is
SOUND_VERSION = "1"  # changes where the same bytes are decoded to other samples
SILENCE = 1e-4  # -80 dB of full scale: a few steps of 16-bit dither

DownmixName = Literal["centre", "mean"]
Progress = Callable[[float], None]


class Stage(Protocol):
    """Stereo → one channel at `sample_rate`, block by block; as many samples come out as went in."""

    sample_rate: int

    def push(self, block: Float32) -> Float32:
        """Take stereo, float32 [n, 2]; return the mono samples that are complete, float32 [m]."""

    def flush(self) -> Float32:
        """Return the rest."""


Downmix = DownmixName | Callable[[], Stage]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recording ready to be used, what its header said, and a sentence for each thing that was wrong with it."""

    waveform: Waveform
    info: AudioInfo
    warnings: tuple[str, ...] = ()
    sound: str = ""  # SHA-256 of rate, channels and every sample of the file, before anything is turned


@dataclass(frozen=True, slots=True)
class _Job:
    """What the caller asked for."""

    path: Path
    sample_rate: int
    max_duration_s: float
    downmix: Downmix
    progress: Progress | None


def decode(
    path: str | Path,
    *,
    sample_rate: int = 16000,
    max_duration_s: float = MAX_DURATION_S,
    downmix: Downmix = "centre",
    progress: Progress | None = None,
) -> Decoded:
    """Decode a recording of any format, resample it and mix it down.

    Parameters
    ----------
    path : str or Path
        Any file that libsndfile reads, or else ffmpeg.
    sample_rate : int
        Hz of the result.
    max_duration_s : float
        Refuse what is longer, in seconds.
    downmix : {"centre", "mean"} or callable
        For stereo, keep the centre of the image (see `melisma.audio.downmix`) or average; other channels are averaged.
        A callable makes a stage of its own, which is given stereo at its own rate whatever the recording holds; it is
        called again where the recording has to be read by a second decoder.
    progress : callable, optional
        Called with the share done, in [0, 1], never going back, in the caller's thread.

    Returns
    -------
    Decoded
        The waveform has round(n · sample_rate / rate) samples, at least one; values that were no numbers are zero.

    Raises
    ------
    AudioError
        If there is no such file or it cannot be read.
    EmptyAudio, NotAudio, NeedsFfmpeg
        If the file holds no sample, is no recording, or needs an ffmpeg that is not there.
    DamagedAudio
        If nothing can be decoded, or more than 1 % of the values are no numbers.
    AudioTooLong
        If it is longer than `max_duration_s`, by its header or in fact.
    """
    if isinstance(downmix, str) and downmix not in ("centre", "mean"):
        raise UnknownName("downmix", downmix, ("centre", "mean"))
    job = _Job(Path(path), sample_rate, max_duration_s, downmix, progress)
    with open_source(job.path) as source:
        result = _run(source, job)
    executable = ffmpeg.program()
    if source.gave_up and not isinstance(source, ffmpeg.FfmpegSource) and executable:
        # libsndfile stops at the first damaged FLAC or Vorbis packet; ffmpeg steps over it and keeps the time.
        result = _longer(result, _run_again(job, executable, source.info.container, keep=result is not None))
    if result is None:
        if source.gave_up or source.promised_s:
            raise DamagedAudio(f"{shown(job.path)}: not one sample of it can be decoded")
        raise EmptyAudio(f"{shown(job.path)} holds no sample")
    return result


def _run_again(job: _Job, executable: str, container: str | None, *, keep: bool) -> Decoded | None:
    """Decode through ffmpeg; where there is something to `keep`, what ffmpeg refuses is no error."""
    try:
        with ffmpeg.FfmpegSource(job.path, executable, container) as again:
            return _run(again, replace(job, progress=None))  # all of it is reported done, and it never goes back
    except AudioError:
        if not keep:
            raise
        return None


def _longer(first: Decoded | None, second: Decoded | None) -> Decoded | None:
    """Return the try that got further; the second has stepped over the place where the first one stopped."""
    if second is None or (first and first.waveform.duration_s >= second.waveform.duration_s):
        return first
    return replace(second, warnings=second.warnings or ("a damaged place was stepped over",))


def load(
    path: str | Path,
    *,
    sample_rate: int = 16000,
    max_duration_s: float = MAX_DURATION_S,
    downmix: DownmixName = "centre",
    progress: Progress | None = None,
) -> Waveform:
    """Return only the waveform of `decode`, whose parameters and errors these are."""
    decoded = decode(path, sample_rate=sample_rate, max_duration_s=max_duration_s, downmix=downmix, progress=progress)
    return decoded.waveform


def is_silent(waveform: Waveform) -> bool:
    """Tell whether no sample is louder than -80 dB of full scale."""
    samples = waveform.samples
    return not len(samples) or max(float(samples.max()), -float(samples.min())) < SILENCE


def _run(source: Source, job: _Job) -> Decoded | None:
    """Decode an open source to its end; None where it holds nothing."""
    info = source.info
    _check_length(source.promised_s or 0.0, job)
    walk = _Walk(info, job)
    sound = hashlib.sha256(f"{info.sample_rate} {info.channels} ".encode())
    n_frames = n_bad = 0
    blocks = source.blocks()
    # One block is decoded while the one before it is worked on: both sides leave the interpreter lock alone.
    with ThreadPoolExecutor(1, "melisma-decode") as pool:
        pending = pool.submit(next, blocks, None)
        while (block := pending.result()) is not None:
            pending = pool.submit(next, blocks, None)
            n_frames += len(block)
            _check_length(n_frames / info.sample_rate, job)
            n_bad += _clean(block)
            sound.update(np.ascontiguousarray(block).data)
            walk.push(block)
            if job.progress and info.duration_s:
                job.progress(min(1.0, n_frames / info.sample_rate / info.duration_s))
    if not n_frames:
        return None
    warnings = source.faults(n_frames / info.sample_rate)
    if n_bad:
        warnings += (_bad_values(n_bad, n_frames * info.channels, job.path),)
    samples = walk.finish(n_resampled(n_frames, info.sample_rate, job.sample_rate))
    if job.progress:
        job.progress(1.0)
    return Decoded(Waveform(samples, job.sample_rate), info, warnings, sound.hexdigest())


class _Walk:
    """The stages behind the decoder, and the buffer at their end."""

    def __init__(self, info: AudioInfo, job: _Job) -> None:
        self._before: MeanMix | Pair | None
        self._after: Stage | CentreMix | MeanMix
        rate, n_channels = job.sample_rate, 2
        if not isinstance(job.downmix, str):
            self._before, self._after = Pair(), job.downmix()
            rate = self._after.sample_rate
        elif job.downmix == "centre" and info.channels == 2:
            self._before, self._after = None, CentreMix(rate)  # it is cheaper at the low rate
        else:
            # A mean comes first, so that one channel is resampled and not eight.
            self._before, self._after, n_channels = MeanMix(), MeanMix(), 1
        self._resampler = Resampler(info.sample_rate, rate, n_channels)
        self._last = Resampler(rate, job.sample_rate, 1)
        expected = min(info.duration_s or 60.0, job.max_duration_s)
        self._buffer = np.empty(
            int(expected * job.sample_rate) + job.sample_rate, np.float32
        )  # untouched pages are free
        self._n = 0

    def push(self, block: Float32) -> None:
        """Take a block float32 [n, n_channels]."""
        if self._before is not None:
            block = self._before.push(block)
        self._take(self._after.push(self._resampler.push(block if block.ndim == 2 else block[:, None])))

    def finish(self, n_samples: int) -> Float32:
        """Flush every stage and return exactly so many samples; a resampler may be one off."""
        self._take(self._after.push(self._resampler.flush()))
        self._take(self._after.flush())
        self._keep(self._last.flush()[:, 0])
        if self._n < n_samples:
            self._keep(np.zeros(n_samples - self._n, np.float32))
        self._buffer.resize(n_samples, refcheck=False)
        return self._buffer

    def _take(self, samples: Float32) -> None:
        self._keep(self._last.push(samples[:, None])[:, 0])

    def _keep(self, samples: Float32) -> None:
        n = self._n + len(samples)
        if n > len(self._buffer):
            # In place, so that an hour is never in memory twice; no view of the buffer is out yet.
            self._buffer.resize(n + n // 2, refcheck=False)
        self._buffer[self._n : n] = samples
        self._n = n


def _check_length(duration_s: float, job: _Job) -> None:
    if duration_s > job.max_duration_s:
        limit = f"{job.max_duration_s / 3600:.2g} h" if job.max_duration_s >= 3600 else f"{job.max_duration_s:g} s"
        raise AudioTooLong(f"{shown(job.path)} is longer than the limit of {limit}: cut it into pieces")


def _clean(block: Float32) -> int:
    """Set what is no sample value to zero, in place; return how many values that were."""
    loudest = max(float(block.max()), -float(block.min()))
    if loudest <= LOUDEST:  # false for NaN as well
        return 0
    bad = ~(np.abs(block) <= LOUDEST)
    block[bad] = 0
    return int(np.count_nonzero(bad))


def _bad_values(n_bad: int, n_values: int, path: Path) -> str:
    """Say that values were replaced, or refuse where they are too many."""
    if n_bad > MAX_BAD * n_values:
        raise DamagedAudio(f"{shown(path)}: {n_bad} of {n_values} sample values are no numbers or absurdly large")
    return f"{n_bad} of {n_values} sample values were no numbers or absurdly large and are silent now"
