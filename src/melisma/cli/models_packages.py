"""`melisma models package|export|verify|add|remove|default`: trained models as folders, and their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli import models_whisper as whisper
from melisma.cli.options import complete_added
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.models.package import PackageFacts
    from melisma.train.ctc.onnx_export import Exported
    from melisma.train.ctc.package import PackageConfig
    from melisma.train.ctc.trained import Trained

Out = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make; it must not be in use.")]
Called = Annotated[str, typer.Option("--name", metavar="NAME", help="What the model is called; as its folder without.")]
Licensed = Annotated[
    str, typer.Option("--license", metavar="SPDX", help="Licence of the weights; that of their data without.")
]
Which = Annotated[str, typer.Option(metavar="best|last", help="Of a training's checkpoints.")]
Metrics = Annotated[
    Path | None,
    typer.Option("--metrics", metavar="FILE", help="What `melisma eval ctc` or `eval asr` wrote, for the card."),
]
Mixes = Annotated[bool, typer.Option("--mix", help="It was trained on whole mixes, and not on voices by themselves.")]


def package(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Training, by folder or name, or one of its checkpoints.")],
    output: Out,
    name: Called = "",
    license_: Licensed = "",
    metrics: Metrics = None,
    mix: Mixes = False,
    checkpoint: Which = "best",
    clips_on: whisper.ClipsOn = None,
    clips: whisper.Limit = 50,
    ctranslate2: whisper.Ctranslate2 = "float32",
    onnx: whisper.OnnxAs = "float32",
    max_wer_loss: whisper.MaxWerLoss = None,
    max_cer_loss: whisper.MaxCerLoss = None,
    min_same: whisper.MinSame = None,
    need_int8: whisper.NeedInt8 = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a package of a training: weights, vocabulary, what it was trained on, its settings, and a card.

    One of a Whisper model holds its conversions for faster-whisper and onnxruntime too. Each of them hears the same
    clips as the model, and the package is refused where one hears worse.
    """
    need_train()
    from melisma.train.ctc.package import package as make

    run, metrics = _found(run, metrics)
    if _is_whisper(run):
        limits = {"wer": max_wer_loss, "cer": max_cer_loss, "same": min_same}
        asked = whisper.Asked(
            run, output, name, license_, metrics, checkpoint, ctranslate2, onnx, True, clips_on, clips
        )
        _packaged(replace(asked, limits=limits, need_int8=need_int8), mix=mix, quiet=quiet, verbose=verbose)
        return
    _only_whisper({"--set": clips_on is not None, "--need-int8": need_int8, "--min-same": min_same is not None})
    config = _config(name, license_, metrics, mix)
    facts = make(_open(run, checkpoint), output, config)
    if not quiet:
        _say_made(output, facts)


def export(
    source: Annotated[Path, typer.Argument(metavar="RUN|FOLDER", help="Training, package, or transformers' folder.")],
    output: Out,
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX; so it is unless something else is said.")] = False,
    ctranslate2: Annotated[
        bool, typer.Option("--ctranslate2", help="As CTranslate2's for faster-whisper; of a Whisper model.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Keep weights of matrix products in 8 bits.")] = False,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Write torch's weights beside it.")] = False,
    max_error: Annotated[
        float | None, typer.Option(metavar="NATS", min=0.0, help="How far it may be from torch; 0.01, or 1 in 8 bits.")
    ] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0.0, max=1.0, help="Labels placed as by torch; 0.999, or 0.97 in 8 bits."),
    ] = None,
    name: Called = "",
    license_: Licensed = "",
    metrics: Metrics = None,
    mix: Mixes = False,
    checkpoint: Which = "best",
    clips_on: whisper.ClipsOn = None,
    clips: whisper.Limit = 50,
    max_wer_loss: whisper.MaxWerLoss = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Export a network to ONNX, which runs without torch; what differs too much from torch is refused.

    The folder is a package: it loads as an engine, --engine path:FOLDER.
    """
    need_train()
    source, metrics = _found(source, metrics)
    if _is_whisper(source):
        held = "int8" if int8 else "float32"
        kept = held if ctranslate2 else whisper.NONE, held if onnx or not ctranslate2 else whisper.NONE
        asked = whisper.Asked(source, output, name, license_, metrics, checkpoint, *kept, keep_weights, clips_on, clips)
        asked = replace(asked, limits={"wer": max_wer_loss, "same": min_agreement})
        _packaged(asked, mix=mix, quiet=quiet, verbose=verbose, as_json=as_json)
        return
    _only_whisper({"--set": clips_on is not None, "--ctranslate2": ctranslate2})
    from melisma.train.ctc import onnx_export, parity

    limits = parity.Limits.int8() if int8 else parity.Limits()
    if max_error is not None:
        limits = replace(limits, log_prob=max_error)
    if min_agreement is not None:
        limits = replace(limits, agreement=min_agreement)
    config = onnx_export.ExportConfig(int8, limits, keep_weights, _config(name, license_, metrics, mix))
    _exported(onnx_export.export(_open(source, checkpoint), output, config), output, as_json=as_json, quiet=quiet)


def _exported(made: Exported, output: Path, *, as_json: bool, quiet: bool) -> None:
    from melisma.cli.summary import print_json

    if as_json:
        print_json({"folder": str(output), "size_bytes": made.size_bytes, "parity": made.parity.as_dict()})
    elif not quiet:
        typer.echo(
            f"wrote {output}: {made.size_bytes / 1e6:.1f} MB, at most {made.parity.likely:.2g} nats from torch in "
            f"{len(made.parity.cases)} batches, {made.parity.agreement:.2%} of labels in the same frame",
            err=True,
        )


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A package.")],
    clips_on: whisper.ClipsOn = None,
    clips: whisper.Limit = 50,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Verify a package: its files are those that it lists, it loads, and it hears something in a recording.

    Of a Whisper model every format hears the same, a made-up sound, or the clips of a set with their error rates.
    """
    from melisma.cli.summary import print_json
    from melisma.models import package as packages
    from melisma.pipeline import verify_model

    if packages.is_package(folder) and packages.read(folder).kind == packages.WHISPER:
        whisper.verify(folder, clips_on, clips, as_json=as_json, quiet=quiet, verbose=verbose)
        return
    _only_whisper({"--set": clips_on is not None})

    found = verify_model.verify(folder)
    if as_json:
        print_json(found.as_dict())
    elif not quiet:
        typer.echo(found.sentence(), err=True)


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits, dots, hyphens.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A package, transformers' folder, or an ONNX file.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Let the name stand for another model than before.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Give a model a name, by which it is an engine: melisma align … --engine NAME.

    Its files are looked at and stay where they are.
    """
    from melisma.pipeline import packages

    facts = packages.add(name, path, replace=replace)
    if not quiet:
        said = "" if facts.licence.commercial else f"; not for commercial use: {_because(facts.licence.tainted_by)}"
        typer.echo(f"{name} is {path.absolute()}, revision {facts.model_revision}{said}", err=True)


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As it was added.", autocompletion=complete_added)],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Take a model's name away; its files stay."""
    from melisma.pipeline import packages

    entry = packages.registry().remove(name)
    if not quiet:
        typer.echo(f"{name} is no engine any more; its files stay in {entry.path}", err=True)


