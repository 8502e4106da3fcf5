"""`melisma data inventory`: what lies in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import ReportFile, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def inventory(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings, in folders as deep as you like.")],
    output: Annotated[Path, output_at(lambda at: at.inventory, "FILE", "Table to write, CSV.")],
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a manifest too: the transcribed ones, copies left out.")
    ] = None,
    untranscribed: Annotated[
        bool, typer.Option("--untranscribed", help="Have recordings without a transcript in the manifest as well.")
    ] = False,
    small: Annotated[
        int, typer.Option(min=0, metavar="N", help="And a manifest of N utterances beside it, NAME_small.jsonl.")
    ] = 0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the recordings of a folder: size, length, format, transcript, language, hash, copies, provenance.

    A text beside a recording (NAME.txt, .lrc, .srt, .json …) is its transcript; NAME.info.json of yt-dlp,
    NAME.source.json and tables (metadata.csv, manifest.jsonl) say where it comes from. Nothing is moved or changed.
    """
    from melisma.cli.progress import progress
    from melisma.core.errors import InputError
    from melisma.data import inventory_files, places
    from melisma.data.inventory_files import Outputs
    from melisma.data.report import Report

    if (small or untranscribed) and manifest is None:
        raise InputError("--small and --untranscribed need --manifest FILE")
    place = report or places.beside(output, f"{output.stem}_report.json")
    small_one = inventory_files.small_beside(manifest) if manifest is not None and small else None
    places.check((), output, manifest, small_one, place)
    wanted, on = Outputs(output, manifest, untranscribed), run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        found, n_lines = inventory_files.write(folder, wanted, executor=on, progress=told)
    details: dict[str, object] = {
        "table": str(output),
        "hours_by_language": {name: round(hours, 4) for name, hours in sorted(found.hours.items())},
        "recordings_by_licence": dict(found.licences.most_common()),
    }
    counts: dict[str, int | float] = {
        name: found.counts[name] for name in ("files", "with_transcript", "duplicates", "unreadable")
    }
    counts["hours"] = round(sum(found.hours.values()), 3)
    if manifest is not None:
        counts["manifest_lines"] = n_lines
        details["manifest"] = str(manifest)
        if small:
            details["small_manifest"] = str(inventory_files.write_small(manifest, small))
    asked = {"folder": str(folder), "untranscribed": untranscribed, "small": small}
    done = Report("data inventory", asked, counts, found.problems, details)
    if not (quiet or as_json):
        _tell([output, *(Path(str(details[name])) for name in ("manifest", "small_manifest") if name in details)])
        _warn_of_none(n_lines if manifest is not None else None)
    finish(done, place, as_json=as_json, quiet=quiet)


def _warn_of_none(n_lines: int | None) -> None:
    if n_lines == 0:
        said = "no recording has a transcript: a text lies beside it under its name, or take --untranscribed"
        typer.echo(f"warning: {said}", err=True)


def _tell(written: list[Path]) -> None:
    for path in written:
        typer.echo(f"wrote {path}", err=True)
