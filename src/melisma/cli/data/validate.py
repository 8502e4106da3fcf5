"""`melisma data validate`: which lines of a manifest a training can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import Manifest, ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def validate(
    manifest: Manifest,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the lines that pass, as they are.")
    ] = None,
    allow: Annotated[
        str, typer.Option(metavar="KINDS", help="Problems with which a line passes all the same, parted by commas.")
    ] = "",
    min_s: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Shortest that passes.")] = 1.0,
    max_s: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest that passes.")] = 900.0,
    max_clipped: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="Of the samples that may be cut off.")
    ] = 0.001,
    silent_db: Annotated[
        float, typer.Option(max=0, metavar="DB", help="Where nothing is louder, nothing is heard.")
    ] = -60.0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check every line of a manifest: the file, its sound, its length, its text, and whether they fit together.

    Nothing is changed. Without -o, exits with 1 if a line does not pass. Kinds of problems: line, id, missing,
    unreadable, span, duration, short, long, silent, clipped, transcript, encoding, script, rate, words.
    """
    from dataclasses import asdict

    from melisma.cli.progress import progress
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError
    from melisma.data import places
    from melisma.data.checks import Limits, kinds_named
    from melisma.data.report import Report
    from melisma.data.validate import sort_out

    allowed = kinds_named(allow)
    if min_s > max_s:
        raise InputError(f"--min-s {min_s:g} is more than --max-s {max_s:g}")
    limits = Limits(min_s, max_s, silent_db, max_clipped)
    place = report or Artifacts.of().validation
    check(manifest, output, place)
    journal = places.beside(place, f".{place.name}.journal")
    on = run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = sort_out(manifest, output, limits, allowed, executor=on, journal=journal, progress=told)
    if output is not None and not (quiet or as_json):
        typer.echo(f"wrote {output}", err=True)
    asked = {"manifest": str(manifest), "allowed": allowed, **asdict(limits)}
    finish(
        Report("data validate", asked, found.counts, found.problems, found.details), place, as_json=as_json, quiet=quiet
    )
    if output is None and found.n_passed < found.n_lines:
        raise typer.Exit(1)
