"""`melisma train whisper`: fine-tune a Whisper on manifests of recordings with their words."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.program import Quiet, Verbose

if TYPE_CHECKING:
    from melisma.train.whisper.loop import Request
    from melisma.train.whisper.watching import Watched

_NEEDED = ("torch", "transformers", "accelerate", "peft", "tokenizers")

# One name for each option, so that the command itself can be read.
Train = Annotated[Path, typer.Argument(metavar="TRAIN", help="Manifest to learn from: JSONL, an utterance a line.")]
Valid = Annotated[Path, typer.Option(metavar="MANIFEST", help="Held out: other speakers, other recordings.")]
Run = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the training, in models/whisper/; that of TRAIN without one."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Its folder, instead; it goes on if there.")
]
Config = Annotated[Path | None, typer.Option(metavar="TOML", help="Settings; options here go before them.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A Whisper by its id on the hub or its folder, an earlier training, random:tiny, random:custom.",
    ),
]
Processor = Annotated[str | None, typer.Option(metavar="FOLDER", help="Processor, where it is not that of the model.")]
Tuning = Annotated[str | None, typer.Option(metavar="HOW", help="full, frozen-encoder or lora.")]
Script = Annotated[str | None, typer.Option(metavar="SCRIPT", help="What it writes: keep, latin or cyrillic.")]
Steps = Annotated[int | None, typer.Option(metavar="N", help="Steps of the optimiser.")]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", metavar="N", help="Windows of 30 s a batch, of all processes.")
]
Accumulate = Annotated[int | None, typer.Option(metavar="N", help="Batches a step.")]
Lr = Annotated[float | None, typer.Option(metavar="RATE", help="The highest learning rate.")]
WarmupSteps = Annotated[int | None, typer.Option("--warmup-steps", metavar="N", help="Steps that it rises.")]
WeightDecay = Annotated[float | None, typer.Option("--weight-decay", metavar="RATE", help="Of AdamW.")]
Precision = Annotated[str | None, typer.Option(metavar="TYPE", help="fp32, bf16 or fp16.")]
GradientCheckpointing = Annotated[
    bool | None,
    typer.Option(
        "--gradient-checkpointing/--no-gradient-checkpointing", help="Compute twice to save memory.", show_default=False
    ),
]
Timestamps = Annotated[float | None, typer.Option(metavar="SHARE", help="Of the windows that are learnt with times.")]
ValidateSteps = Annotated[int | None, typer.Option("--validate-steps", metavar="N", help="Steps between validations.")]
Patience = Annotated[
    int | None, typer.Option(metavar="N", help="Validations without a lower word error rate before it ends.")
]
CheckpointSteps = Annotated[
    int | None, typer.Option("--checkpoint-steps", metavar="N", help="Steps between checkpoints.")
]
CheckpointMinutes = Annotated[
    float | None, typer.Option("--checkpoint-minutes", metavar="M", help="Minutes between checkpoints at most.")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Another seed draws otherwise.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 … or mps.")]
Workers = Annotated[int | None, typer.Option(min=0, metavar="N", help="Processes that make batches.")]
Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes that decode, beforehand.")]
Augment = Annotated[Path | None, typer.Option(metavar="YAML", help="Recipe that changes clips on the fly.")]
Noise = Annotated[Path | None, typer.Option(metavar="DIR", help="Noises for the recipe.")]
FastDevRun = Annotated[
    bool, typer.Option("--fast-dev-run", help="Four steps on ten clips, validated and kept: see that all of it works.")
]
Upload = Annotated[
    str, typer.Option(metavar="URL", help="Where checkpoints go, too: s3://bucket/prefix, gs://… or file:///folder.")
]
ResumeFrom = Annotated[
    str, typer.Option("--resume-from", metavar="URL", help="Fetch the last checkpoint of a run there, and go on.")
]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write events to logs/tensorboard/, too.")]
RequestId = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help="Stands in every line of the log; MELISMA_REQUEST_ID.")
]
_OPTIONS = ("device", "workers", "jobs", "noise")


def whisper(
    train: Train,
    valid: Valid,
    run: Run = None,
    output: Output = None,
    config: Config = None,
    model: Model = None,
    processor: Processor = None,
    tuning: Tuning = None,
    script: Script = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    accumulate: Accumulate = None,
    lr: Lr = None,
    warmup_steps: WarmupSteps = None,
    weight_decay: WeightDecay = None,
    precision: Precision = None,
    gradient_checkpointing: GradientCheckpointing = None,
    timestamps: Timestamps = None,
    validate_steps: ValidateSteps = None,
    patience: Patience = None,
    checkpoint_steps: CheckpointSteps = None,
    checkpoint_minutes: CheckpointMinutes = None,
    seed: Seed = None,
    device: Device = "auto",
    workers: Workers = None,
    jobs: Jobs = None,
    augment: Augment = None,
    noise: Noise = None,
    fast_dev_run: FastDevRun = False,
    upload: Upload = "",
    resume_from: ResumeFrom = "",
    tensorboard: TensorBoard = False,
    request_id: RequestId = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fine-tune a Whisper on a manifest, whole, its decoder, or by adapters; a training that was killed goes on."""
    asked = dict(locals())
    _require()
    folder = _folder(train, run, output)
    watched = _watched(folder, request_id, tensorboard, upload)
    made = _run(_request(asked, folder), watched, resume_from, quiet=quiet, verbose=verbose)
    if not quiet and os.environ.get("RANK", "0") == "0":
        typer.echo(f"wrote {made}{_heard(made)}", err=True)


