"""`melisma units segment`: long recordings of speech into pieces between pauses, from which units are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.batch import How
from melisma.cli.data.options import ReportFile, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers
from melisma.cli.options import complete_languages
from melisma.cli.program import AsJson, Quiet, Verbose


def segment(
    source: Annotated[Path, typer.Argument(metavar="FOLDER|MANIFEST", help="Recordings: MP3, WAV or any other.")],
    output: Annotated[Path, output_at(lambda at: at.segments, "DIR", "Folder for audio/ and manifest.jsonl.")],
    silence_db: Annotated[float, typer.Option(metavar="DB", help="What is silent: below this level.")] = -40.0,
    relative: Annotated[bool, typer.Option("--relative", help="Count the level from the loudest.")] = False,
    pause: Annotated[float, typer.Option(metavar="SECONDS", help="A pause is at least that long.")] = 0.5,
    shortest: Annotated[float, typer.Option("--min", metavar="SECONDS", help="Shorter ones join or go.")] = 1.0,
    longest: Annotated[float, typer.Option("--max", metavar="SECONDS", help="Longer ones are cut.")] = 30.0,
    padding: Annotated[float, typer.Option(metavar="SECONDS", help="Of each pause at both ends.")] = 0.1,
    format: Annotated[str, typer.Option(metavar="wav|flac", help="Of the files; both are exact.")] = "wav",
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="That is spoken in a folder.", autocompletion=complete_languages),
    ] = None,
    speakers: Annotated[bool, typer.Option("--speaker-by-folder", help="FOLDER/NAME/… is spoken by NAME.")] = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert recordings to 16 kHz, one channel, and cut them where they are silent.

    As `melisma data segment --by silence` does it, which knows more ways. What is done already is not done again.
    Exits with 1 if a recording could not be cut; the report says which, and how long the segments are.
    """
    from melisma.cli.data.segment import cut
    from melisma.core.errors import InputError
    from melisma.data.folder import About
    from melisma.data.pieces import Lengths
    from melisma.data.segment import Settings
    from melisma.text import language as languages

    if not source.is_dir() and (language or speakers):
        raise InputError("--language and --speaker-by-folder are for a folder: each line of a manifest says its own")
    about = About(languages.normalise(language) if language else "und", speakers)
    lengths = Lengths(shortest=shortest, longest=longest, padding=padding)
    settings = Settings("silence", silence_db, relative, pause, lengths=lengths, format=format)
    how = How(executor, workers, preview, report, as_json, quiet, verbose)
    cut("units segment", source, output, settings, how, about)
