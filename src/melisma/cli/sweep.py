"""`melisma sweep`: search for the settings of a training, and look at what was found."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.train_ctc import Device, Noise, Workers

if TYPE_CHECKING:
    from melisma.core.artifacts import Artifacts
    from melisma.train.sweep.space import Space
    from melisma.train.sweep.trial import Results

_STORAGE = "MELISMA_SWEEP_STORAGE"
_RUN = "run"


class _Sweep(TyperGroup):
    """A group whose first word may be a file, for which `run` need not be written."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [_RUN, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Sweep,
    help="Search for the settings of a training (needs melisma[train,sweep]): melisma sweep SPACE TRAIN --valid VALID.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# One name for each option, so that the commands themselves can be read.
SpaceFile = Annotated[Path, typer.Argument(metavar="SPACE", help="TOML: [base], and the range of each setting.")]
Train = Annotated[Path, typer.Argument(metavar="TRAIN", help="Manifest to learn from: JSONL, an utterance a line.")]
Valid = Annotated[Path, typer.Option(metavar="MANIFEST", help="Held out: other speakers, other recordings.")]
StudyOption = Annotated[str | None, typer.Option(metavar="NAME", help="Its name; that of SPACE without one.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar=_STORAGE,
        help="sqlite:///file or postgresql://user@host/base; sweeps/STUDY/study.sqlite without one.",
    ),
]
Trials = Annotated[int | None, typer.Option(min=1, metavar="N", help="Trials of the study in all; those of SPACE.")]
Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Trials at once, a process each.")]
Backend = Annotated[str, typer.Option(metavar="NAME", help="optuna, or ray (needs melisma[ray]).")]
Seed = Annotated[int | None, typer.Option(min=0, metavar="N", help="Another seed draws otherwise.")]
Augment = Annotated[
    Path | None, typer.Option(metavar="YAML", help="Recipe of every trial, where SPACE does not choose among some.")
]
Folder = Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to; sweeps/STUDY without.")]


