"""`melisma data dedupe`: recordings that are there more than once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Apply, ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.report import Report


def dedupe(
    target: Annotated[
        Path | None, typer.Argument(metavar="[MANIFEST|FOLDER]", help="JSONL, or a folder of recordings.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the manifest without the copies.")
    ] = None,
    duplicates: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where copies go; duplicates/ in the recordings' folder without.")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare bytes only; nothing is decoded.")] = False,
    near: Annotated[
        float, typer.Option(min=0.25, max=1, metavar="SHARE", help="From which two recordings are one; 1 is the same.")
    ] = 0.3,
    parts: Annotated[bool, typer.Option("--parts", help="Take pieces of longer recordings for copies too.")] = False,
    apply: Apply = False,
    undo: Annotated[
        Path | None, typer.Option(metavar="JOURNAL", help="Put back what was moved: duplicates/moves-1.jsonl.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find recordings that are there twice: the same bytes, the same sound, or nearly the same sound.

    With --apply, files of copies move to duplicates/, with their texts; --undo puts them back. Without, it is only
    said what would be done; -o writes the manifest without copies in either case.
    """
    from melisma.cli.progress import progress
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError
    from melisma.data import places, set_aside
    from melisma.data.dedupe import Search

    if (target is None) == (undo is None):
        raise InputError("give a manifest or a folder, or --undo JOURNAL")
    place = report or Artifacts.of().manifests / "dedupe_report.json"
    places.check([each for each in (target, undo) if each is not None], output, place)
    if target is None or undo is not None:
        _put_back(undo or Path(), place, as_json=as_json, quiet=quiet)
        return
    if not target.is_dir():
        check(target)
    elif output is not None:
        raise InputError("-o writes a manifest without copies, which needs a manifest to begin with")
    asked = set_aside.Asked(target, Search(exact, near, parts), duplicates, apply, output)
    journal, on = places.beside(place, f".{place.name}.journal"), run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = set_aside.run(asked, journal, executor=on, progress=told)
    set_aside.mention(place.with_name("validation_report.json"), found)
    if not (quiet or as_json):
        _say(found, output)
    finish(found, place, as_json=as_json, quiet=quiet)


def _say(found: Report, output: Path | None) -> None:
    """Say what was written, and how what was moved comes back."""
    if output is not None:
        typer.echo(f"wrote {output}", err=True)
    if "undo" in found.details:
        undo_by = shlex.quote(str(found.details["undo"]))
        typer.echo(f"put them back with: melisma data dedupe --undo {undo_by}", err=True)


def _put_back(journal: Path, place: Path, *, as_json: bool, quiet: bool) -> None:
    from melisma.data import moves
    from melisma.data.report import Report

    back = moves.undo(journal)
    found = Report("data dedupe", {"undo": str(journal)}, {"put_back": back.n_moved}, back.problems)
    finish(found, place, as_json=as_json, quiet=quiet)
    if back.problems:
        raise typer.Exit(1)
