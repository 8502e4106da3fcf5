"""`melisma data index`: check a manifest line by line, and make any of its lines known at once."""

from __future__ import annotations

import typer

from melisma.cli.data.options import Manifest
from melisma.cli.program import AsJson, Quiet, Verbose


def index(manifest: Manifest, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Check every line of a manifest, and that no id comes twice; keep where each line lies for whoever asks next.

    Other commands and trainings do so by themselves where it was not done, or the manifest has changed.
    """
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.data import overview
    from melisma.data.index import Index

    with progress(quiet=quiet, verbose=verbose) as told:
        opened = Index.open(manifest, told)
    opened.refuse_duplicates()
    facts = overview.of(opened)
    if as_json:
        print_json(facts.as_dict())
    elif not quiet:
        typer.echo(f"{facts.utterances:,} utterances, {facts.hours:,.2f} h, no fault; index in {opened.place}")
