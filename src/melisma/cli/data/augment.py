"""`melisma data augment`: hear what a recipe does, or make changed copies of a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Manifest, ReportFile, Seed, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.summary import shown

if TYPE_CHECKING:
    from melisma.data.augment.offline import Made
    from melisma.data.augment.recipe import Recipe


def augment(
    manifest: Manifest,
    recipe: Annotated[
        Path, typer.Option("--recipe", "-r", metavar="YAML", help="Effects, such as configs/augment.yaml.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for what is made.")],
    noise: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Sounds to mix in, with a manifest.jsonl or without.")
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=10_000, metavar="N", help="Clips to try.")] = 10,
    everything: Annotated[
        bool, typer.Option("--all", help="Make copies of the whole manifest instead, and a manifest of them.")
    ] = False,
    copies: Annotated[int, typer.Option(metavar="N", help="Copies of each utterance, with --all.")] = 1,
    seed: Seed = 0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Apply an augmentation recipe to a few clips, to listen to (before/ and audio/), or to a whole manifest (--all).

    Trainings apply the recipe by themselves, anew each epoch: melisma train ctc --augment. Exits with 1 if a clip could
    not be read.
    """
    from melisma.cli.progress import progress
    from melisma.data import places, recordings
    from melisma.data.augment import offline
    from melisma.data.augment.recipe import Recipe

    read = Recipe.read(recipe)
    settings = offline.Settings(read, seed, copies if everything else 1, before=not everything)
    place = report or output / "augment_report.json"
    places.check([recipe], place)
    check(manifest, output / offline.MANIFEST, place)
    found = recordings.read(manifest)
    settings = offline.Settings(_with_sounds(read, noise, output), seed, settings.copies, settings.before)
    if not everything:
        found = recordings.read(offline.chosen(manifest, number, seed, output))
    with progress(quiet=quiet, verbose=verbose) as told:
        made = offline.write(found, output, settings, executor=run_on(executor, workers, preview), progress=told)
    asked = {
        "recipe": str(recipe),
        "fingerprint": settings.recipe.fingerprint(),
        "seed": seed,
        "copies": settings.copies,
    }
    _finish(made, asked, place, as_json=as_json, quiet=quiet)


def _with_sounds(recipe: Recipe, noise: Path | None, output: Path) -> Recipe:
    """Return the recipe with the sounds of a folder, decoded into a hidden folder of the output."""
    from melisma.data.augment.sounds import Sounds

    return recipe if noise is None else recipe.with_sounds(Sounds.prepare(noise, output / ".sounds"))


def _finish(made: Made, asked: dict[str, object], path: Path, *, as_json: bool, quiet: bool) -> None:
    from melisma.data.augment.offline import said
    from melisma.data.report import Report

    failed = sum(problem.kind == "unreadable" for problem in made.problems)
    counts = {
        "copies": made.n_copies,
        "made_earlier": made.n_reused,
        "seconds_in": round(made.seconds_in, 2),
        "seconds_out": round(made.seconds_out, 2),
        "failed": failed,
    }
    if not (quiet or as_json):
        for name, applied in made.clips.items():
            typer.echo(shown(f"{name}: {said(applied)}"))
    details = {"effects": made.effects} | ({"clips": made.clips} if made.clips else {})
    finish(Report("data augment", asked, counts, made.problems, details), path, as_json=as_json, quiet=quiet)
    if failed:
        raise typer.Exit(1)
