"""`melisma data import`: a corpus that another program keeps, as a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Out, ReportFile, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.exchange.kinds import Kind

KINDS = "kaldi|common-voice|lj|huggingface|lhotse"


def import_(
    kind: Annotated[str, typer.Argument(metavar=KINDS, help="How the corpus is laid out.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Its folder or table.")],
    output: Out,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of utterances that name none.")] = "und",
    license: Annotated[str, typer.Option(metavar="SPDX", help="Of utterances that name none.")] = "",
    source_name: Annotated[str, typer.Option("--source", metavar="NAME", help="The name of the corpus.")] = "",
    speaker: Annotated[str, typer.Option(metavar="ID", help="Of utterances that name none.")] = "",
    audio_root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where relative paths of audio start, if not at the source.")
    ] = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a manifest of a Kaldi folder, a Common Voice table, an LJ-style folder, a Hugging Face or lhotse data set.

    Audio stays where it is. Commands that such files may hold are never run. Exits with 1 if audio is missing; the
    report says of which utterances, and the manifest is without them.
    """
    from melisma.cli.progress import progress
    from melisma.data import places
    from melisma.data.exchange.drafts import Defaults
    from melisma.data.exchange.kinds import import_corpus
    from melisma.data.report import Report

    place = report or places.beside(output, f"{output.stem}_report.json")
    places.check([source], output, place)
    defaults = Defaults(language, license, source_name, speaker, audio_root)
    with progress(quiet=quiet, verbose=verbose) as shown:
        n, told = import_corpus(
            kind_named(kind), source, output, defaults, executor=run_on(executor, workers, preview), progress=shown
        )
    asked = {"kind": kind, "language": language, "license": license, "source": source_name, "speaker": speaker}
    found = Report(
        "data import", asked, {"utterances": n, "left_out": told.n, "renamed": told.n_renamed}, told.problems
    )
    finish(found, place, output, as_json=as_json, quiet=quiet)
    if told.n:
        raise typer.Exit(1)


def kind_named(name: str) -> Kind:
    """Return a layout by its name."""
    from melisma.core.errors import UnknownName
    from melisma.data.exchange.kinds import Kind

    try:
        return Kind(name)
    except ValueError as error:
        raise UnknownName("layout of a corpus", name, list(Kind)) from error
