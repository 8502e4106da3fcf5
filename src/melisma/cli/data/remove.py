"""`melisma data remove`: a source goes, and all that was made of it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import Apply, ReportFile, finish
from melisma.cli.program import AsJson, Quiet, Verbose


def remove(
    roots: Annotated[list[Path] | None, typer.Argument(metavar="ROOT…", help="Folders with all of the corpus.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A source or address; * stands for anything.")
    ] = None,
    id: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="An utterance.")] = None,
    licence: Annotated[list[str] | None, typer.Option("--license", metavar="NAME", help="All under a licence.")] = None,
    apply: Apply = False,
    undo: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Bring a removal back: ROOT/.removed/N.", show_default=False)
    ] = None,
    purge: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Delete for good what a removal took out.", show_default=False)
    ] = None,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take out utterances, and whatever was made of them: lines of all manifests, audio, texts, alignments, journals.

    Models that were trained on them are named and marked. Without --apply it only says what it would do; what was
    taken out lies in ROOT/.removed/N until --purge.
    """
    from melisma.cli.progress import progress
    from melisma.core.errors import InputError
    from melisma.data import places
    from melisma.data.removal.choose import Selection
    from melisma.data.removal.run import REPORT
    from melisma.data.removal.run import remove as run

    if sum((undo is not None, purge is not None, bool(source or id or licence))) != 1:
        raise InputError("say what is to be removed (--source, --id, --license), or --undo or --purge a removal")
    if undo is not None or purge is not None:
        _settle(undo, purge, quiet=quiet)
        return
    if not roots:
        raise InputError("name the folder, or folders, that hold the corpus")
    selection = Selection(tuple(source or ()), tuple(id or ()), tuple(licence or ()))
    places.check((), report)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = run(selection, roots, apply=apply, progress=told)
    finish(found.report(), report or roots[0] / REPORT, as_json=as_json, quiet=quiet)
    for folder in () if quiet else found.folders:
        typer.echo(f"to bring it back: melisma data remove --undo {shlex.quote(str(folder))}", err=True)
    if found.problems or not found.n_utterances:
        raise typer.Exit(1)


def _settle(undo: Path | None, purge: Path | None, *, quiet: bool) -> None:
    """Bring a removal back, or make it final."""
    from melisma.cli.summary import shown
    from melisma.data.removal import carry_out

    folder = Path(os.path.abspath(undo or purge or ""))
    carry_out.check(folder)
    with carry_out.alone(folder.parents[1]):
        if undo is None:
            n_files, n_bytes = carry_out.purge(folder)
            said = f"deleted {n_files:,} files, {n_bytes / 1e6:,.1f} MB"
        else:
            problems = carry_out.undo(folder)
            for problem in problems:
                typer.echo(shown(f"  {problem.item}: {problem.message}"), err=True)
            if problems:
                raise typer.Exit(1)
            said = "everything is back where it was"
    if not quiet:
        typer.echo(said)
