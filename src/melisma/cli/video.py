"""`melisma video`: an alignment and its recording → a karaoke video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.options import complete_fonts
from melisma.cli.program import Quiet, Verbose
from melisma.core.errors import InputError

if TYPE_CHECKING:
    from melisma.pipeline.video.config import VideoConfig


def video(
    alignment: Annotated[
        Path,
        typer.Argument(metavar="ALIGNMENT", help="An alignment: JSON, LRC, ASS, …; - for JSON from standard input."),
    ],
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="What is heard: the recording, or a stem of it.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="An .mp4 or .webm file; by default <name of the alignment>.mp4."
        ),
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Pixels of the picture.")] = "1280x720",
    fps: Annotated[int, typer.Option(metavar="N", help="Pictures a second.")] = 30,
    font: Annotated[str, typer.Option(metavar="NAME", help="An installed font.", autocompletion=complete_fonts)] = "",
    font_size: Annotated[int, typer.Option(metavar="PIXELS", help="Height of the letters; 0 for one that fits.")] = 0,
    colours: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C,D",
            help="#rrggbb of unsung words, sung words, the backing voice, the outline; any may be empty.",
        ),
    ] = None,
    background: Annotated[
        str | None, typer.Option(metavar="COLOUR|FILE", help="#rrggbb, or a picture: PNG, JPEG, WebP.")
    ] = None,
    dim: Annotated[float, typer.Option(metavar="0..1", help="How much a picture is darkened.")] = 0.45,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Of a card at the beginning.")] = "",
    artist: Annotated[str, typer.Option(metavar="TEXT", help="On the same card.")] = "",
    count_in: Annotated[bool, typer.Option(help="Count singers in where they have waited.")] = True,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a video of a song in which each word fills while it is sung; needs ffmpeg."""
    from melisma.cli import outputs
    from melisma.cli.progress import progress
    from melisma.cli.reading import read_alignment
    from melisma.pipeline.video.config import Container, VideoConfig
    from melisma.pipeline.video.render import render

    from_stdin = str(alignment) == "-"
    out = output or Path((audio if from_stdin else alignment).stem + ".mp4")
    try:
        container = Container(out.suffix.lower().removeprefix("."))
    except ValueError:
        raise InputError(f"a video is an .mp4 or a .webm file, not {out}") from None
    asked = VideoConfig(container, *_size(size), fps, font, font_size, title=title, artist=artist, count_in=count_in)
    asked = _painted(replace(asked, dim=dim), colours, background)
    outputs.check_video(out, [audio, *([] if from_stdin else [alignment])])
    read = read_alignment(alignment, "json" if from_stdin else None)
    with progress(quiet=quiet, verbose=verbose) as report:
        made = render(read, audio, out, asked, report)
    if quiet:
        return
    for warning in (*read.warnings, *made.warnings):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"wrote {out} ({made.duration_s:.0f} s, {made.size_bytes / 1e6:.1f} MB)", err=True)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and len(text) < 12):
        raise InputError(f"the size of a video is spelt like 1280x720, not {text[:40]!r}")
    return int(width), int(height)


def _painted(asked: VideoConfig, colours: str | None, background: str | None) -> VideoConfig:
    if colours is not None:
        names = ("unsung", "sung", "backing", "outline")
        parts = [part.strip() for part in colours.split(",")]
        if len(parts) > len(names):
            raise InputError(f"there are {len(names)} colours to set ({', '.join(names)}), not {len(parts)}")
        chosen = {name: part for name, part in zip(names, parts, strict=False) if part}
        asked = replace(asked, colours=replace(asked.colours, **chosen))
    if background is None:
        return asked
    if background.startswith("#"):
        return replace(asked, background=background)
    return replace(asked, picture=Path(background))
