"""`melisma dali download`: the recordings of the songs, where their videos are still there."""

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
from melisma.cli.program import AsJson, Quiet, Verbose


def download(
    annotations: Annotations,
    audio: AudioFolder = None,
    language: Languages = None,
    min_ncc: MinNcc = None,
    max_ncc: MaxNcc = None,
    genre: Genres = None,
    artist: Artists = None,
    ground_truth: GroundTruth = None,
    dataset_version: Versions = None,
    song_id: Ids = None,
    only_working: Annotated[
        bool, typer.Option("--only-working", help="Leave out videos that were gone when DALI looked.")
    ] = False,
    rate_limit: Annotated[
        float | None, typer.Option(metavar="KB/S", min=1, help="Fetch no faster; as fast as it comes without.")
    ] = None,
    pause: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Between recordings; up to half more.")] = 3.0,
    retries: Annotated[int, typer.Option(metavar="N", min=0, max=20, help="More tries where something fails.")] = 3,
    max_minutes: Annotated[float, typer.Option(metavar="MIN", min=0, help="Longest recording.")] = 30.0,
    cookies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Netscape cookie file of a browser that is signed in.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask once more for what was gone or private.")] = False,
    report_file: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fetch the recordings of songs that have none yet, and report the videos that have vanished.

    The same command goes on where it broke off. Whether you may fetch and keep a recording is between you, its owner
    and the site: DALI's licence covers its annotations alone. Exits with 1 if another run may get more.
    """
    from melisma.cli.progress import progress
    from melisma.data.dali.download import download as fetch_songs
    from melisma.data.fetch import FetchConfig, Limits
    from melisma.data.fetching.yt_dlp import YtDlp

    dali = service(annotations, audio)
    wanted = selection(language, min_ncc, max_ncc, genre, artist, ground_truth, dataset_version, song_id)
    limits = Limits(max_duration_s=max_minutes * 60, rate_limit=rate_limit * 1000 if rate_limit else None)
    config = FetchConfig(dali.audio, limits, pause, retries, again=again)
    downloader = YtDlp(cookies=cookies)
    downloader.check()
    with progress(quiet=quiet, verbose=verbose) as told:
        report = fetch_songs(dali, wanted, config, downloader, only_working=only_working, progress=told)
    finish(report, report_file or dali.audio / "download_report.json", as_json=as_json, quiet=quiet)
    if report.details["to_be_tried_again"]:
        raise typer.Exit(1)
