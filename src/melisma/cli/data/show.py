"""`melisma data show`: what a manifest holds, or some of its utterances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Manifest, Seed
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melisma.data.index import Index
    from melisma.data.overview import Overview, Row

_ROWS = 20  # of a table; the rest is summed up


def show(
    manifest: Manifest,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Utterances to print as JSON.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, metavar="N", help="Print so many, drawn by lot.")] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what a manifest holds: hours by language, licence and source; or print the utterances of some ids."""
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.data import overview
    from melisma.data.index import Index

    with progress(quiet=quiet, verbose=verbose) as told:
        index = Index.open(manifest, told)
    if ids or sample:
        _print_utterances(index, ids or (), sample or 0, seed)
        return
    facts = overview.of(index)
    if as_json:
        print_json(facts.as_dict())
    else:
        _print_overview(facts)


def _print_utterances(index: Index, ids: Sequence[str], n: int, seed: int) -> None:
    import numpy as np

    from melisma.cli.summary import print_json
    from melisma.core.errors import NotFound
    from melisma.data import manifest
    from melisma.data.selection import Lot, choose

    places = []
    for id in ids:
        if (at := index.find(id)) is None:
            raise NotFound("utterance", id)
        places.append(at)
    places += np.flatnonzero(choose(index, (), Lot(sample=n, seed=seed))).tolist() if n else []
    for at in places:
        utterance = index[at]
        path = manifest.audio_path(index.path, utterance)
        line = int(index.column("line")[at])
        print_json({**utterance.model_dump(exclude_defaults=True), "line": line, "path": str(path)})
        if not path.is_file():
            typer.echo(f"there is no file {str(path)!a}", err=True)


def _print_overview(facts: Overview) -> None:
    from melisma.cli.summary import print_table

    length = facts.duration_s
    typer.echo(f"{facts.utterances:,} utterances in {facts.recordings:,} recordings, {facts.hours:,.2f} h")
    typer.echo(f"{facts.speakers:,} speakers; {facts.without_speaker:,} utterances name none")
    typer.echo(f"{facts.without_transcript:,} without transcript")
    typer.echo(
        f"from {length['shortest']:g} to {length['longest']:g} s long, half of them up to {length['median']:g} s, "
        f"19 of 20 up to {length['p95']:g} s"
    )
    typer.echo(f"may {'' if facts.commercial else 'not all '}be used commercially")
    for title, rows in (("language", facts.languages), ("licence", facts.licences), ("source", facts.sources)):
        typer.echo("")
        print_table([(title, "utterances", "hours", "speakers"), *map(_row, rows[:_ROWS])])
        if len(rows) > _ROWS:
            typer.echo(f"… and {len(rows) - _ROWS:,} more")


def _row(row: Row) -> tuple[str, str, str, str]:
    return row.name or "(not known)", f"{row.utterances:,}", f"{row.hours:,.2f}", f"{row.speakers:,}"
