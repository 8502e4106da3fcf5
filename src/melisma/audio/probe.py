"""What a recording is, without decoding it, and who can decode it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import soundfile

from melisma.audio import ffmpeg
from melisma.audio.container import HEAD, AudioInfo, check_file, shown, sniff
from melisma.audio.sndfile import UNRECOGNISED, UNSUPPORTED, SndfileSource, reason
from melisma.core.errors import DamagedAudio, NotAudio
from melisma.core.records import Float32

__all__ = ["AudioInfo", "Source", "open_source", "probe"]


class Source(Protocol):
    """An open recording that gives its blocks once, float32 [n, n_channels]; a context manager."""

    info: AudioInfo
    promised_s: float | None  # the duration that the header states; None where it is unknown or an estimate
    gave_up: bool  # known after the last block

    def blocks(self) -> Iterator[Float32]:
        """Yield block after block."""

    def faults(self, duration_s: float) -> tuple[str, ...]:
        """Say what was wrong, after the last block."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


def probe(path: str | Path) -> AudioInfo:
    """Tell duration, sample rate, channels and container by the content of a file, not by its name.

    Raises
    ------
    AudioError
        If there is no such file or it cannot be read; subclasses say what is wrong with the content: `EmptyAudio`,
        `NotAudio`, `DamagedAudio`, `NeedsFfmpeg`.
    """
    with open_source(Path(path)) as source:
        return source.info


def open_source(path: Path) -> Source:
    """Open a recording with libsndfile, or with ffmpeg where libsndfile cannot; errors as in `probe`."""
    size = check_file(path)
    try:
        return SndfileSource(path, size)
    except soundfile.LibsndfileError as error:
        refusal = error
    with path.open("rb") as file:
        container = sniff(file.read(HEAD))
    executable = ffmpeg.program()
    known = refusal.code != UNRECOGNISED
    if executable is not None:
        return ffmpeg.FfmpegSource(path, executable, container or ("audio" if known else None))
    if container is not None:
        raise ffmpeg.needed(path, container)
    if refusal.code in UNSUPPORTED:
        raise ffmpeg.needed(path, "in an encoding that libsndfile does not know")
    if known:
        raise DamagedAudio(reason(refusal, path)) from refusal
    raise NotAudio(f"{shown(path)} is no recording that libsndfile knows, and there is no ffmpeg to ask")
