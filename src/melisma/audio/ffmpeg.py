"""Everything that libsndfile cannot read (M4A, AAC, WebM, video) through an `ffmpeg` on the path."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from melisma.audio.container import AudioInfo, check_header, shown
from melisma.core.errors import DamagedAudio, NeedsFfmpeg, NotAudio
from melisma.core.records import Float32

BLOCK_BYTES = 1 << 18
STALL_S = 60.0  # without a byte for so long, ffmpeg is taken to hang on a damaged file
LOG_BYTES = 1 << 16  # what is read of ffmpeg's messages: the beginning and as much of the end
SHORT_S = 0.5  # a container's duration is that of its longest track, and rounded
INSTALL = "install ffmpeg (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)"

# Containers of recordings and nothing else: no playlist, no concat script, no SDP, no image, so that a file can never
# make ffmpeg open another file or an address.
DEMUXERS = (
    "aac,ac3,eac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,flac,flv,iff,matroska,webm,mov,mp4,mp3,mpc,mpc8,"
    "mpeg,mpegts,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
_DURATION = re.compile(rb"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_START = re.compile(rb"Duration: [^\n]*, start: (-0\.[01]\d*)")
_INPUT = re.compile(rb"Input #0, ([^,]+)")
_ERROR = re.compile(rb"^(?:\[[^\]\n]* @ [^\]\n]*\] )?\[(?:error|fatal)\] *(.+)$", re.MULTILINE)


def program() -> str | None:
    """Return the path of ffmpeg, or None where there is none."""
    return shutil.which("ffmpeg")


def needed(path: Path, container: str) -> NeedsFfmpeg:
    """Make the error that says how to get ffmpeg."""
    return NeedsFfmpeg(f"{shown(path)} is {container} and needs ffmpeg: {INSTALL}, or convert it to MP3, FLAC or WAV")


class FfmpegSource:
    """Blocks of the first audio track, float32 [n, n_channels]; the process is gone when this is closed.

    Samples stand where their time stamps say, counted from the beginning of the file as a player shows it: gaps and a
    late start are filled with silence. Same attributes and methods as `SndfileSource`.

    Raises
    ------
    NotAudio
        If ffmpeg finds no audio track.
    DamagedAudio
        If it knows the container and can decode nothing of it.
    """

    def __init__(self, path: Path, executable: str, container: str | None) -> None:
        self._path = path
        self.gave_up = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        try:
            self._process = subprocess.Popen(
                _command(path, executable), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log
            )
        except OSError as error:
            self._log.close()
            raise NeedsFfmpeg(f"{executable} does not start ({error.strerror or error}): {INSTALL}") from error
        try:
            self.info = self._header(container)
            self.promised_s = self.info.duration_s
            check_header(path, self.info.sample_rate, self.info.channels)
        except BaseException:
            self.close()
            raise

    def blocks(self) -> Iterator[Float32]:
        """Yield block after block until ffmpeg ends."""
        frame = 4 * self.info.channels
        size = max(1, BLOCK_BYTES // frame) * frame
        self._read(self._n_before_zero() * frame)
        while data := self._read(size):
            whole = len(data) - len(data) % frame
            yield np.frombuffer(data[:whole], ">f4").astype(np.float32).reshape(-1, self.info.channels)
        self.gave_up = self._wait() != 0

    def faults(self, duration_s: float) -> tuple[str, ...]:
        """Say what is missing, given how much was decoded: at most one sentence."""
        errors = _ERROR.findall(self._messages())
        promised = self.promised_s
        if not errors and not self.gave_up:
            return ()
        if promised is not None and duration_s < promised - SHORT_S:
            return (f"the recording breaks off after {duration_s:.1f} s, its header promises {promised:.1f} s",)
        return (f"parts of the recording are damaged (ffmpeg: {_sentence(errors)})",)

    def close(self) -> None:
        """Kill ffmpeg if it still runs, reap it, and let go of its pipe and its messages."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _header(self, container: str | None) -> AudioInfo:
        """Read the header of the AU stream: six big-endian numbers, then a comment."""
        head = self._read(24)
        if len(head) < 24:
            self._wait()
            messages = self._messages()
            if b"matches no streams" in messages:
                raise NotAudio(f"{shown(self._path)} holds no audio track")
            if container is None:
                raise NotAudio(f"{shown(self._path)} is no recording that libsndfile or ffmpeg knows")
            said = _sentence(_ERROR.findall(messages))
            raise DamagedAudio(f"{shown(self._path)}: ffmpeg can decode nothing of this {container} file ({said})")
        _, size, _, _, sample_rate, channels = struct.unpack(">6I", head)
        self._read(size - 24)
        messages = self._messages()
        kind, found = _INPUT.search(messages), _DURATION.search(messages)
        duration = 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) if found else None
        return AudioInfo(duration, sample_rate, channels, kind[1].decode() if kind else "unknown")

    def _n_before_zero(self) -> int:
        """Frames of silence in front of time zero: ffmpeg fills what WebM counts below zero for the codec's delay."""
        start = _START.search(self._messages())
        return round(-float(start[1]) * self.info.sample_rate) if start else 0

    def _read(self, size: int) -> bytes:
        """Read so many bytes, or what there is before the end; an ffmpeg that has hung is killed, which is an end."""
        with self._patience():
            return self._pipe.read(size)

    def _wait(self) -> int:
        """Wait for the exit status; called at the end of the stream."""
        with self._patience():
            return self._process.wait()

    @property
    def _pipe(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise RuntimeError("ffmpeg was started without a pipe")
        return self._process.stdout

    @contextmanager
    def _patience(self) -> Iterator[None]:
        timer = threading.Timer(STALL_S, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _messages(self) -> bytes:
        """Return the beginning and the end of what ffmpeg said; the file's offset belongs to ffmpeg, so no seeking."""
        handle = self._log.fileno()
        size = os.fstat(handle).st_size
        head = os.pread(handle, LOG_BYTES, 0)
        return (
            head if size <= LOG_BYTES else head + b"\n" + os.pread(handle, LOG_BYTES, max(LOG_BYTES, size - LOG_BYTES))
        )


def _command(path: Path, executable: str) -> list[str]:
    """Build the command; `file:` keeps a name from being read as an option or an address."""
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"]
    only_files = ["-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS]
    # Filling and trimming by time stamps, from zero on: what players do, and what keeps words in step with a video.
    # 40 ms: less than a lost frame of FLAC, more than the jitter of containers that count in milliseconds.
    in_time = ["-map", "0:a:0", "-vn", "-sn", "-dn", "-af", "aresample=async=1:first_pts=0:min_hard_comp=0.04"]
    # AU is raw PCM behind a fixed header that tells rate and channels, so that no second program has to.
    out = ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    return [executable, *quiet, *only_files, "-i", f"file:{path.absolute()}", *in_time, *out]


def _sentence(errors: list[bytes]) -> str:
    """Take the last error message that names no file."""
    if not errors:
        return "no reason given"
    text = errors[-1].decode("utf-8", "replace").strip().rstrip(".")
    return text.rsplit(": ", 1)[-1][:200]