def _folder(train: Path, run: str | None, output: Path | None) -> Path:
    """Return the folder of a training: the one that is given, or that of its name."""
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError

    if run is not None and output is not None:
        raise InputError("--run names the folder in models/whisper/, --output another one: give one of them")
    return output if output is not None else Artifacts.of().whisper(run if run is not None else train.stem)


def _request(asked: dict[str, Any], folder: Path) -> Request:
    from melisma.train.whisper.config import WhisperTrainingConfig
    from melisma.train.whisper.loop import Request

    given = {key: asked[key] for key in WhisperTrainingConfig.model_fields if asked.get(key) is not None}
    settings = WhisperTrainingConfig.read(asked["config"], given)
    options = {key: asked[key] for key in _OPTIONS}
    return Request(
        asked["train"],
        asked["valid"],
        folder,
        settings,
        recipe=asked["augment"],
        fast=asked["fast_dev_run"],
        **options,
    )


def _watched(folder: Path, request_id: str | None, tensorboard: bool, upload: str) -> Watched:
    from melisma.core.artifacts import Artifacts
    from melisma.core.request_ids import started_by
    from melisma.train.whisper.watching import Watched

    log = Artifacts.of().log_of(folder)
    return Watched(folder.absolute().name, log, started_by(request_id), tensorboard, upload)


def _run(request: Request, watched: Watched, resume_from: str, *, quiet: bool, verbose: bool) -> Path:
    from melisma.cli.progress import progress
    from melisma.train.whisper.loop import train
    from melisma.train.whisper.watching import Watching, take_over

    def say(text: str) -> None:
        if not quiet:
            typer.echo(text, err=True)

    with progress(quiet=quiet, verbose=verbose) as tell, Watching(watched, say) as watching:
        if resume_from:
            take_over(resume_from, request, watched.log, say)
        return train(request, tell=tell, say=say, callbacks=watching)


def _heard(run: Path) -> str:
    """Say what a training's model did on the held-out clips."""
    from melisma.models.pretrained import read_json
    from melisma.train.whisper.write_out import METRICS

    said = read_json(run / METRICS)
    wer, cer = said.get("wer"), said.get("cer")
    if not isinstance(wer, float) or not isinstance(cer, float):
        return ""
    return f": of step {said['step']:,}, WER {wer:.1%} and CER {cer:.1%} on the clips held out"


def _require() -> None:
    from melisma.core.errors import MissingDependency

    lacking = next((name for name in _NEEDED if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"training needs {lacking}: pip install 'melisma[train]'")
