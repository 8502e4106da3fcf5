"""`melisma dali segment`: matched songs as a manifest of short pieces, divided by artist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.dali.options import (
    Annotations,
    Artists,
    AudioFolder,
    Genres,
    GroundTruth,
    Ids,
    Languages,
    MaxNcc,
    MinNcc,
    Versions,
    selection,
    service,
)
from melisma.cli.data.options import ReportFile, Seed, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def segment(
    annotations: Annotations,
    output: Annotated[
        Path, output_at(lambda at: at.data / "dali_segments", "DIR", "Folder for segments.jsonl and splits/.")
    ],
    audio: AudioFolder = None,
    placements: Annotated[
        Path | None, typer.Option("--match", metavar="FILE", help="match.jsonl beside the songs, without it.")
    ] = None,
    language: Languages = None,
    min_ncc: MinNcc = None,
    max_ncc: MaxNcc = None,
    genre: Genres = None,
    artist: Artists = None,
    ground_truth: GroundTruth = None,
    dataset_version: Versions = None,
    song_id: Ids = None,
    min_score: Annotated[
        float, typer.Option(metavar="NATS", help="Leave out songs that were matched with less.")
    ] = 0.0,
    target: Annotated[float, typer.Option(metavar="SECONDS", help="Length that segments come near.")] = 15.0,
    longest: Annotated[float, typer.Option(metavar="SECONDS", help="Longest segment.")] = 20.0,
    shortest: Annotated[float, typer.Option(metavar="SECONDS", help="Shortest segment.")] = 1.0,
    valid: Annotated[float, typer.Option(metavar="SHARE", help="Of each language's audio, for validation.")] = 0.05,
    test: Annotated[float, typer.Option(metavar="SHARE", help="Of each language's audio, for the test.")] = 0.05,
    seed: Seed = 1,
    divided: Annotated[bool, typer.Option("--split/--no-split", help="Divide by artist, with a certificate.")] = True,
    near_duplicates: Annotated[
        bool, typer.Option(help="Listen to every recording and keep copies on one side; without, split.json says so.")
    ] = True,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report_file: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cut matched songs into pieces of whole words near 15 s, and divide them so that no artist is on two sides."""
    from melisma.cli.progress import progress
    from melisma.data.dali.segments import SegmentConfig
    from melisma.data.dali.segments import segment as cut_songs
    from melisma.data.pieces import Lengths
    from melisma.data.split import Settings

    lengths = Lengths(shortest=shortest, longest=longest, target=target, padding=0.1)
    settings = Settings(valid, test, seed, near_duplicates) if divided else None
    if settings is not None:
        settings.wanted()  # refuses shares that are none before anything is written
    config = SegmentConfig(lengths, min_score, settings)
    wanted = selection(language, min_ncc, max_ncc, genre, artist, ground_truth, dataset_version, song_id)
    dali = service(annotations, audio)
    with progress(quiet=quiet, verbose=verbose) as told:
        placed = placements or annotations / "match.jsonl"
        report = cut_songs(
            dali, wanted, placed, output, config, executor=run_on(executor, workers, preview), progress=told
        )
    finish(report, report_file or output / "segment_report.json", as_json=as_json, quiet=quiet)
