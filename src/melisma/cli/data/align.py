"""`melisma data align`: a time for every word of a corpus, and whether enough of it could be timed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import Manifest, ReportFile, check, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.options import complete_engines, complete_languages
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melisma.data.align_corpus import Made
    from melisma.data.align_figures import Figures
    from melisma.data.report import Report

_MOST_LANGUAGES = 10  # that are named one by one


def align(
    manifest: Manifest,
    output: Annotated[Path, output_at(lambda at: at.outputs, "DIR", "Folder for a folder each and manifest.jsonl.")],
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="Engine that listens.", autocompletion=complete_engines)
    ] = "auto",
    language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Of all; what each utterance says without.", autocompletion=complete_languages
        ),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="Mean confidence of its words that an utterance must have.")
    ] = 0.5,
    min_words: Annotated[float, typer.Option(metavar="SHARE", help="Share of its words that must have a time.")] = 0.9,
    min_coverage: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="Share of utterances that must be aligned.")
    ] = 0.8,
    max_offset_ms: Annotated[
        float, typer.Option(min=0, metavar="MS", help="Mean distance to the word times that the manifest has.")
    ] = 200.0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Time every word of a manifest with an engine: JSON, LRC and text for each utterance, and a manifest with `words`.

    What is done already is not done again. Exits with 1 if less of the corpus could be aligned than --min-coverage, or
    its times lie further from those of the manifest than --max-offset-ms; the report is written all the same.
    """
    from melisma.cli.progress import progress
    from melisma.data import recordings
    from melisma.data.align_corpus import MANIFEST, Settings, write

    settings = Settings(engine, language, min_confidence, min_words)
    settings.check()
    place = report or output / "alignment_report.json"
    check(manifest, output / MANIFEST, place)
    found = recordings.read(manifest)
    with progress(quiet=quiet, verbose=verbose) as told:
        made = write(found, output, settings, executor=run_on(executor, workers, preview), progress=told)
    missed = _missed(made.figures, min_coverage, max_offset_ms)
    asked = {**asdict(settings), "min_coverage": min_coverage, "max_offset_ms": max_offset_ms}
    finish(_report(made, missed, asked), place, output / "manifest.jsonl", as_json=as_json, quiet=quiet)
    if not (quiet or as_json):
        _say_worst(made.figures, min_coverage)
    for sentence in missed:
        typer.echo(sentence, err=True)
    if missed:
        raise typer.Exit(1)


def _report(made: Made, missed: Sequence[str], asked: dict[str, Any]) -> Report:
    from melisma.data.report import Report

    counts = {
        **{key: value for key, value in made.figures.all.as_dict().items() if value is not None},
        "aligned_earlier": made.n_reused,
        "without_transcript": made.figures.n_without_transcript,
        "failed": len(made.problems),
    }
    details = {
        "languages": {code: each.as_dict() for code, each in sorted(made.figures.languages.items())},
        "offset": made.figures.offset(),
        "criterion": {"met": not missed, "missed": missed},
    }
    return Report("data align", asked, counts, made.problems, details)


def _say_worst(figures: Figures, min_coverage: float) -> None:
    """Name the languages of which less is aligned than is asked for, worst first."""
    worst = sorted((each.share, code) for code, each in figures.languages.items() if each.share < min_coverage)
    for _, code in worst[:_MOST_LANGUAGES]:
        each = figures.languages[code]
        typer.echo(f"  {code}: {each.covered:,} of {each.utterances:,} ({each.share:.1%})", err=True)


def _missed(figures: Figures, min_coverage: float, max_offset_ms: float) -> list[str]:
    """Return a sentence for each criterion that is missed."""
    missed = []
    if figures.all.share < min_coverage:
        missed.append(
            f"{figures.all.covered:,} of {figures.all.utterances:,} utterances could be aligned, "
            f"{figures.all.share:.1%}: {min_coverage:.0%} are asked for"
        )
    if figures.mean_off_ms is not None and figures.mean_off_ms >= max_offset_ms:
        missed.append(
            f"words start {figures.mean_off_ms:.0f} ms from the manifest's times on average: "
            f"less than {max_offset_ms:g} ms are asked for"
        )
    return missed
