"""ffmpeg as an encoder: which encoders it has, and one run of it that reports, can be given up, and leaves nothing.

It is given three things, all made here: a script for libass, a picture or a colour, and the decoded sound through a
pipe. What somebody uploaded it never opens, so that the sound is on the clock that the words were timed by.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from melisma.audio import ffmpeg
from melisma.core.errors import EngineFailed, EngineTimeout, MissingDependency, OutputError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.pipeline.video.config import Container

WORDS, PICTURE = "words.ass", "picture.png"  # in the folder that ffmpeg runs in: no path is ever part of a filter
_STALL_S = 120.0  # without a word from ffmpeg for so long, it hangs
_ASKED_WITHIN_S = 20
_ENCODER = re.compile(r"^ [VA][A-Z.]{5} ([\w-]+)", re.MULTILINE)
_FILTER = re.compile(r"^ [A-Z.]{3} ([\w-]+)", re.MULTILINE)
_LAST_BYTES = 4096
_ROOM = (errno.ENOSPC, errno.EDQUOT)
_UNWRITTEN = re.compile(r"^Error (writing trailer|closing file)", re.MULTILINE)  # which ffmpeg counts as success

# Encoders by preference, each with what it needs to be good and quick with letters on a still ground.
_VIDEO: dict[Container, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Container.MP4: (
        ("libx264", ("-preset", "veryfast", "-crf", "20", "-profile:v", "high")),
        ("libopenh264", ("-b:v", "3M", "-allow_skip_frames", "0")),
    ),
    Container.WEBM: (
        (
            "libvpx-vp9",
            (
                "-crf",
                "31",
                "-b:v",
                "0",
                "-deadline",
                "realtime",
                "-cpu-used",
                "7",
                "-row-mt",
                "1",
                "-tile-columns",
                "2",
            ),
        ),
        ("libvpx", ("-crf", "12", "-b:v", "3M", "-deadline", "realtime", "-cpu-used", "6")),
    ),
}
_AUDIO: dict[Container, tuple[tuple[str, tuple[str, ...]], ...]] = {
    Container.MP4: (("aac", ("-b:a", "192k")), ("libfdk_aac", ("-b:a", "192k"))),
    Container.WEBM: (("libopus", ("-b:a", "128k")), ("libvorbis", ("-b:a", "160k"))),
}
_CALLED = {Container.MP4: ("H.264", "AAC"), Container.WEBM: ("VP9 or VP8", "Opus or Vorbis")}


@dataclass(frozen=True, slots=True)
class Encoders:
    """A program, and the options of the encoders that it has."""

    program: str
    video: tuple[str, ...]
    audio: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """What is heard: blocks float32 [n, 2], their rate in Hz, and how many samples there are in all."""

    blocks: Iterable[Float32]
    sample_rate: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def encoders(container: Container) -> Encoders:
    """Look up what an ffmpeg on the path can encode.

    Raises
    ------
    MissingDependency
        If there is no ffmpeg, or it lacks an encoder or libass; the sentence says which.
    """
    program = ffmpeg.program()
    if program is None:
        raise MissingDependency(f"a video needs ffmpeg: {ffmpeg.INSTALL}")
    found, filters = _abilities(program)
    if "ass" not in filters:
        raise MissingDependency("this ffmpeg draws no words: it was built without libass, install one that was")
    chosen = []
    for offered, name in zip((_VIDEO[container], _AUDIO[container]), _CALLED[container], strict=True):
        pick = next(((encoder, options) for encoder, options in offered if encoder in found), None)
        if pick is None:
            listed = ", ".join(encoder for encoder, _ in offered)
            raise MissingDependency(
                f"this ffmpeg has no encoder of {name} ({listed}), which {container.value} needs: "
                "install one that has, or choose the other container"
            )
        chosen.append((pick[0], *pick[1]))
    return Encoders(program, ("-c:v", *chosen[0]), ("-c:a", *chosen[1]))


@lru_cache(maxsize=4)
def _abilities(program: str) -> tuple[frozenset[str], frozenset[str]]:
    """Ask an ffmpeg for its encoders and filters."""

    def asked(what: str, form: re.Pattern[str]) -> frozenset[str]:
        try:
            done = subprocess.run(
                [program, "-hide_banner", what], capture_output=True, timeout=_ASKED_WITHIN_S, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise MissingDependency(f"{program} does not start: {ffmpeg.INSTALL}") from error
        return frozenset(form.findall(done.stdout.decode("utf-8", "replace")))

    return asked("-encoders", _ENCODER), asked("-filters", _FILTER)


def run(command: list[str], folder: Path, sound: Sound, progress: Callable[[float], None], time_limit_s: float) -> None:
    """Run ffmpeg to its end; whatever ends it early, it is gone afterwards.

    Parameters
    ----------
    command : list of str
        With ``pipe:0`` as the sound and ``-progress pipe:1``.
    folder : Path
        That it runs in.
    sound : Sound
        What goes into its standard input.
    progress : callable
        Called with the share done, in [0, 1], twice a second or so; what it raises ends ffmpeg.
    time_limit_s : float
        After which it is ended.

    Raises
    ------
    EngineTimeout
        If it takes longer, or hangs.
    EngineFailed
        If it fails.
    OutputError
        If the disk is full.
    """
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=folder, bufsize=1 << 18
            )
        except OSError as error:
            raise MissingDependency(f"{command[0]} does not start: {ffmpeg.INSTALL}") from error
        with _Watch(process, time_limit_s) as watch, _Feeder(process, sound) as feeder:
            _report(process, sound.duration_s, progress, watch)
            process.wait()
        said = _end_of(log)
        for number in _ROOM:
            if os.strerror(number) in said:
                raise OutputError("there is no room for the video on the disk") from OSError(
                    number, os.strerror(number)
                )
        if feeder.error is not None:
            raise feeder.error
        if watch.why:
            raise EngineTimeout(f"ffmpeg {watch.why}, and was ended: a smaller or slower video takes less")
        if process.returncode or _UNWRITTEN.search(said):
            raise EngineFailed(f"ffmpeg could not make the video: {_last_line(said)}")


def _report(
    process: subprocess.Popen[bytes], duration_s: float, progress: Callable[[float], None], watch: _Watch
) -> None:
    """Read how far ffmpeg is, until it closes its side."""
    for line in process.stdout or ():
        watch.alive()
        name, _, value = line.strip().partition(b"=")
        if name == b"out_time_us" and value.isdigit():
            progress(min(1.0, int(value) / 1e6 / duration_s))
        elif name == b"progress":
            progress(1.0) if value == b"end" else None


class _Watch:
    """Kills a process that takes too long or says nothing any more, and when the block ends."""

    def __init__(self, process: subprocess.Popen[bytes], time_limit_s: float) -> None:
        self.why = ""
        self._process = process
        self._end = threading.Timer(time_limit_s, self._kill, (f"took longer than {time_limit_s:.0f} s",))
        self._stall: threading.Timer | None = None

    def __enter__(self) -> _Watch:
        self._end.daemon = True
        self._end.start()
        self.alive()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.cancel()
        if self._stall is not None:
            self._stall.cancel()
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()

    def alive(self) -> None:
        """Begin to wait anew."""
        if self._stall is not None:
            self._stall.cancel()
        self._stall = threading.Timer(_STALL_S, self._kill, (f"said nothing for {_STALL_S:.0f} s",))
        self._stall.daemon = True
        self._stall.start()

    def _kill(self, why: str) -> None:
        self.why = self.why or why
        self._process.kill()


class _Feeder:
    """A thread that writes the sound into ffmpeg; `error` is what it ran into, if it did."""

    def __init__(self, process: subprocess.Popen[bytes], sound: Sound) -> None:
        self.error: Exception | None = None
        self._process, self._sound = process, sound
        self._thread = threading.Thread(target=self._feed, name="melisma-video-sound", daemon=True)

    def __enter__(self) -> _Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()  # so that a write that waits comes back
        self._thread.join()

    def _feed(self) -> None:
        pipe: IO[bytes] | None = self._process.stdin
        if pipe is None:
            raise RuntimeError("ffmpeg was started without a pipe")
        try:
            for block in self._sound.blocks:
                pipe.write(block.astype("<f4", copy=False).tobytes())
        except (BrokenPipeError, ValueError):
            pass  # it has ended; its exit status says why
        except Exception as error:  # handed over to whoever waits for the video
            self.error = error
            self._process.kill()
        finally:
            with contextlib.suppress(OSError):
                pipe.close()


def command(found: Encoders, *, picture: bool, size: tuple[int, int], fps: int, ground: str, sound: Sound) -> list[str]:
    """Build the command up to the output's own options."""
    width, height = size
    quiet = ["-hide_banner", "-nostats", "-loglevel", "error", "-y", "-progress", "pipe:1", "-stats_period", "0.5"]
    if picture:
        still = ["-f", "image2", "-pattern_type", "none", "-framerate", str(fps), "-i", PICTURE]
        base = f"format=rgb24,loop=loop=-1:size=1,setpts=N/({fps}*TB)"
    else:
        still = ["-f", "lavfi", "-i", f"color=c=0x{ground[1:]}:s={width}x{height}:r={fps}"]
        base = "format=rgb24"
    # Drawn in RGB and converted once, so that colours come out as they were asked for.
    draw = f"[0:v]{base},ass={WORDS},scale=out_color_matrix=bt709:out_range=tv,format=yuv420p[v]"
    rate = str(sound.sample_rate)
    heard = ["-protocol_whitelist", "pipe", "-f", "f32le", "-ar", rate, "-ac", "2", "-i", "pipe:0"]
    colours = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1"]
    return [
        *(found.program, *quiet, "-protocol_whitelist", "file,pipe", *still, *heard),
        # The shortest is the sound: where whoever feeds it was killed, ffmpeg ends too.
        *("-filter_complex", draw, "-map", "[v]", "-map", "1:a", "-t", f"{sound.duration_s:.6f}", "-shortest"),
        *("-threads", str(n_threads()), *found.video, "-g", str(4 * fps), *colours),
        *(*found.audio, "-ar", "48000", *exact),
    ]


def _end_of(log: IO[bytes]) -> str:
    log.seek(0, 2)
    log.seek(max(0, log.tell() - _LAST_BYTES))
    return log.read().decode("utf-8", "replace")


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it gave no reason"
