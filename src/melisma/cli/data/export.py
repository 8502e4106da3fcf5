"""`melisma data export`: a manifest as another program keeps corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.import_ import KINDS, kind_named
from melisma.cli.data.options import Manifest, check
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose


def export(
    kind: Annotated[str, typer.Argument(metavar=KINDS, help="How the corpus is laid out.")],
    manifest: Manifest,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")],
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a manifest as a Kaldi folder, a Common Voice table, an LJ-style folder, a Hugging Face or lhotse data set.

    Audio is named or linked, not copied. What a layout cannot say is one sentence, and nothing is written.
    """
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.data.exchange.kinds import export_manifest

    check(manifest)
    with progress(quiet=quiet, verbose=verbose) as shown:
        n = export_manifest(
            kind_named(kind), manifest, output, executor=run_on(executor, workers, preview), progress=shown
        )
    if as_json:
        print_json({"utterances": n, "output": str(output)})
    elif not quiet:
        typer.echo(f"wrote {output}: {n:,} utterances", err=True)
