"""`melisma data preprocess`: audio that trainings read without decoding anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import ReportFile, check, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def preprocess(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST|FOLDER", help="JSONL, or a folder of recordings.")],
    output: Annotated[Path, output_at(lambda at: at.processed, "DIR", "Folder for audio/ and manifest.jsonl.")],
    format: Annotated[str, typer.Option(metavar="wav|flac", help="Of the files; both are exact.")] = "wav",
    trim: Annotated[bool, typer.Option("--trim/--no-trim", help="Cut silence off at both ends.")] = True,
    trim_db: Annotated[float, typer.Option(metavar="DB", help="What is silent: so far below the loudest.")] = 40.0,
    keep: Annotated[float, typer.Option(metavar="SECONDS", help="Silence that stays at each end.")] = 0.1,
    loudness: Annotated[
        float | None, typer.Option(metavar="LUFS", help="Bring each utterance to this, such as -23; as it is without.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write every utterance of a manifest as 16 kHz mono 16-bit audio, once.

    What is done already is not done again, after an interruption too. Exits with 1 if an utterance could not be
    prepared; the report says which, and the new manifest is without it.
    """
    from melisma.cli.progress import progress
    from melisma.data import folder, recordings
    from melisma.data.preprocess import Settings, write
    from melisma.data.report import Report

    settings = Settings(format, trim, trim_db, keep, loudness)
    if loudness is not None:
        from melisma.data.loudness import Loudness

        Loudness(16000)  # a missing extra is one sentence, before anything is done
    place = report or output / "preprocess_report.json"
    check(manifest, output / "manifest.jsonl", place, or_folder=True)
    on = run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        given = folder.listed(manifest, output, executor=on, progress=told) if manifest.is_dir() else manifest
        made = write(found := recordings.read(given), output, settings, executor=on, progress=told)
    counts = {
        "recordings": len(found),
        "utterances": found.n_utterances,
        "prepared": made.n_made,
        "prepared_earlier": made.n_reused,
        "seconds_in": round(made.seconds_in, 2),
        "seconds_out": round(made.seconds_out, 2),
        "failed": found.n_utterances - made.n_made,
    }
    asked = {"format": format, "trim": trim, "trim_db": trim_db, "keep_s": keep, "lufs": loudness}
    finished = Report("data preprocess", asked, counts, made.problems)
    finish(finished, place, output / "manifest.jsonl", as_json=as_json, quiet=quiet)
    if counts["failed"]:
        raise typer.Exit(1)