@app.command(_RUN)
def run(
    space: SpaceFile,
    train: Train,
    valid: Valid,
    study: StudyOption = None,
    storage: Storage = None,
    trials: Trials = None,
    jobs: Jobs = 1,
    backend: Backend = "optuna",
    seed: Seed = None,
    augment: Augment = None,
    noise: Noise = None,
    device: Device = "auto",
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train with settings that are drawn from SPACE, each trial a run of its own, and keep the best.

    Goes on where it was killed. Several of these commands on one storage, on one machine or many, share the work.
    """
    asked = dict(locals())
    _require(backend)
    from melisma.train.sweep.space import Space

    searched = Space.read(space).with_settings(trials, seed)
    artifacts, name = _named(study or space.stem)
    objective = _objective(asked, name, searched, artifacts)

    def say(sentence: str) -> None:
        if not quiet:
            typer.echo(sentence, err=True)

    url = _url(storage, name, artifacts)
    try:
        if backend == "ray":
            from melisma.train.sweep.ray_tune import RayTeam

            shared = device in ("auto", "cuda")
            found = RayTeam(name, searched, objective, jobs, artifacts.sweep(name), shared).run(say)
        else:
            from melisma.train.sweep.search import Search
            from melisma.train.sweep.workers import Team, visible_gpus

            gpus = visible_gpus() if jobs > 1 and device in ("auto", "cuda") else ()
            found = Team(Search(name, url, searched, searched.settings.trials), objective, jobs, gpus).run(say)
    except KeyboardInterrupt:
        say(f"the same command goes on with {name}")
        raise
    _finish(found, artifacts, as_json, quiet)


@app.command()
def show(
    study: Study, storage: Storage = None, as_json: AsJson = False, quiet: Quiet = False, verbose: Verbose = False
) -> None:
    """Print the trials of a study, the best first."""
    from melisma.cli.summary import print_json, print_table
    from melisma.train.sweep import results

    artifacts, name = _named(study)
    found = _results(name, storage, artifacts)
    if as_json:
        print_json(found.to_dict())
        return
    print_table(results.rows(found))
    if not quiet:
        typer.echo(results.summary(found), err=True)


@app.command()
def plot(
    study: Study,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Picture: .png or .svg.")
    ] = None,
    storage: Storage = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw a study: its trials in order, their ways there, and the word error rate against each setting."""
    from melisma.core.files import make_folder
    from melisma.train.sweep.plot import plot as draw
    from melisma.train.sweep.results import PICTURE

    artifacts, name = _named(study)
    path = output or artifacts.sweep(name) / PICTURE
    found = _results(name, storage, artifacts)
    make_folder(path.parent)
    draw(found, path)
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


@app.command()
def best(
    study: Study,
    output: Folder = None,
    storage: Storage = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the best settings as files that melisma train whisper reads, and say how."""
    from melisma.cli.summary import print_json
    from melisma.train.sweep.results import write_best

    artifacts, name = _named(study)
    found = _results(name, storage, artifacts)
    index = found.best.index if found.best is not None else 0
    written = write_best(found, artifacts.whisper(f"{name}-{index}"), output or artifacts.sweep(name))
    if as_json:
        recipe = None if written.recipe is None else str(written.recipe)
        print_json({**written.trial.to_dict(), "config": str(written.config), "recipe": recipe})
    else:
        typer.echo(written.command())


def _named(study: str) -> tuple[Artifacts, str]:
    from melisma.core.artifacts import Artifacts, checked

    return Artifacts.of(), checked(study)


def _objective(asked: dict[str, Any], name: str, space: Space, artifacts: Artifacts) -> Any:
    from melisma.core.errors import InputError
    from melisma.train.sweep.objective import WhisperObjective
    from melisma.train.sweep.space import AUGMENT

    if asked["augment"] is not None and AUGMENT in space.dimensions:
        raise InputError("--augment is for spaces that do not choose among recipes: this one does")
    if asked["noise"] is not None and asked["augment"] is None and AUGMENT not in space.dimensions:
        raise InputError("--noise is what a recipe mixes in: give --augment with one, or let the space choose")
    for path in (asked["train"], asked["valid"]):
        if not path.is_file():
            raise InputError(f"there is no manifest {path}")
    return WhisperObjective(
        name,
        space,
        asked["train"],
        asked["valid"],
        artifacts,
        recipe=asked["augment"],
        noise=asked["noise"],
        device=asked["device"],
        workers=asked["workers"],
    )


def _url(storage: str | None, name: str, artifacts: Artifacts) -> str:
    return storage or f"sqlite:///{(artifacts.sweep(name) / 'study.sqlite').absolute()}"


def _results(name: str, storage: str | None, artifacts: Artifacts) -> Results:
    from melisma.core.errors import InputError
    from melisma.train.sweep import search

    if storage is None:
        from melisma.train.sweep.ray_tune import RESULTS, read_results

        if not (artifacts.sweep(name) / "study.sqlite").is_file():
            if (artifacts.sweep(name) / RESULTS).is_file():
                return read_results(artifacts.sweep(name), name)
            raise InputError(f"there is no study {name!r} in {artifacts.sweep(name)}: name its database with --storage")
    url = _url(storage, name, artifacts)
    return search.load(name, url)


def _finish(found: Results, artifacts: Artifacts, as_json: bool, quiet: bool) -> None:
    """Write the table, the picture and the best settings."""
    from melisma.cli.summary import print_json, print_table
    from melisma.train.sweep import results
    from melisma.train.sweep.plot import plot as draw

    folder = artifacts.sweep(found.study)
    written = results.write(found, folder)
    if any(each.value is not None for each in found.trials):
        written.append(draw(found, folder / results.PICTURE))
    chosen = None
    if found.best is not None:
        chosen = results.write_best(found, artifacts.whisper(f"{found.study}-{found.best.index}"), folder)
        written.append(chosen.config)
    if as_json:
        print_json(found.to_dict())
    else:
        print_table(results.rows(found))
    if not quiet:
        typer.echo("\n".join([results.summary(found), *(f"wrote {path}" for path in written)]), err=True)
        if chosen is not None:
            typer.echo(f"next: {chosen.command()}", err=True)


def _require(backend: str) -> None:
    from melisma.core.errors import MissingDependency, UnknownName

    if backend not in ("optuna", "ray"):
        raise UnknownName("backend", backend, ("optuna", "ray"))
    needed = {"torch": "train", "transformers": "train", "matplotlib": "sweep", backend: "sweep"}
    needed["ray"] = "ray"
    for name in ("torch", "transformers", "matplotlib", backend):
        if find_spec(name) is None:
            extras = ",".join(dict.fromkeys(("train", "sweep", needed[name])))
            raise MissingDependency(f"sweeps need {name}: pip install 'melisma[{extras}]'")
