"""`melisma demo`: songs made here, aligned, scored against their exact truth, with a karaoke page each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import AsJson, Quiet, Verbose


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for songs, alignments and pages.")
    ] = Path("melisma-demo"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Sing short songs, align them, say how well it went, and write karaoke pages."""
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.evaluate.demo import make
    from melisma.pipeline import log

    with progress(quiet=quiet, verbose=verbose) as report, log.shown(verbose):
        result = make(output, progress=report)
    if as_json:
        songs = [
            {
                "title": song.title,
                "audio": str(song.audio),
                "lyrics": str(song.lyrics),
                "page": str(song.page),
                "files": [str(path) for path in song.files],
            }
            for song in result.songs
        ]
        print_json({"songs": songs, "report": result.report.as_dict()})
    elif not quiet:
        typer.echo(result.report.table())
        typer.echo("\nopen in a browser:")
        for song in result.songs:
            typer.echo(f"  {song.page}  ({song.title})")
