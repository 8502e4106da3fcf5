"""The walk to a video: words → script, picture → still, recording → sound, all three → ffmpeg → one file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from melisma.audio.container import shown
from melisma.audio.downmix import Pair
from melisma.audio.stream import open_stream
from melisma.core.errors import EmptyAudio, OutputError
from melisma.core.records import Alignment, Float32
from melisma.formats.karaoke_script import Look, script
from melisma.formats.karaoke_script import text as as_shown
from melisma.pipeline.video import encode, fonts, picture
from melisma.pipeline.video.config import Container, VideoConfig

Progress = Callable[[str, float], None]
_GRACE_MS = 2000  # how far words may be timed behind the end of the sound before it is worth a word
_NAMED = 12  # characters of a list that a person still reads


@dataclass(frozen=True, slots=True)
class Rendered:
    """A video that was made: where it lies, its length and size, and a sentence for each thing to know about it."""

    path: Path
    duration_s: float
    size_bytes: int
    warnings: tuple[str, ...] = ()


def render(
    alignment: Alignment,
    audio: str | Path,
    out: str | Path,
    config: VideoConfig | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Make a karaoke video: the recording, and its words, each filled while it is sung.

    Parameters
    ----------
    alignment : Alignment
        On the timeline of the recording; lines of which no word has a time are not shown.
    audio : str or Path
        What is heard: the recording that was aligned, or a stem of it.
    out : str or Path
        The video, written whole or not at all; its folder has to be there.
    config : VideoConfig, optional
        What it is to be like.
    progress : callable, optional
        Called with "listen" or "encode" and the share of it, in [0, 1], in the caller's thread; what it raises ends the
        work and leaves nothing behind.

    Returns
    -------
    Rendered
        As long as the recording, to within a picture.

    Raises
    ------
    InputError
        If the config, the recording, the picture or the alignment cannot be used.
    MissingDependency
        If ffmpeg, an encoder of it, libass or Pillow is missing.
    EngineFailed, EngineTimeout
        If ffmpeg fails or takes too long.
    OutputError
        If the file cannot be written.
    """
    config, out, audio = config or VideoConfig(), Path(out), Path(audio)
    report = progress or (lambda stage, share: None)
    config.check()
    found = encode.encoders(config.container)
    words = script(alignment, _look(config))
    n_samples, rate = _measured(audio, report)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_folder(out)))
        (folder / encode.WORDS).write_text(words, encoding="utf-8")
        _put_picture(config, folder)
        stream = stack.enter_context(open_stream(audio))
        sound = encode.Sound(_pairs(stream.blocks), rate, n_samples)
        made = folder / f"video.{config.container.value}"
        limit = config.time_limit_s or 600 + 8 * sound.duration_s
        encode.run(_command(found, config, sound, made), folder, sound, lambda share: report("encode", share), limit)
        size_bytes = made.stat().st_size
        _put(made, out)
    return Rendered(out, sound.duration_s, size_bytes, _warnings(alignment, config, sound.duration_s))


def _look(config: VideoConfig) -> Look:
    return Look(
        config.width,
        config.height,
        fonts.choose(config.font),
        config.letters,
        config.colours,
        config.title,
        config.artist,
        config.count_in,
    )


def _put_picture(config: VideoConfig, folder: Path) -> None:
    """Put what lies behind the words where ffmpeg finds it, if there is anything."""
    if config.picture is not None:
        size = (config.width, config.height)
        picture.fitted(config.picture, folder / encode.PICTURE, size, background=config.background, dim=config.dim)


def _command(found: encode.Encoders, config: VideoConfig, sound: encode.Sound, made: Path) -> list[str]:
    size = (config.width, config.height)
    drawn = config.picture is not None
    command = encode.command(found, picture=drawn, size=size, fps=config.fps, ground=config.background, sound=sound)
    for name in ("title", "artist"):
        if said := "".join(c for c in getattr(config, name) if c.isprintable()):
            command += ["-metadata", f"{name}={said}"]
    if config.container is Container.MP4:
        command += ["-movflags", "+faststart"]  # so that it plays while it is still being fetched
    return [*command, "-f", config.container.value, made.name]


def _measured(audio: Path, report: Progress) -> tuple[int, int]:
    """Count the samples: the video is as long as the sound, and a recording that is none is found before the work."""
    n = 0
    with open_stream(audio) as stream:
        rate, expected = stream.info.sample_rate, stream.info.duration_s
        for block in stream.blocks:
            n += len(block)
            if expected:
                report("listen", min(1.0, n / rate / expected))
    if not n:
        raise EmptyAudio(f"{shown(audio)} holds no sample")
    return n, rate


def _pairs(blocks: Iterator[Float32]) -> Iterator[Float32]:
    pair = Pair()
    for block in blocks:
        yield pair.push(block)


def _folder(out: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder beside the result, so that putting it in place is one step."""
    try:
        return tempfile.TemporaryDirectory(prefix=".melisma-", dir=out.parent)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error


def _put(made: Path, out: Path) -> None:
    try:
        if out.exists() and not out.is_file():
            with made.open("rb") as source, out.open("wb") as target:  # a pipe or a device
                shutil.copyfileobj(source, target)
        else:
            made.replace(out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error


def _warnings(alignment: Alignment, config: VideoConfig, duration_s: float) -> tuple[str, ...]:
    found: list[str] = []
    last_ms = max((word.end_ms or 0 for word in alignment.words), default=0)
    if last_ms > 1000 * duration_s + _GRACE_MS:
        found.append(f"words are timed up to {last_ms / 1000:.0f} s, the recording ends at {duration_s:.0f} s")
    unsung = sum(alignment.line_ms(i) is None for i in range(len(alignment.lines)))
    if unsung:
        found.append(f"{unsung} lines have no time and are not shown")
    written = [as_shown(part) for part in (config.title, config.artist, *(word.text for word in alignment.words))]
    if lacking := fonts.missing(written):
        listed = " ".join(lacking[:_NAMED]) + (" …" if len(lacking) > _NAMED else "")
        found.append(f"no installed font has {listed}: boxes stand in their place")
    return tuple(found)
