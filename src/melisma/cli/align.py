"""`melisma align`: a recording and its lyrics → files with a time for every word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.options import complete_engines, complete_formats, complete_languages
from melisma.cli.program import AsJson, Quiet, Verbose


def align(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="The recording: any audio or video file.")],
    lyrics: Annotated[
        str, typer.Argument(metavar="LYRICS", help="Its lyrics: text, LRC or SRT file, or - for standard input.")
    ],
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="Language of the lyrics, such as fr; found from the text if not given.",
            autocompletion=complete_languages,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="Engine that listens.", autocompletion=complete_engines)
    ] = "phone",
    format: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Formats to write, such as lrc,ass,karaoke (melisma formats list).",
            autocompletion=complete_formats,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File (its name tells the format), folder, or - for standard output. "
            "Without it: <name of the audio>.json, or one file per format, in the current folder.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of a karaoke page.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put a time on every word of a song."""
    from melisma.cli import outputs, summary
    from melisma.cli.progress import progress
    from melisma.core.errors import InputError
    from melisma.pipeline.align import align as align_song

    inputs = [audio] if lyrics == "-" else [audio, Path(lyrics)]
    targets = outputs.plan(audio.stem, outputs.split_names(format), output, inputs)
    if as_json and targets[0].path is None:
        raise InputError("--json and -o - both need standard output: choose one")
    with progress(quiet=quiet, verbose=verbose) as report:
        alignment = align_song(audio, lyrics, language=language, engine=engine, progress=report)
    outputs.write_all(targets, lambda name: outputs.render(alignment, name, audio, title))
    if not quiet:
        summary.print_summary(alignment, targets)
    if as_json:
        summary.print_json(summary.as_dict(alignment, targets))
