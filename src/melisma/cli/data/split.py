"""`melisma data split`: training, validation and test that share nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import Manifest, ReportFile, Seed, check, finish, output_at
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.report import Problem
    from melisma.data.split_certificate import Certificate


def split(
    manifest: Manifest,
    output: Annotated[Path, output_at(lambda at: at.splits, "DIR", "Folder for the parts and split.json.")],
    valid: Annotated[float, typer.Option(metavar="SHARE", help="Of each language's audio, for validation.")] = 0.05,
    test: Annotated[float, typer.Option(metavar="SHARE", help="Of each language's audio, for the test.")] = 0.05,
    seed: Seed = 1,
    near_duplicates: Annotated[
        bool,
        typer.Option(help="Listen to every recording and keep copies together; without, the certificate says so."),
    ] = True,
    every_language: Annotated[
        bool, typer.Option("--every-language", help="Hold out a group of each language that has three or more.")
    ] = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Split a manifest into train.jsonl, valid.jsonl and test.jsonl that share no speaker, recording or copy of one.

    The same manifest and seed give the same files to the byte.
    """
    from melisma.cli.progress import progress
    from melisma.data.report import Report
    from melisma.data.split import PARTS, Settings
    from melisma.data.split import split as make

    settings = Settings(valid, test, seed, near_duplicates, every_language)
    place = report or output / "split_report.json"
    check(manifest, *(output / f"{name}.jsonl" for name in PARTS), output / "split.json", place)
    with progress(quiet=quiet, verbose=verbose) as told:
        made = make(manifest, output, settings, executor=run_on(executor, workers, preview), progress=told)
    asked = {"valid": valid, "test": test, "seed": seed, "near_duplicates": near_duplicates}
    details = {"languages": {name: {"shares": each.shares, "off": each.off} for name, each in made.languages.items()}}
    found = Report("data split", asked, _counts(made), _problems(made), details)
    finish(found, place, *(output / f"{name}.jsonl" for name in PARTS), as_json=as_json, quiet=quiet)


def _counts(made: Certificate) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for name, part in made.parts.items():
        counts |= {
            f"{name}_utterances": part.utterances,
            f"{name}_hours": part.hours,
            f"{name}_speakers": part.speakers,
        }
    return counts | {
        "languages": len(made.languages),
        "copies_kept_together": made.checked.near_duplicate_pairs,
        "utterances_without_speaker": made.checked.unknown_speakers,
        "texts_in_training_and_outside": made.checked.shared_texts,
    }


def _problems(made: Certificate) -> list[Problem]:
    from melisma.data.report import Problem

    return [
        Problem(name, "share", f"off by {each.off:.1%}: {each.why}")
        for name, each in sorted(made.languages.items(), key=lambda each: (-each[1].off, each[0]))
        if each.why
    ]
