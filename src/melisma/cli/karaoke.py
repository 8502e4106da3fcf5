"""`melisma karaoke`: an alignment and its recording → one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Quiet, Verbose


def karaoke(
    alignment: Annotated[
        Path,
        typer.Argument(metavar="ALIGNMENT", help="An alignment: JSON, LRC, ASS, …; - for JSON from standard input."),
    ],
    audio: Annotated[Path, typer.Option(metavar="FILE", help="The recording; it goes into the page.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Page to write, or - for standard output; by default <name of the alignment>.html.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a page that plays the song and fills each word as it is sung."""
    from melisma.cli import outputs
    from melisma.cli.reading import read_alignment

    from_stdin = str(alignment) == "-"
    stem, inputs = (audio.stem, [audio]) if from_stdin else (alignment.stem, [alignment, audio])
    targets = outputs.plan(stem, (outputs.KARAOKE,), output, inputs)
    read = read_alignment(alignment, "json" if from_stdin else None)
    outputs.write_all(targets, lambda name: outputs.render(read, name, audio, title))
    if not quiet and targets[0].path is not None:
        typer.echo(f"wrote {targets[0].path}", err=True)
