"""What has been downloaded, looked at: is it a recording, how long is it, and without pictures."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from melisma.audio import ffmpeg
from melisma.audio.stream import open_stream
from melisma.core.errors import AudioError, NeedsFfmpeg, NotAudio
from melisma.data.fetching.protocol import Download, Fate, Limits, Unfetched, shown

_MAY_HOLD_PICTURES = frozenset(
    {".mp4", ".webm", ".mkv", ".mov", ".flv", ".avi", ".ts", ".3gp", ".m4v", ".unknown_video"}
)
_LISTENED_S = 5.0  # of the beginning: headers can be made to fit, samples hardly
_SLOWEST_S = 1800.0  # copying a track without encoding it is a matter of seconds


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording that can be decoded, and how long it lasts."""

    path: Path
    duration_s: float


def check_duration(duration_s: float | None, limits: Limits) -> None:
    """Refuse what is too long or too short, where the length is known.

    Raises
    ------
    Unfetched
        With the length and the limit.
    """
    if duration_s is None:
        return
    if duration_s > limits.max_duration_s:
        raise Unfetched(Fate.TOO_LONG, f"it lasts {duration_s:.0f} s, the limit is {limits.max_duration_s:.0f} s")
    if duration_s < limits.min_duration_s:
        raise Unfetched(Fate.TOO_SHORT, f"it lasts {duration_s:.1f} s, the least is {limits.min_duration_s:g} s")


def settle(download: Download, limits: Limits) -> Audio:
    """Take out pictures, and look whether what is left is a recording of a length that is wanted.

    Raises
    ------
    Unfetched
        If it is not; the file is deleted then.
    NeedsFfmpeg
        If it cannot be told without an ffmpeg that is not there.
    """
    path = download.path
    try:
        pictures = download.pictures or (download.pictures is None and path.suffix.lower() in _MAY_HOLD_PICTURES)
        if pictures:
            path = _sound_of(path)
        duration_s = _duration(path)
        check_duration(duration_s, limits)
        return Audio(path, duration_s)
    except NeedsFfmpeg:
        raise
    except AudioError as error:
        path.unlink(missing_ok=True)
        said = str(error).replace(str(path), path.name)
        raise Unfetched(Fate.NOT_AUDIO, f"what came is no recording: {shown(said)}") from error
    except Unfetched:
        path.unlink(missing_ok=True)
        raise


def _duration(path: Path) -> float:
    """Return how long a recording lasts: as its header says if its beginning can be decoded, or else counted."""
    with open_stream(path) as stream:
        rate, n_frames = stream.info.sample_rate, 0
        for block in stream.blocks:
            n_frames += len(block)
            if stream.info.duration_s and n_frames > _LISTENED_S * rate:
                return stream.info.duration_s
    if not n_frames:
        raise NotAudio(f"not one sample of {path} can be decoded")
    return n_frames / rate


def _sound_of(path: Path) -> Path:
    """Copy the first audio track as it is into a Matroska file, and delete the file that it was in."""
    executable = ffmpeg.program()
    if executable is None:
        raise ffmpeg.needed(path, "a video")
    target = path.with_suffix(".mka")
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-loglevel", "error", "-y"]
    only_files = ["-protocol_whitelist", "file,pipe", "-format_whitelist", ffmpeg.DEMUXERS]
    tracks = ["-map", "0:a:0", "-c", "copy", "-map_metadata", "-1", "-f", "matroska", f"file:{target.absolute()}"]
    command = [executable, *quiet, *only_files, "-i", f"file:{path.absolute()}", *tracks]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_SLOWEST_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        target.unlink(missing_ok=True)
        raise Unfetched(Fate.FAILED, f"ffmpeg cannot take the sound out: {error}") from error
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise Unfetched(Fate.NOT_AUDIO, "it has pictures, and no sound that ffmpeg finds")
    path.unlink(missing_ok=True)
    return target