def register(app: typer.Typer) -> None:
    """Add the commands to a group."""
    for command in (package, export, verify, add, remove, whisper.default):
        app.command()(command)


def _found(run: Path, metrics: Path | None) -> tuple[Path, Path | None]:
    """Return a training by its folder or name, and its figures, of the current folder or below the root."""
    from melisma.core.artifacts import Artifacts

    at = Artifacts.of()
    return Path(at.training(run)), None if metrics is None else Path(at.found(metrics))


def _is_whisper(source: Path) -> bool:
    from melisma.train.whisper.packaged import is_whisper

    return is_whisper(source)


def _only_whisper(given: dict[str, bool]) -> None:
    from melisma.core.errors import InputError

    said = next((option for option, is_given in given.items() if is_given), None)
    if said:
        raise InputError(f"{said} is for Whisper models, and this is none")


def _packaged(asked: whisper.Asked, *, mix: bool, quiet: bool, verbose: bool, as_json: bool = False) -> None:
    from melisma.cli.summary import print_json
    from melisma.core.errors import InputError

    if mix:
        raise InputError("--mix is for aligners: a Whisper model hears whatever it is given")
    facts, parity = whisper.package(asked, quiet=quiet, verbose=verbose)
    if as_json:
        print_json({"folder": str(asked.output), "parity": parity.as_dict()})
    elif not quiet:
        _say_made(asked.output, facts)
        whisper.say(parity)


def _say_made(output: Path, facts: PackageFacts) -> None:
    terms = facts.terms
    said = "commercial use allowed" if terms.commercial else f"not for commercial use: {_because(facts.tainted_by)}"
    typer.echo(f"wrote {output}: {facts.name}, {facts.n_parameters:,} parameters, {terms.spdx} ({said})", err=True)


def _because(tainted: tuple[str, ...]) -> str:
    return ", ".join(tainted[:3]) + (f" and {len(tainted) - 3} more" if len(tainted) > 3 else "") or "its licence"


def _config(name: str, license_: str, metrics: Path | None, mix: bool) -> PackageConfig:
    from melisma.train.ctc.package import PackageConfig

    return PackageConfig(name, license_, "mix" if mix else "", _metrics(metrics) if metrics else {})


def _metrics(path: Path) -> dict[str, Any]:
    from melisma.core.errors import InputError
    from melisma.evaluate.ctc_report import read

    try:
        return read(path)
    except InputError as error:
        raise InputError(f"--metrics: {error}") from error


def _open(source: Path, checkpoint: str) -> Trained:
    from melisma.core.errors import InputError
    from melisma.train.ctc.packaged import open_trained

    if checkpoint not in ("best", "last"):
        raise InputError(f"--checkpoint is best or last, not {checkpoint[:40]!r}")
    return open_trained(source, checkpoint)


def need_train() -> None:
    """Refuse, in one sentence, what needs packages that are not installed."""
    from importlib.util import find_spec

    from melisma.core.errors import MissingDependency

    lacking = next((each for each in ("torch", "onnx", "safetensors", "transformers") if find_spec(each) is None), None)
    if lacking:
        raise MissingDependency(f"this needs {lacking}: pip install 'melisma[train]'")
