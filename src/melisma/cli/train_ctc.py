"""`melisma train ctc`: fine-tune a CTC aligner on manifests of recordings with their words."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.program import Quiet, Verbose

if TYPE_CHECKING:
    from melisma.train.ctc.loop import Request

_NEEDED = ("torch", "pytorch_lightning", "transformers")

# One name for each option, so that the command itself can be read.
Train = Annotated[Path, typer.Argument(metavar="TRAIN", help="Manifest to learn from: JSONL, an utterance a line.")]
Valid = Annotated[Path, typer.Option(metavar="MANIFEST", help="Held out: other speakers, other recordings.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="RUN", help="Folder of the training; goes on if there.")
]
Config = Annotated[Path | None, typer.Option(metavar="TOML", help="Settings; options here go before them.")]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A CTC checkpoint by its id on the hub or its folder, random:tiny, random:small, phone-net.",
    ),
]
Units = Annotated[str | None, typer.Option(metavar="UNITS", help="What it spells: characters or phones.")]
Vocabulary = Annotated[
    str | None, typer.Option(metavar="WHOSE", help="Labels: auto, checkpoint, or corpus for a new head.")
]
Steps = Annotated[int | None, typer.Option(metavar="N", help="Steps of the optimiser.")]
BatchS = Annotated[float | None, typer.Option("--batch-s", metavar="S", help="Seconds of audio a batch.")]
Accumulate = Annotated[int | None, typer.Option(metavar="N", help="Batches a step.")]
Lr = Annotated[float | None, typer.Option(metavar="RATE", help="The highest learning rate.")]
FreezeSteps = Annotated[
    int | None, typer.Option("--freeze-steps", metavar="N", help="Steps in which only the head learns.")
]
Clip = Annotated[float | None, typer.Option(metavar="NORM", help="Gradients are clipped to this norm.")]
LabelPriors = Annotated[
    float | None,
    typer.Option("--label-priors", metavar="SHARE", help="Weight of label priors in the loss."),
]
Precision = Annotated[str | None, typer.Option(metavar="TYPE", help="fp32, bf16 or fp16.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 … or mps.")]
Workers = Annotated[int | None, typer.Option(min=0, metavar="N", help="Processes that make batches.")]
Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Processes that decode, beforehand.")]
Augment = Annotated[Path | None, typer.Option(metavar="YAML", help="Recipe that changes clips on the fly.")]
Noise = Annotated[Path | None, typer.Option(metavar="DIR", help="Noises for the recipe.")]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="How often each clip is drawn, as `melisma data balance --weights` says."),
]
CheckpointSteps = Annotated[
    int | None, typer.Option("--checkpoint-steps", metavar="N", help="Steps between checkpoints.")
]
CheckpointMinutes = Annotated[
    float | None, typer.Option("--checkpoint-minutes", metavar="M", help="Minutes between checkpoints at most.")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Another seed draws otherwise.")]
FastDevRun = Annotated[
    bool, typer.Option("--fast-dev-run", help="Six steps, two validations, a checkpoint: see that all of it works.")
]
MicroBatches = Annotated[
    int, typer.Option("--micro-batches", min=1, metavar="N", help="Pieces a batch is cut into to save memory.")
]
Devices = Annotated[
    int, typer.Option("--devices", min=1, metavar="N", help="Processes that share every batch: GPUs, or CPUs.")
]
Nodes = Annotated[int, typer.Option("--nodes", min=1, metavar="N", help="Machines, each with as many.")]
Doctor = Annotated[bool, typer.Option("--doctor/--no-doctor", help="Say what goes wrong, and what helps against it.")]


def ctc(
    train: Train,
    valid: Valid,
    output: Output,
    config: Config = None,
    model: Model = None,
    units: Units = None,
    vocabulary: Vocabulary = None,
    steps: Steps = None,
    batch_s: BatchS = None,
    accumulate: Accumulate = None,
    lr: Lr = None,
    freeze_steps: FreezeSteps = None,
    clip: Clip = None,
    label_priors: LabelPriors = None,
    precision: Precision = None,
    device: Device = "auto",
    workers: Workers = None,
    jobs: Jobs = None,
    augment: Augment = None,
    noise: Noise = None,
    weights: Weights = None,
    checkpoint_steps: CheckpointSteps = None,
    checkpoint_minutes: CheckpointMinutes = None,
    seed: Seed = None,
    fast_dev_run: FastDevRun = False,
    micro_batches: MicroBatches = 1,
    devices: Devices = 1,
    nodes: Nodes = 1,
    doctor: Doctor = True,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fine-tune a CTC aligner: a wav2vec2-type checkpoint or a phone network, on a manifest."""
    asked = dict(locals())
    _require()
    from melisma.train.ctc.config import CtcTrainingConfig
    from melisma.train.ctc.loop import Request

    given = {key: asked[key] for key in CtcTrainingConfig.model_fields if asked.get(key) is not None}
    settings = CtcTrainingConfig.read(config, given)
    request = Request(
        train,
        valid,
        output,
        settings,
        recipe=augment,
        noise=noise,
        device=device,
        workers=workers,
        jobs=jobs,
        fast=fast_dev_run,
        pieces=micro_batches,
        devices=devices,
        nodes=nodes,
        weights=weights,
    )
    folder = _run(request, doctor, quiet, verbose)
    if not quiet:
        typer.echo(f"wrote {folder}", err=True)


def _run(request: Request, doctor: bool, quiet: bool, verbose: bool) -> Path:
    from melisma.cli.progress import progress
    from melisma.train.ctc.loop import train
    from melisma.train.ctc.prepare import PREPARED
    from melisma.train.ctc.rounds import rounds_of

    seen = request.run / PREPARED / "train.json"
    with progress(quiet=quiet, verbose=verbose) as tell:
        return train(
            request,
            tell=tell,
            say=lambda text: None if quiet else typer.echo(text, err=True),
            callbacks=(lambda _: [rounds_of(seen, _warn)]) if doctor else None,
        )


def _warn(sentence: str) -> None:
    typer.echo(f"doctor: {sentence}", err=True)


def _require() -> None:
    from melisma.core.errors import MissingDependency

    lacking = next((name for name in _NEEDED if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"training needs {lacking}: pip install 'melisma[train]'")
