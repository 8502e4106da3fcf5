"""What `melisma models package|export|verify` do with a Whisper model, and `melisma models default`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.options import complete_added, complete_languages
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from melisma.evaluate.whisper_clips import Clips
    from melisma.evaluate.whisper_parity import Parity, ParityConfig
    from melisma.models.package import PackageFacts
    from melisma.train.whisper.trained import TrainedWhisper

NONE = "none"
ClipsOn = Annotated[
    Path | None,
    typer.Option(
        "--set",
        metavar="MANIFEST",
        help="Of a Whisper model: clips that it and its conversions hear; the training's validation set without.",
    ),
]
Limit = Annotated[
    int, typer.Option("--clips", metavar="N", min=1, help="Of a Whisper model: clips of the set, at most.")
]
Ctranslate2 = Annotated[
    str,
    typer.Option(
        metavar="float32|float16|int8|none",
        help="Of a Whisper model: how faster-whisper's weights are stored.",
    ),
]
OnnxAs = Annotated[
    str, typer.Option("--onnx", metavar="float32|int8|none", help="Of a Whisper model: how ONNX's weights are stored.")
]
MaxWerLoss = Annotated[
    float | None,
    typer.Option(metavar="SHARE", min=0.0, help="Words that a conversion may hear worse; 0.01, or 0.03 in 8 bits."),
]
MaxCerLoss = Annotated[
    float | None, typer.Option(metavar="SHARE", min=0.0, help="The same of characters; 0.01, or 0.02 in 8 bits.")
]
MinSame = Annotated[
    float | None,
    typer.Option(metavar="SHARE", min=0.0, max=1.0, help="Clips of the same text, least; 0.9, or 0.5 in 8 bits."),
]
NeedInt8 = Annotated[
    bool, typer.Option("--need-int8", help="Refuse a Whisper model that faster-whisper cannot run in 8 bits.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says of the package of a Whisper model."""

    source: Path
    output: Path
    name: str = ""
    license: str = ""
    metrics: Path | None = None
    checkpoint: str = "best"
    ctranslate2: str = "float32"
    onnx: str = "float32"
    weights: bool = True
    clips_on: Path | None = None
    limit: int = 50
    limits: Mapping[str, float | None] = field(default_factory=dict)
    need_int8: bool = False


def package(asked: Asked, *, quiet: bool, verbose: bool) -> tuple[PackageFacts, Parity]:
    """Make a package of a Whisper model, whose conversions are held against it first."""
    from melisma.cli.progress import progress
    from melisma.evaluate import whisper_parity
    from melisma.evaluate.whisper_clips import read_clips
    from melisma.train.whisper.package import WhisperPackageConfig
    from melisma.train.whisper.package import package as make
    from melisma.train.whisper.packaged import open_whisper

    metrics = _metrics(asked.metrics) if asked.metrics else {}
    trained = open_whisper(asked.source, asked.checkpoint)
    clips = read_clips(_manifest(asked.clips_on, trained), asked.limit)
    onnx, ctranslate2 = ("" if each == NONE else each for each in (asked.onnx, asked.ctranslate2))
    config = WhisperPackageConfig(asked.name, asked.license, ctranslate2, onnx, asked.weights, metrics)
    found: list[Parity] = []
    with progress(quiet=quiet, verbose=verbose) as tell:

        def gate(folder: Path) -> dict[str, Any]:
            found.append(whisper_parity.compare(folder, clips, _parity_config(asked), tell))
            found[-1].check()
            return found[-1].lasting()

        facts = make(trained, asked.output, config, gate)
    return facts, found[-1]


def verify(folder: Path, clips_on: Path | None, limit: int, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Verify a package of a Whisper model, and say what was found."""
    from melisma.cli.progress import progress
    from melisma.cli.summary import print_json
    from melisma.evaluate import whisper_verify
    from melisma.evaluate.whisper_clips import read_clips

    clips: Clips | None = read_clips(clips_on, limit) if clips_on else None
    with progress(quiet=quiet, verbose=verbose) as tell:
        found = whisper_verify.verify(folder, clips, tell)
    if as_json:
        print_json(found.as_dict())
    elif not quiet:
        typer.echo(found.sentence(), err=True)
        if found.parity:
            say(found.parity)


def say(parity: Parity) -> None:
    """Print what each format heard, and what is to be known of it."""
    from melisma.cli.summary import print_table

    rows: list[tuple[str, ...]] = [("format", "WER", "CER", "same text", "loops", "words", "s")]
    for each in parity.formats:
        offset = "" if each.offset_s is None else f"{1000 * each.offset_s:.0f} ms"
        rates = f"{each.wer:.1%}", f"{each.cer:.1%}", f"{each.same:.0%}"
        rows.append((each.name, *rates, str(each.loops), offset, f"{each.seconds:.1f}"))
    print_table(rows)
    for warning in parity.warnings:
        typer.echo(warning, err=True)


def default(
    language: Annotated[
        str,
        typer.Argument(metavar="[LANGUAGE]", help="Code, or any.", autocompletion=complete_languages),
    ] = "",
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="As it was added.", autocompletion=complete_added)] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the language's default away.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Name the model that transcribes a language unless told otherwise; without arguments, list them.

    The language any is that of all that have no model of their own.
    """
    from melisma.cli.summary import print_json, print_table
    from melisma.core.errors import InputError
    from melisma.pipeline import packages

    if language and (bool(name) == remove):
        raise InputError("melisma models default LANGUAGE NAME, or LANGUAGE --remove")
    if language:
        packages.set_default(language, name or None)
        if not quiet:
            said = f"{language} is transcribed by {name}" if name else f"{language} has no model of its own any more"
            typer.echo(said, err=True)
        return
    known = packages.registry().defaults()
    if as_json:
        print_json(known)
    else:
        print_table([("language", "model"), *known.items()])


def _parity_config(asked: Asked) -> ParityConfig:
    from dataclasses import replace

    from melisma.evaluate.whisper_parity import Limits, ParityConfig

    given: dict[str, Any] = {key: value for key, value in asked.limits.items() if value is not None}
    return ParityConfig(
        replace(Limits(), **given), replace(Limits.int8(), **given), asked.onnx == "int8", asked.need_int8
    )


def _manifest(given: Path | None, trained: TrainedWhisper) -> Path:
    """Return the clips that are heard: those that are named, or the validation set that the training was judged by."""
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError
    from melisma.core.files import sha256_of

    if given is not None:
        return given
    said = trained.facts.get("validation_data")
    name, digest = (said.get("manifest"), said.get("sha256")) if isinstance(said, dict) else (None, None)
    at, here = Artifacts.of(), Artifacts()
    folder = at.manifests
    for place in (folder, at.splits, here.manifests, here.splits, Path(), trained.run.parent):
        path = place / Path(str(name)).name
        if name and path.is_file() and sha256_of(path) == digest:
            return path
    known = f"the validation set {name} is not in {folder}" if name else "the model does not say what it was judged by"
    raise InputError(f"{known}: name the clips that the conversions are to hear with --set MANIFEST")


def _metrics(path: Path) -> dict[str, Any]:
    from melisma.core.errors import InputError
    from melisma.evaluate.asr_result import read

    try:
        return read(path).model_dump(mode="json", by_alias=True, exclude={"models": {"__all__": {"utterances"}}})
    except InputError as error:
        raise InputError(f"--metrics: {error}") from error
