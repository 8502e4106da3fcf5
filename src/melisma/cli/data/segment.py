"""`melisma data segment`: long recordings into pieces that trainings take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.batch import How
from melisma.cli.data.options import ReportFile, check, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.folder import About
    from melisma.data.segment import Made, Settings


def segment(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST|FOLDER", help="JSONL, or a folder of recordings.")],
    output: Annotated[Path, output_at(lambda at: at.data / "segments", "DIR", "Folder for audio/ and manifest.jsonl.")],
    by: Annotated[str, typer.Option(metavar="silence|voice|words|lines", help="Where to cut.")] = "silence",
    silence_db: Annotated[float, typer.Option(metavar="DB", help="What is silent: below this level.")] = -40.0,
    relative: Annotated[bool, typer.Option("--relative", help="Count the level from the loudest.")] = False,
    pause: Annotated[float, typer.Option(metavar="SECONDS", help="A pause is at least that long.")] = 0.5,
    voice: Annotated[float, typer.Option(metavar="P", help="Probability from which on a voice is heard.")] = 0.3,
    shortest: Annotated[float, typer.Option("--min", metavar="SECONDS", help="Shorter ones join or go.")] = 1.0,
    longest: Annotated[float, typer.Option("--max", metavar="SECONDS", help="Longer ones are cut.")] = 30.0,
    target: Annotated[float, typer.Option(metavar="SECONDS", help="What chunks of words come near.")] = 15.0,
    padding: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of each pause at both ends; 0.1, and 0.3 by voice.")
    ] = None,
    format: Annotated[str, typer.Option(metavar="wav|flac", help="Of the files; both are exact.")] = "wav",
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cut recordings at pauses or between timed words, never through a word.

    Each segment is a 16 kHz mono 16-bit file and an utterance of the new manifest, with its words and its part of the
    transcript. Exits with 1 if a recording could not be cut; the report says which.
    """
    from melisma.data.pieces import Lengths
    from melisma.data.segment import Settings

    if padding is None:
        padding = 0.3 if by == "voice" else 0.1  # a voice is heard a little late, and not in its last breath
    lengths = Lengths(shortest, longest, target, padding)
    settings = Settings(by, silence_db, relative, pause, voice, lengths, format)
    how = How(executor, workers, preview, report, as_json, quiet, verbose)
    cut("data segment", manifest, output, settings, how)


def cut(command: str, source: Path, output: Path, settings: Settings, how: How, about: About | None = None) -> None:
    """Cut a manifest, or a folder of which something is known, and report what became of it.

    Raises
    ------
    typer.Exit
        With 1, if a recording could not be cut.
    """
    from dataclasses import asdict

    from melisma.cli.progress import progress
    from melisma.data import folder, recordings
    from melisma.data.report import Report
    from melisma.data.segment import write

    place = how.report or output / "segment_report.json"
    check(source, output / "manifest.jsonl", place, or_folder=True)
    on = run_on(how.executor, how.workers, how.preview)
    with progress(quiet=how.quiet, verbose=how.verbose) as told:
        given = folder.listed(source, output, about, executor=on, progress=told) if source.is_dir() else source
        found = recordings.read(given)
        made = write(found, output, settings, executor=on, progress=told)
    finished = Report(command, asdict(settings), _counts(made, found.n_utterances), made.problems, _lengths(made))
    finish(finished, place, output / "manifest.jsonl", as_json=how.as_json, quiet=how.quiet)
    if made.n_failed:
        raise typer.Exit(1)


def _counts(made: Made, n_utterances: int) -> dict[str, int | float]:
    return {
        "utterances": n_utterances,
        "segments": len(made.lengths_s),
        "segments_made_earlier": made.n_reused,
        "seconds_in": round(made.seconds_in, 2),
        "seconds_out": round(sum(made.lengths_s), 2),
        "pieces_dropped": made.n_dropped,
        "seconds_dropped": round(made.seconds_dropped, 2),
        "words": made.n_words,
        "words_left_out": made.n_words_left_out,
        "failed": made.n_failed,
    }


def _lengths(made: Made) -> dict[str, Any]:
    import numpy as np

    if not made.lengths_s:
        return {"lengths": {}}
    seconds = np.array(made.lengths_s)
    edges = np.arange(0, seconds.max() + 5, 5)
    shares = dict(zip(("p5", "p50", "p95"), np.percentile(seconds, (5, 50, 95)).round(2).tolist(), strict=True))
    counted = np.histogram(seconds, np.append(edges, edges[-1] + 5))[0]
    histogram = {f"{int(a)}-{int(a) + 5} s": int(n) for a, n in zip(edges, counted, strict=True) if n}
    about = {"mean": round(float(seconds.mean()), 2), "min": round(float(seconds.min()), 3)}
    return {"lengths": {**about, **shares, "max": round(float(seconds.max()), 3), "histogram": histogram}}
