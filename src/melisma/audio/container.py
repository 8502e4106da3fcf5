"""What a file is by its first bytes, never by its name, and what its own header promises."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import AudioError, DamagedAudio, EmptyAudio

HEAD = 4096  # bytes that `sniff` looks at
LIMIT_HZ = (1000, 768_000)  # recordings of anything audible lie inside; outside, the header is damaged
LIMIT_CHANNELS = 64
OPEN_END = 1 << 40  # bytes: the length that a view claims where the real one would mislead

# Magic bytes, as in the file(1) database, of what libsndfile cannot read and ffmpeg can: (offset, bytes, name).
MAGIC = (
    (4, b"ftyp", "MP4/M4A"),
    (4, b"moov", "MP4/M4A"),
    (4, b"mdat", "MP4/M4A"),
    (4, b"wide", "QuickTime"),
    (0, b"\x1aE\xdf\xa3", "WebM/Matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\x00\x00\x01\xba", "MPEG video"),
    (0, b"ADIF", "AAC"),
    (0, b"#!AMR", "AMR"),
    (0, b".RMF", "RealMedia"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"DSD ", "DSD"),
    (0, b"\x0bw", "AC-3"),
    (8, b"AVI ", "AVI"),
    (0, b"OggS", "Ogg"),
)
_AAC_SYNC = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a header says of a recording; `duration_s` is None where it does not say, and an estimate in some MP3s."""

    duration_s: float | None
    sample_rate: int  # Hz
    channels: int
    container: str  # in lower case: "wav", "mp3", "ogg" from libsndfile, "mov", "matroska" from ffmpeg


@dataclass(frozen=True, slots=True)
class Mp3Head:
    """Where the frames of an MP3 begin and how many bytes of them its Xing, Info or VBRI header promises, if any."""

    start: int
    promised: int | None

    @property
    def claimed(self) -> int:
        """Length in bytes of the whole file as the header has it."""
        return OPEN_END if self.promised is None else self.start + self.promised


def shown(path: Path) -> str:
    """Spell a file name so that it can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "replace")


def check_file(path: Path) -> int:
    """Return the size in bytes of a regular file.

    Raises
    ------
    AudioError
        If there is no such file, it is a folder or a device, or may not be read.
    EmptyAudio
        If it is empty.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise AudioError(f"{shown(path)} is a folder, not a recording")
        if not stat.S_ISREG(found.st_mode):
            raise AudioError(f"{shown(path)} is a pipe or a device, not a file: save the recording to a file first")
        with path.open("rb"):
            pass
    except ValueError as error:
        raise AudioError(f"{str(path)!r} is not a file name") from error
    except OSError as error:
        said = {errno.ENOENT: "there is no such file", errno.EACCES: "no permission to read it"}
        raise AudioError(f"{shown(path)}: {said.get(error.errno or 0, error.strerror or 'cannot be read')}") from error
    if found.st_size == 0:
        raise EmptyAudio(f"{shown(path)} is an empty file")
    return found.st_size


def check_header(path: Path, sample_rate: int, channels: int) -> None:
    """Refuse the numbers that only a damaged header holds, before memory is asked for.

    Raises
    ------
    DamagedAudio
        If rate or channels are outside `LIMIT_HZ` or 1..`LIMIT_CHANNELS`.
    """
    if not LIMIT_HZ[0] <= sample_rate <= LIMIT_HZ[1]:
        raise DamagedAudio(f"{shown(path)}: its header claims a sample rate of {sample_rate} Hz")
    if not 1 <= channels <= LIMIT_CHANNELS:
        raise DamagedAudio(f"{shown(path)}: its header claims {channels} channels")


def sniff(head: bytes) -> str | None:
    """Name the container of a file that needs ffmpeg by its first `HEAD` bytes, or None where they are unknown.

    Examples
    --------
    >>> sniff(bytes(4) + b"ftypM4A ")
    'MP4/M4A'
    """
    for offset, magic, name in MAGIC:
        if head.startswith(magic, offset):
            return name
    body = head[_id3_size(head) :]
    if _AAC_SYNC.match(body):
        return "AAC"
    if body[:1] == b"G" and body[188:189] == b"G" and body[376:377] == b"G":
        return "MPEG transport stream"
    return None


def mp3_head(path: Path) -> Mp3Head | None:
    """Find the first MPEG audio frame behind any ID3 tags; None for a file that does not begin like an MP3."""
    with path.open("rb") as file:
        start = 0
        while (size := _id3_size(file.read(10))) and start < OPEN_END:
            start += size
            file.seek(start)
        file.seek(start)
        head = file.read(HEAD)
    if not start and not _is_frame(head):
        return None
    sync = next((i for i in range(len(head) - 3) if head[i] == 0xFF and _is_frame(head[i : i + 4])), None)
    return None if sync is None else Mp3Head(start + sync, _promised_bytes(head[sync : sync + 256]))


def ogg_is_whole(path: Path, size: int) -> bool:
    """Tell whether the last page of an Ogg file says that it is the last."""
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 17)))  # a page has at most 65,307 bytes
        tail = file.read()
    at = tail.rfind(b"OggS")
    return 0 <= at < len(tail) - 5 and bool(tail[at + 5] & 4)


def _id3_size(head: bytes) -> int:
    """Return the size in bytes of an ID3v2 tag with header and footer, 0 where there is none (ID3v2.4, section 3.1)."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _is_frame(head: bytes) -> bool:
    """Tell whether four bytes can be the header of an MPEG audio frame of layer I, II or III."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and head[1] & 0x18 != 0x08  # reserved version
        and head[1] & 0x06 != 0  # layer 0 is AAC
        and head[2] & 0xF0 != 0xF0
        and head[2] & 0x0C != 0x0C
    )


def _promised_bytes(frame: bytes) -> int | None:
    """Read the stream size from the Xing, Info or VBRI header in the first frame of an MP3."""
    for tag in (b"Xing", b"Info"):
        at = frame.find(tag, 4, 48)
        if at > 0 and len(frame) >= at + 16 and frame[at + 7] & 3 == 3:  # it counts both frames and bytes
            return int.from_bytes(frame[at + 12 : at + 16]) or None
    if frame[36:40] == b"VBRI" and len(frame) >= 50:
        return int.from_bytes(frame[46:50]) or None
    return None
