"""`melisma report`: a training of Whisper and its evaluations → one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.program import Quiet, Verbose

if TYPE_CHECKING:
    from melisma.core.artifacts import Artifacts
    from melisma.evaluate.asr_report.evaluations import Evaluated
    from melisma.evaluate.asr_report.run_files import RunFiles


def report(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A training, by name or folder; or the name of an evaluation.")
    ],
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            "--eval",
            metavar="FILE",
            help="What melisma eval asr wrote; several times for several. By default manifests/eval_<run>.json.",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="Another training, shown beside it; several times for several."),
    ] = None,
    clips: Annotated[int, typer.Option(metavar="N", min=0, max=500, help="Worst clips that are shown.")] = 24,
    audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Put the sound of the clips into the page.")] = True,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where index.html goes; by default reports/<run>."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw a training and its evaluation: curves, error rates, confusions, worst clips, other runs.

    The page is one file that needs no network. With --audio it holds recordings: mind their licences before it is
    passed on.
    """
    from melisma.cli.progress import progress
    from melisma.core.artifacts import Artifacts
    from melisma.evaluate.asr_report import page

    artifacts = Artifacts.of()
    files, models = _run(run, evaluation, artifacts)
    others: list[RunFiles] = []
    for name in compare or ():
        other, found = _run(name, None, artifacts)
        if other in (files, *others):
            continue
        others.append(other)
        models += [each for each in found if each.label not in {known.label for known in models}]
    drawn = page.Report(files, tuple(models), tuple(others), clips, audio)
    with progress(quiet=quiet, verbose=verbose) as tell:
        path = page.write(drawn, output or artifacts.report(files.name), lambda done: tell("clips", 100 * done))
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def _run(run: str, given: list[Path] | None, artifacts: Artifacts) -> tuple[RunFiles, list[Evaluated]]:
    """Read a training and its evaluations.

    Raises
    ------
    InputError
        If there is neither.
    """
    from melisma.core.errors import InputError
    from melisma.evaluate.asr_report import evaluations, run_files

    name, folder = run_files.folder_of(run, artifacts)
    usual = artifacts.evaluation(name)
    paths = given or ([usual] if usual.is_file() else [])
    files = run_files.read(name, folder, artifacts.log(name))
    if not (paths or files.known):
        raise InputError(
            f"there is no training {name} in {folder.parent}, and no {usual.name} in {usual.parent}: "
            "train it, or say what melisma eval asr wrote with --eval"
        )
    return files, evaluations.read(paths, name)
