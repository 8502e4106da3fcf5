"""Options that the corpus commands share, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.core.artifacts import Artifacts

if TYPE_CHECKING:
    from melisma.data.report import Report

Manifest = Annotated[Path, typer.Argument(metavar="MANIFEST", help="JSONL, one utterance a line.")]
Out = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Manifest to write.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Processes; as many as cores.")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this, only say what would be done.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Another seed draws otherwise.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Where the JSON report goes; beside the output without.")
]


def output_at(place: Callable[[Artifacts], Path], metavar: str, help: str) -> Any:
    """Return the option `--output`, which names a place under MELISMA_ROOT unless it is given."""
    return typer.Option(
        "--output",
        "-o",
        metavar=metavar,
        help=help,
        default_factory=lambda: place(Artifacts.of()),
        show_default=place(Artifacts()).as_posix(),
    )


def check(manifest: Path, *written: Path | None, or_folder: bool = False) -> None:
    """Refuse a manifest that holds nothing, and files to write that are the manifest or cannot be written."""
    from melisma.data import places
    from melisma.data.manifest import refuse_empty

    places.check([manifest], *written)
    if not (or_folder and manifest.is_dir()):
        refuse_empty(manifest)


def finish(report: Report, path: Path, *written: Path | None, as_json: bool, quiet: bool) -> None:
    """Write the report and say in a few lines what happened, and which other files have been written."""
    from melisma.cli.summary import print_json, shown

    report.write(path)
    if as_json:
        print_json(report.as_dict())
        return
    if quiet:
        return
    for name, value in report.counts.items():
        typer.echo(f"{name.replace('_', ' ')}: {value:{',' if isinstance(value, int) else '.4g'}}")
    for problem in list(report.problems)[:10]:
        typer.echo(shown(f"  {problem.item}: {problem.message}"), err=True)
    if len(report.problems) > 10:
        typer.echo(f"  … and {len(report.problems) - 10:,} more, in {path}", err=True)
    if not report.applied:
        typer.echo("nothing was moved: run it again with --apply", err=True)
    for each in (*written, path):
        if each is not None:
            typer.echo(f"wrote {each}", err=True)
