"""`melisma eval ctc`: trained aligners on a manifest whose words are timed, beside baselines."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Jobs, Manifest, Seed
from melisma.cli.options import complete_engines
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.evaluate.ctc import Entrant

_UNTRAINED = "untrained"


def ctc(
    manifest: Manifest,
    model: Annotated[
        list[str],
        typer.Option(
            metavar="PATH|NAME",
            help="A training, a package, an ONNX file, or an engine; several times for several.",
            autocompletion=complete_engines,
        ),
    ],
    baselines: Annotated[
        str,
        typer.Option(metavar="NAMES", help="untrained, uniform, engines that are baselines: all, none, or a list."),
    ] = "all",
    start: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The checkpoint that training began with, as `untrained`.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only so many utterances, drawn by the seed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON there too.")
    ] = None,
    jobs: Jobs = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure word onsets against the times in a manifest, for models and for baselines, in one table.

    An utterance that fails counts as lost, and an engine that is not here is a row that says why. Exits with 1 if a
    model could not be measured.
    """
    import json

    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.core.files import make_folder, write_atomically
    from melisma.evaluate import ctc_report
    from melisma.evaluate.ctc import EvalConfig, evaluate

    with TemporaryDirectory(prefix="melisma-eval-") as folder, progress(quiet=quiet, verbose=verbose) as report:
        entrants = _models(model, Path(folder)) + _baselines(baselines, model, start, Path(folder))
        found = evaluate(manifest, entrants, EvalConfig(jobs, limit, seed), report)
    said = found.as_dict()
    if output:
        make_folder(output.parent)
        write_atomically(output, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
    if as_json:
        print_json(said)
    else:
        typer.echo(ctc_report.table(said))
    if output and not quiet:
        typer.echo(f"wrote {output}", err=True)
    if found.failed:
        raise typer.Exit(1)


def _models(given: list[str], folder: Path) -> list[Entrant]:
    """Return who is measured; a training is packaged first, so that what is measured is what would be shipped."""
    from melisma.evaluate.ctc import Entrant

    return [Entrant(label, _engine(name, folder)) for label, name in zip(_labels(given), given, strict=True)]


def _labels(given: list[str]) -> list[str]:
    """Return short names, whole where two would be the same."""
    short = [Path(name.partition(":")[2] or name).name or name for name in given]
    return [name if short.count(label) > 1 else label for label, name in zip(short, given, strict=True)]


def _engine(name: str, folder: Path) -> str:
    from melisma.core.files import expanded
    from melisma.models import package as packages
    from melisma.pipeline import tiers
    from melisma.pipeline.settings import RouterSettings

    path = expanded(name)
    if not path.exists():
        tiers.check(name, RouterSettings.from_env())
        return name
    if packages.is_package(path) or path.suffix == ".onnx":
        return f"path:{path.absolute()}"
    from melisma.cli.models_packages import need_train

    need_train()
    from melisma.train.ctc.package import package
    from melisma.train.ctc.packaged import is_run, open_trained

    if not is_run(path):
        return f"path:{path.absolute()}"
    out = folder / f"{len(list(folder.iterdir()))}-{path.stem}"
    package(open_trained(path), out)
    return f"path:{out}"


def _baselines(wanted: str, models: list[str], start: Path | None, folder: Path) -> list[Entrant]:
    from melisma.core.errors import UnknownName
    from melisma.evaluate.ctc import Entrant
    from melisma.evaluate.ctc_listen import UNIFORM
    from melisma.pipeline import tiers

    known = (_UNTRAINED, *tiers.baselines(), UNIFORM)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    chosen = {"all": list(known), "none": []}.get(wanted.strip(), names)
    strange = next((name for name in chosen if name not in known), None)
    if strange is not None:
        raise UnknownName("baseline", strange, ("all", "none", *known))
    found = []
    for name in dict.fromkeys(chosen):
        if name != _UNTRAINED:
            found.append(Entrant(name, name, baseline=True))
        elif engine := _untrained(models, start, folder):
            found.append(Entrant(name, engine, baseline=True))
    return found


def _untrained(models: list[str], start: Path | None, folder: Path) -> str | None:
    """Return the engine of the network before it was trained; None where no model is one that is trained here."""
    from melisma.core.files import expanded
    from melisma.pipeline import packages

    if start is not None:
        return _engine(str(start), folder)
    for name in models:
        path = expanded(name)
        place = path if path.exists() else packages.place_of(name)
        if place is None or not place.is_dir():
            continue
        from melisma.cli.models_packages import need_train

        need_train()
        from melisma.train.ctc.package import PackageConfig, package
        from melisma.train.ctc.packaged import open_untrained

        package(open_untrained(place), folder / _UNTRAINED, PackageConfig(_UNTRAINED))
        return f"path:{folder / _UNTRAINED}"
    return None
