"""`melisma data normalize`: transcripts as trainings take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.cli.progress import Progress
    from melisma.data.normalize import Asked, Made
    from melisma.data.report import Report
    from melisma.text.transcripts import Rules

_REPORT = "normalize_report.json"


def normalize(
    source: Annotated[Path, typer.Argument(metavar="MANIFEST|FOLDER", help="JSONL, or a folder of texts.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Manifest or folder to write; beside the input without."),
    ] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of texts that do not say theirs.")] = "",
    script: Annotated[
        str, typer.Option(metavar="latin|cyrillic", help="Write Serbian, Bosnian and Croatian in this script.")
    ] = "",
    punctuation: Annotated[str, typer.Option(metavar="drop|plain|keep", help="plain: of one kind.")] = "drop",
    case: Annotated[str, typer.Option(metavar="lower|keep", help="Of letters.")] = "lower",
    round_brackets: Annotated[
        str, typer.Option(metavar="notes|drop|keep", help="What stands in them: only notes go, all goes, all stays.")
    ] = "notes",
    repeats: Annotated[str, typer.Option(metavar="write|drop|keep", help="Lines with a mark such as (x2).")] = "write",
    skip: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Leave a rule out; more than once.")] = None,
    texts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With a manifest: write <id>.norm.txt there too.")
    ] = None,
    require: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="Of texts that must hold words.")
    ] = 0.95,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Normalise transcripts: what is said stays, as words; marks, notes, times and faults go.

    A manifest gets `norm` beside `transcript`, a folder `.norm.txt` beside each text. Doing it twice changes nothing.
    Exits with 1 if fewer of the texts hold words afterwards than `--require` says.
    """
    from melisma.cli.progress import progress
    from melisma.data.normalize import Asked

    rules = _rules(skip or [], script, punctuation, case, round_brackets, repeats)
    with progress(quiet=quiet, verbose=verbose) as told:
        made, place = _made(
            source, output, texts, report, Asked(rules, language, run_on(executor, workers, preview)), told
        )
    finished = _report(made, rules, {"language": language, "require": require})
    written = None if source.is_dir() else output or _beside(source)
    finish(finished, place, written, as_json=as_json, quiet=quiet)
    if made.share_clean < require:
        raise typer.Exit(1)


def _beside(manifest: Path) -> Path:
    return manifest.with_name(f"{manifest.stem}.norm.jsonl")


def _made(
    source: Path, output: Path | None, texts: Path | None, report: Path | None, asked: Asked, told: Progress
) -> tuple[Made, Path]:
    """Normalise, and say where the report goes."""
    from melisma.core.errors import InputError
    from melisma.data import places
    from melisma.data.normalize import of_folder, of_manifest

    if not source.is_dir():
        out = output or _beside(source)
        place = report or out.parent / _REPORT
        check(source, out, place)
        return of_manifest(source, out, asked, texts=texts, progress=told), place
    if texts is not None:
        raise InputError("--texts is for manifests: a folder's texts are written to the output")
    place = report or (output or source) / _REPORT
    places.check((), place)
    return of_folder(source, output or source, asked, progress=told), place


def _report(made: Made, rules: Rules, settings: dict[str, Any]) -> Report:
    from dataclasses import asdict

    from melisma.data.report import Report

    counts = {
        "texts": made.n_texts,
        "cleaned": made.n_clean,
        "share_cleaned": round(made.share_clean, 4),
        "changed": made.n_changed,
        "empty_before": made.n_empty_before,
        "with_figures_left": made.n_with_figures,
    }
    return Report("data normalize", {**asdict(rules), **settings}, counts, made.problems, made.details())


def _rules(skip: list[str], script: str, punctuation: str, case: str, round_brackets: str, repeats: str) -> Rules:
    from dataclasses import fields

    from melisma.core.errors import UnknownName
    from melisma.text.transcripts import Rules

    switches = [each.name for each in fields(Rules) if each.type == "bool"]
    for name in skip:
        if name not in switches:
            raise UnknownName("rule", name, switches)
    chosen = {"script": script, "punctuation": punctuation, "case": case, "round_brackets": round_brackets}
    off: dict[str, bool] = dict.fromkeys(skip, False)
    return Rules(**off, **chosen, repeats=repeats)  # type: ignore[arg-type]
