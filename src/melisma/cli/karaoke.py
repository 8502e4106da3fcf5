"""`melisma karaoke`: an alignment and its recording → one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.program import Quiet, Verbose

if TYPE_CHECKING:
    from melisma.core.records import Alignment


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
    if quiet:
        return
    for warning in (*read.warnings, *_too_long(read, audio)):
        typer.echo(f"warning: {warning}", err=True)
    if targets[0].path is not None:
        typer.echo(f"wrote {targets[0].path}", err=True)


def _too_long(read: Alignment, audio: Path) -> list[str]:
    """Say so where words are timed after the recording has ended: it is another one."""
    from melisma.audio.probe import probe
    from melisma.core.errors import AudioError

    try:
        duration_s = probe(audio).duration_s
    except AudioError:
        return []  # a browser may play what we cannot read
    last_s = max((word.start_s for word in read.words if word.start_s is not None), default=0.0)
    if duration_s is None or last_s <= duration_s:
        return []
    return [f"words are timed up to {last_s:.0f} s, the recording ends at {duration_s:.0f} s: is it the right one?"]
