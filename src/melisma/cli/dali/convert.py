"""`melisma dali convert`: DALI's gzipped pickles, read without running them, as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.dali.options import converted
from melisma.cli.data.options import ReportFile, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def convert(
    output: Annotated[Path, output_at(converted, "DIR", "Where the JSON goes.")],
    annotations: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Folder of DALI's .gz files; MELISMA_DALI, or DALI_v1.0, without it."),
    ] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="DALI's table of times that a person has set, gt_v1.0_….gz.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report_file: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert DALI's annotations to JSON, once, and list what is wrong with each.

    A .gz file of DALI is a program that Python runs when it is unpickled; here its instructions are read and never run.
    What is converted already is not converted again. Exits with 1 if a file was refused; the report says which and why.
    """
    from melisma.cli.progress import progress
    from melisma.data.dali.service import convert as convert_folder

    folder = annotations or Path(os.environ.get("MELISMA_DALI") or "DALI_v1.0")
    with progress(quiet=quiet, verbose=verbose) as told:
        report = convert_folder(
            folder, output, ground_truth=ground_truth, executor=run_on(executor, workers, preview), progress=told
        )
    finish(report, report_file or output / "conversion_report.json", as_json=as_json, quiet=quiet)
    if report.counts["refused"]:
        raise typer.Exit(1)
