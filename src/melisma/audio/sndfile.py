"""Recordings that libsndfile reads: WAV, FLAC, MP3, Ogg Vorbis, Opus, AIFF and a dozen more."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import soundfile

from melisma.audio.container import AudioInfo, Mp3Head, check_header, mp3_head, ogg_is_whole, shown
from melisma.core.records import Float32

BLOCK = 65536  # frames of stereo: large enough that decoding and what follows run side by side
BLOCK_FLAC = 8192  # at a damaged frame, what libsndfile had of the block is lost, and it goes no further
UNRECOGNISED = 1  # SF_ERR_UNRECOGNISED_FORMAT of sndfile.h
UNSUPPORTED = (4, 18)  # SF_ERR_UNSUPPORTED_ENCODING, and SFE_UNIMPLEMENTED of its common.h
MISSING_S = 0.5  # less than this missing at the end is padding that a codec counts or does not
_STREAMED = 0x7FFF_0000  # bytes: sizes from here on are what programs write that do not know the size yet
_SHORT_CHUNK = re.compile(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


class Mp3View(io.RawIOBase):
    """An MP3 that says it is as long as its header promises.

    libsndfile stops where it believes that an MP3 ends. It estimates that from the first frame and the length of the
    file where there is no Xing header, and so drops the rest of a file with a variable bit rate; told an endless
    length, it reads until nothing comes. Where there is a header, agreeing with it keeps libmpg123 from printing a
    warning of its own on truncated files.
    """

    def __init__(self, path: Path, head: Mp3Head) -> None:
        super().__init__()
        self._file = io.BufferedReader(io.FileIO(path), 1 << 16)
        self._length = head.claimed

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, counting from the claimed end where so asked."""
        if whence == os.SEEK_END:
            return self._file.seek(max(0, self._length + offset))
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Position in bytes."""
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read; a frame that breaks off is filled with zeros, as libmpg123 takes half a frame for an error."""
        at = self._file.tell()
        try:
            n = self._file.readinto(buffer)
        except OSError:  # raised inside a C callback it would only be printed; the end comes early and is reported so
            n = 0
        if 0 < n < len(buffer) or (
            n == 0 and self._length - 128 <= at < self._length
        ):  # 128: an ID3v1 tag is looked for there
            memoryview(buffer)[n:] = bytes(len(buffer) - n)
            return len(buffer)
        return n

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


class SndfileSource:
    """Blocks of a recording, float32 [n, n_channels], full scale ±1.

    Attributes
    ----------
    info : AudioInfo
    promised_s : float or None
        The duration that the header states, where it states one; estimates are not counted.
    gave_up : bool
        After the last block: whether the decoder stopped at an error, so that another decoder may get further.

    Raises
    ------
    soundfile.LibsndfileError
        If libsndfile does not know the content.
    DamagedAudio
        If the header claims an absurd sample rate or number of channels.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._mp3 = mp3_head(path)
        self._view = Mp3View(path, self._mp3) if self._mp3 else None
        try:
            # A descriptor, not the name: libsndfile takes "-" for standard input and trusts some extensions.
            self._file = soundfile.SoundFile(self._view or os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))
        except soundfile.SoundFileError:
            self.close()
            raise
        self.gave_up = False
        file = self._file
        try:
            check_header(path, file.samplerate, file.channels)
        except BaseException:
            self.close()
            raise
        self.info = AudioInfo(self._duration_s(), file.samplerate, file.channels, str(file.format).lower())
        self.promised_s = self._promised_s()

    def blocks(self) -> Iterator[Float32]:
        """Yield block after block until the end or until libsndfile gives up."""
        n = BLOCK_FLAC if self.info.container == "flac" else max(256, 2 * BLOCK // self.info.channels)
        while True:
            try:
                block: Float32 = self._file.read(n, dtype="float32", always_2d=True)
            except soundfile.SoundFileError:
                self.gave_up = True
                return
            if not len(block):
                return
            yield block

    def faults(self, duration_s: float) -> tuple[str, ...]:
        """Say what is missing, given how much was decoded: at most one sentence."""
        if self.promised_s is not None and duration_s < self.promised_s - MISSING_S:
            return (f"the recording breaks off after {duration_s:.1f} s, its header promises {self.promised_s:.1f} s",)
        if self.gave_up:
            return (f"the recording is damaged from {duration_s:.1f} s on, the rest was not read",)
        if self._mp3 and self._mp3.promised and self._size > 1.1 * self._mp3.claimed + 4096:
            return (
                f"only {self._mp3.claimed} of {self._size} bytes were read, the rest is not what the header counts",
            )
        if self.info.container == "ogg" and not ogg_is_whole(self._path, self._size):
            return (f"the recording breaks off after {duration_s:.1f} s: the end of the file is missing",)
        return ()

    def close(self) -> None:
        """Close the file."""
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()
        if self._view:
            self._view.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _duration_s(self) -> float:
        """Seconds by libsndfile's count, which for an MP3 without a header grows with the length it is told."""
        seconds = float(self._file.frames / self._file.samplerate)
        return seconds * self._size / self._mp3.claimed if self._mp3 and self._mp3.promised is None else seconds

    def _promised_s(self) -> float | None:
        stated = self.info.duration_s
        if not stated or (self._mp3 and self._mp3.promised is None):
            return None
        # libsndfile corrects the header of a WAV or AIFF that breaks off, and keeps what it said in its log.
        short = _SHORT_CHUNK.search(self._file.extra_info)
        if short and 0 < int(short[2]) < int(short[1]) < _STREAMED:
            return stated * int(short[1]) / int(short[2])
        return stated


def reason(error: soundfile.LibsndfileError, path: Path) -> str:
    """Turn libsndfile's words into a sentence about a file."""
    said = str(error.error_string).strip().rstrip(".") or "the decoder gave up"
    return f"{shown(path)}: {said[0].lower()}{said[1:]}"
