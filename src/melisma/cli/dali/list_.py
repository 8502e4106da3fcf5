"""`melisma dali list`: the songs that are meant, a line each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from melisma.cli.dali.options import (
    Annotations,
    Artists,
    AudioFolder,
    Genres,
    GroundTruth,
    Languages,
    MaxNcc,
    MinNcc,
    Versions,
    selection,
    service,
)
from melisma.cli.program import AsJson, Quiet, Verbose


def list_songs(
    annotations: Annotations,
    audio: AudioFolder = None,
    language: Languages = None,
    min_ncc: MinNcc = None,
    max_ncc: MaxNcc = None,
    genre: Genres = None,
    artist: Artists = None,
    ground_truth: GroundTruth = None,
    dataset_version: Versions = None,
    with_audio: Annotated[bool, typer.Option("--with-audio", help="Only songs whose recording is there.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List songs by language, score, genre, artist, version, and whether a person has set their times."""
    from melisma.cli.summary import print_json, print_table

    dali = service(annotations, audio)
    wanted = selection(language, min_ncc, max_ncc, genre, artist, ground_truth, dataset_version)
    found = [each for each in dali.headers(wanted) if not with_audio or dali.audio_of(each.id)]
    if as_json:
        print_json([asdict(each) for each in found])
        return
    print_table(
        [
            (each.id, each.language, "-" if each.ncc is None else f"{each.ncc:.3f}", f"{each.artist} - {each.title}")
            for each in found
        ]
    )
    if not quiet:
        typer.echo(f"{len(found):,} songs", err=True)
