"""`melisma data filter`: some of the utterances of a manifest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import Manifest, ReportFile, Seed, check, finish
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.conditions import Condition
    from melisma.data.index import Index
    from melisma.data.report import Report
    from melisma.data.selection import Mask

Speakers = Annotated[list[str] | None, typer.Option(metavar="ID", help="This speaker; may come several times.")]
Sources = Annotated[list[str] | None, typer.Option(metavar="NAME", help="This source; may come several times.")]
Licences = Annotated[list[str] | None, typer.Option(metavar="SPDX", help="Under this licence; may come several times.")]
Languages = Annotated[
    list[str] | None, typer.Option(metavar="CODE", help="This language and its varieties; may come several times.")
]


def filter(
    manifest: Manifest,
    where: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONDITION]...", help="Such as 'duration < 15 and snr_db >= 20'; all must hold."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Manifest to write; - for standard output.")
    ] = Path("-"),
    language: Languages = None,
    min_s: Annotated[float | None, typer.Option(metavar="SECONDS", help="At least so long.")] = None,
    max_s: Annotated[float | None, typer.Option(metavar="SECONDS", help="At most so long.")] = None,
    speaker: Speakers = None,
    source: Sources = None,
    license: Licences = None,
    commercial: Annotated[bool, typer.Option("--commercial", help="Only what may be used commercially.")] = False,
    invert: Annotated[bool, typer.Option("--invert", help="Those that the conditions do not choose.")] = False,
    sample: Annotated[int | None, typer.Option(min=1, metavar="N", help="Draw so many of them.")] = None,
    share: Annotated[float | None, typer.Option(metavar="SHARE", help="Draw this share of them.")] = None,
    hours: Annotated[float | None, typer.Option(metavar="H", help="Draw at most so many hours of them.")] = None,
    seed: Seed = 1,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write those utterances of a manifest that meet all conditions, as they stand and in their order.

    A condition puts fields beside values by =, !=, <, <=, >, >=, ~ (holds these letters) or `in (a, b)`, or says
    `has FIELD`; and, or, not and parentheses join them. Any field of the manifest may be named.
    """
    from melisma.cli.progress import progress
    from melisma.data import places, selection
    from melisma.data.index import Index
    from melisma.data.manifest import write_lines
    from melisma.data.selection import Lot

    named = _named(language, speaker, source, license)
    conditions = _all(where or [], [*named, *selection.lasting(min_s, max_s)], commercial=commercial, invert=invert)
    lot = Lot(sample, share, hours, seed)
    lot.check()
    to_pipe = str(output) == "-"
    place = report or places.beside(output, f"{output.stem}_report.json")
    if not to_pipe:
        check(manifest, output, place)
    with progress(quiet=quiet, verbose=verbose) as told:
        index = Index.open(manifest, told)
        chosen = selection.choose(index, conditions, lot, told)
    if to_pipe:
        sys.stdout.buffer.writelines(line + b"\n" for line in selection.chosen_lines(index, chosen, None))
        return
    write_lines(output, selection.chosen_lines(index, chosen, output))
    asked = {"where": where or [], "language": language, "min_s": min_s, "max_s": max_s, "speaker": speaker}
    asked |= {"source": source, "license": license, "commercial": commercial, "invert": invert}
    asked |= {"sample": sample, "share": share, "hours": hours, "seed": seed}
    finish(_report(index, chosen, asked), place, output, as_json=as_json, quiet=quiet)


def _all(where: list[str], more: list[Condition], *, commercial: bool, invert: bool) -> list[Condition]:
    """Return all conditions, or the one that they are not all met."""
    from melisma.data import selection
    from melisma.data.conditions import All, parse

    conditions: list[Condition] = [*map(parse, where), *more, *([selection.commercial()] if commercial else [])]
    return [selection.without(All(tuple(conditions)))] if invert else conditions


def _named(
    language: list[str] | None, speaker: list[str] | None, source: list[str] | None, license: list[str] | None
) -> list[Condition]:
    """Return the conditions of the options that name what is wanted."""
    from melisma.data import selection

    found: list[Condition] = [selection.of_language(language)] if language else []
    found += [selection.one_of("speaker_id", speaker)] if speaker else []
    found += [selection.one_of("source", source)] if source else []
    return found + ([selection.of_licence(license)] if license else [])


def _report(index: Index, chosen: Mask, asked: dict[str, Any]) -> Report:
    from melisma.data.report import Report
    from melisma.data.split_certificate import lengths

    milliseconds = lengths(index)
    counts = {
        "utterances": len(index),
        "chosen": int(chosen.sum()),
        "chosen_hours": round(int(milliseconds[chosen].sum()) / 3_600_000, 4),
    }
    return Report("data filter", asked, counts)
