"""`melisma dali match`: where each song lies in the recording that was found for it."""

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
from melisma.cli.data.options import ReportFile, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def match(
    annotations: Annotations,
    audio: AudioFolder = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="match.jsonl beside the songs, without it.")
    ] = None,
    language: Languages = None,
    min_ncc: MinNcc = None,
    max_ncc: MaxNcc = None,
    genre: Genres = None,
    artist: Artists = None,
    ground_truth: GroundTruth = None,
    dataset_version: Versions = None,
    song_id: Ids = None,
    max_rate: Annotated[float, typer.Option(min=0, max=0.2, help="How much faster or slower, as a share.")] = 0.06,
    min_score: Annotated[
        float | None, typer.Option(metavar="NATS", help="Below this it is another song; docs/dali.md says why.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report_file: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find offset and rate of each annotation in its recording, cuts too, and tell recordings of other songs.

    A recording that is matched already is not listened to again.
    """
    from dataclasses import replace

    from melisma.cli.progress import progress
    from melisma.data.dali.matching import FILE, match_all
    from melisma.data.dali.offsets import MatchConfig

    config = MatchConfig(max_rate=max_rate)
    if min_score is not None:
        config = replace(config, min_score=min_score)
    wanted = selection(language, min_ncc, max_ncc, genre, artist, ground_truth, dataset_version, song_id)
    target = output or annotations / FILE
    with progress(quiet=quiet, verbose=verbose) as told:
        report = match_all(
            service(annotations, audio),
            wanted,
            target,
            config=config,
            executor=run_on(executor, workers, preview),
            progress=told,
        )
    finish(report, report_file or target.with_suffix(".report.json"), as_json=as_json, quiet=quiet)
