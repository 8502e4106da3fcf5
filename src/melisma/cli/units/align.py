"""`melisma units align`: when each phone of a transcript sounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import Manifest, ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def align(
    manifest: Manifest,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="JSON lines to write.")],
    language: Annotated[
        str | None, typer.Option("--language", "-l", metavar="CODE", help="Of all; what each says without.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Time the phones of transcripts with the embedded network, for units to be held against.

    Each line has the id of an utterance and its phones as [phone, start, end], seconds from its beginning: what
    --alignments of units fit and units sweep-layers takes. What has no transcript is passed over. Exits with 1 if
    others could not be aligned; the report says which.
    """
    from melisma.cli.progress import progress
    from melisma.data import places, recordings
    from melisma.data.report import Report
    from melisma.data.units import phones

    place = report or places.beside(output, f"{output.stem}_report.json")
    check(manifest, output, place)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = recordings.read(manifest)
        made = phones.write(
            found, output, language=language, executor=run_on(executor, workers, preview), progress=told
        )
    counts = {
        "utterances": found.n_utterances,
        "aligned": made.n_aligned,
        "aligned_earlier": made.n_reused,
        "without_a_transcript": made.n_without_transcript,
        "failed": len(made.problems),
        "phones": made.n_phones,
    }
    said = Report("units align", {"language": language}, counts, made.problems)
    finish(said, place, output, as_json=as_json, quiet=quiet)
    if made.problems:
        raise typer.Exit(1)
