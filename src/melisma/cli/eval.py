"""`melisma eval`: how good the results are, on recordings whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.eval_asr import asr
from melisma.cli.eval_ctc import ctc
from melisma.cli.options import complete_engines
from melisma.cli.program import AsJson, Quiet, Verbose, group

app = group("Measure against recordings whose truth is known.")


app.command()(asr)
app.command()(ctc)


@app.command()
def align(
    songs: Annotated[
        Path, typer.Argument(metavar="SONGS_DIR", help="Folder of <id>/{audio.*, lyrics.txt, gold.csv, meta.json}.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Keep the alignments, as DIR/<id>.json."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Engine that listens, or path:FOLDER; auto chooses, and tries the next where one fails.",
            autocompletion=complete_engines,
        ),
    ] = "auto",
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Songs aligned at the same time.")] = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Align each song of a folder and print its word onset errors.

    Exits with 1 if a song could not be aligned; its row says why, and it counts as lost.
    """
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.evaluate.align import evaluate_songs
    from melisma.pipeline import log

    with progress(quiet=quiet, verbose=verbose) as report, log.shown(verbose):
        result = evaluate_songs(songs, output, engine=engine, jobs=jobs, progress=report)
    if as_json:
        print_json(result.as_dict())
    else:
        typer.echo(result.table())
    for song in result.songs:
        if song.note:
            typer.echo(f"error: {song.song_id}: {song.note}", err=True)
    if result.failed:
        raise typer.Exit(1)
