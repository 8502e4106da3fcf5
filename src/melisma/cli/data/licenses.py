"""`melisma data licenses`: DATA_LICENSES.md, and whether a corpus may be used commercially."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import ReportFile, finish, output_at
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.licence_document import Inventory
    from melisma.data.report import Report


def licenses(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST…", help="JSONL, one utterance a line.")],
    output: Annotated[Path, output_at(lambda at: at.licences, "FILE", "The page to write.")],
    check: Annotated[
        str, typer.Option(metavar="commercial", help="Write no page: exit with 1 if anything forbids this use.")
    ] = "",
    vouch: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A licence of your own that allows commercial use.")
    ] = None,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say what manifests are made of, under which licences, what these ask, and how a source is removed.

    An utterance that is in several manifests counts once. What names no licence, or one that is not known, is not for
    commercial use.
    """
    from melisma.cli.progress import progress
    from melisma.core.errors import UnknownName
    from melisma.core.files import make_folder, write_atomically
    from melisma.data import places
    from melisma.data.licence_document import document, take
    from melisma.data.manifest import refuse_empty

    if check not in ("", "commercial"):
        raise UnknownName("use", check, ["commercial"])
    where = report or places.beside(output, "data_licenses_report.json")
    places.check(manifests, *(() if check else (output,)), *((where,) if report or not check else ()))
    for each in manifests:
        refuse_empty(each)
    with progress(quiet=quiet, verbose=verbose) as told:
        found = take(manifests, vouched=vouch or (), progress=told)
    done = _report(found, {"manifests": [str(each) for each in manifests], "check": check, "vouched": vouch or []})
    if not check:
        make_folder(output.parent)
        write_atomically(output, document(found, manifests).encode("utf-8", "backslashreplace"))
    if not check or report:
        finish(done, where, None if check else output, as_json=as_json, quiet=quiet)
    elif as_json:
        from melisma.cli.summary import print_json

        print_json(done.as_dict())
    if check and not found.taint.commercial:
        if not as_json:
            typer.echo(found.taint.why_not(at_most=20), err=True)
        raise typer.Exit(1)


def _report(found: Inventory, asked: dict[str, Any]) -> Report:
    from melisma.data.licences import UNKNOWN, Amount
    from melisma.data.report import Problem, Report

    offending = [
        Problem(source, "not commercial", f"{name}: {amount.clips:,} utterances, {amount.hours:.2f} h")
        for source, name, amount in found.taint.offending
    ]
    counts = {
        "utterances": found.taint.total.clips,
        "hours": found.taint.total.hours,
        "sources": len(found.taint.sources),
        "licences": len(found.taint.licences),
        "without_licence": found.taint.by_licence.get(UNKNOWN, Amount()).clips,
        "in_several_manifests": found.n_repeated,
    }
    return Report("data licenses", asked, counts, offending, found.taint.as_dict())
