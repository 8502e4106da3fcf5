"""`melisma train plan`: what a Whisper training will take, before anything is bought or begun."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from melisma.train.plan.estimate import Asked
    from melisma.train.plan.shapes import NetworkShape
    from melisma.train.whisper.config import WhisperTrainingConfig

Hours = Annotated[float | None, typer.Option(metavar="H", help="Hours of audio, where there is no manifest yet.")]
Manifest = Annotated[
    Path | None, typer.Option(metavar="MANIFEST", help="What will be learnt from: packed as it will be.")
]
Model = Annotated[str | None, typer.Option(metavar="MODEL", help="As for `melisma train whisper`.")]
Config = Annotated[Path | None, typer.Option(metavar="TOML", help="Settings of the training; options go before them.")]
Epochs = Annotated[float | None, typer.Option(metavar="N", help="Passes over the clips, in place of steps.")]
Steps = Annotated[int | None, typer.Option(metavar="N", help="Steps of the optimiser.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Windows a batch.")]
Accumulate = Annotated[int | None, typer.Option(metavar="N", help="Batches a step.")]
Tuning = Annotated[str | None, typer.Option(metavar="HOW", help="full, frozen-encoder or lora.")]
Precision = Annotated[str | None, typer.Option(metavar="TYPE", help="fp32, bf16 or fp16.")]
GradientCheckpointing = Annotated[
    bool | None,
    typer.Option("--gradient-checkpointing/--no-gradient-checkpointing", help="Compute twice.", show_default=False),
]
HardwareName = Annotated[
    str, typer.Option("--hardware", metavar="NAME", help="Such as a100-80gb; any other name lists them.")
]
Devices = Annotated[int, typer.Option("--gpus", min=1, metavar="N", help="How many of it; of cpu-core, cores.")]
Price = Annotated[str, typer.Option(metavar="LOW-HIGH", help="US dollars for an hour of one.")]
Efficiency = Annotated[str, typer.Option(metavar="LOW-HIGH", help="Share of its most that a training reaches.")]
Measured = Annotated[
    Path | None, typer.Option(metavar="RUN", help="A training on the same hardware, whose log says how fast.")
]
Runs = Annotated[int, typer.Option(min=1, metavar="N", help="Full trainings.")]
Trials = Annotated[int, typer.Option(min=0, metavar="N", help="Trials of a search beside them.")]
TrialShare = Annotated[
    float, typer.Option("--trial-share", min=0.001, max=1, metavar="SHARE", help="Of a training that a trial takes.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the page, such as PLANNING.md.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def plan(
    hours: Hours = None,
    manifest: Manifest = None,
    model: Model = None,
    config: Config = None,
    epochs: Epochs = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    accumulate: Accumulate = None,
    tuning: Tuning = None,
    precision: Precision = None,
    gradient_checkpointing: GradientCheckpointing = None,
    hardware: HardwareName = "rtx-3090",
    gpus: Devices = 1,
    price: Price = "",
    efficiency: Efficiency = "",
    measured: Measured = None,
    runs: Runs = 1,
    trials: Trials = 0,
    trial_share: TrialShare = 0.1,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Say what a Whisper training will take: GPU-hours, time, memory, storage, money, and what that assumes."""
    asked = dict(locals())
    _require()
    from melisma.core.files import write_atomically
    from melisma.train.plan.document import to_dict, to_markdown
    from melisma.train.plan.estimate import estimate

    made = estimate(_asked(asked))
    page = to_markdown(made)
    if output is not None:
        write_atomically(output, page.encode("utf-8"))
        typer.echo(f"wrote {output}", err=True)
    if as_json:
        typer.echo(json.dumps(to_dict(made), ensure_ascii=False, indent=1))
    elif output is None:
        typer.echo(page, nl=False)


def _asked(asked: dict[str, Any]) -> Asked:
    """Put together what is planned for.

    Raises
    ------
    InputError
        If something of it is wrong, or neither hours nor a manifest is given.
    """
    from melisma.core.errors import InputError
    from melisma.train.plan.amount import of_hours, of_manifest
    from melisma.train.plan.estimate import Asked
    from melisma.train.plan.measured import measure
    from melisma.train.whisper.config import WhisperTrainingConfig

    if (asked["hours"] is None) == (asked["manifest"] is None):
        raise InputError("give --hours of audio, or the --manifest that will be learnt from")
    if asked["epochs"] is not None and asked["steps"] is not None:
        raise InputError("--epochs and --steps both say how long it trains: give one of them")
    given = {key: asked[key] for key in WhisperTrainingConfig.model_fields if asked.get(key) is not None}
    config = WhisperTrainingConfig.read(asked["config"], given)
    tokenizer = _tokenizer(config)
    if asked["manifest"] is not None:
        amount = of_manifest(asked["manifest"], config, tokenizer)
    else:
        amount = of_hours(asked["hours"], config)
    config = _with_epochs(config, asked["epochs"], amount.n_windows)
    return Asked(
        name=config.model,
        shape=_shape(config, None if tokenizer is None else len(tokenizer)),
        amount=amount,
        config=config,
        hardware=_hardware(asked),
        devices=asked["gpus"],
        runs=asked["runs"],
        trials=asked["trials"],
        trial_share=asked["trial_share"],
        measured=None if asked["measured"] is None else measure(_run(asked["measured"]), amount.tokens),
    )


def _require() -> None:
    from melisma.core.errors import MissingDependency

    lacking = next((name for name in ("torch", "transformers") if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"a plan needs {lacking}: pip install 'melisma[train]'")


def _run(given: Path) -> Path:
    from melisma.core.artifacts import Artifacts

    return Path(Artifacts.of().training(given))


def _with_epochs(config: WhisperTrainingConfig, epochs: float | None, n_windows: int) -> WhisperTrainingConfig:
    """Return a configuration of as many steps as so many passes take."""
    import math

    from melisma.core.errors import InputError

    if epochs is None:
        return config
    if not 0 < epochs <= 1e5:
        raise InputError(f"passes over the clips are more than 0, not {epochs:g}")
    steps = max(1, math.ceil(epochs * n_windows / (config.batch_size * config.accumulate)))
    return config.model_copy(update={"steps": steps})


def _hardware(asked: dict[str, Any]) -> Any:
    from dataclasses import replace

    from melisma.train.plan.hardware import find, read_range

    found = find(asked["hardware"])
    if asked["price"]:
        found = replace(found, price=read_range(asked["price"], "--price", 1000))
    if asked["efficiency"]:
        found = replace(found, efficiency=read_range(asked["efficiency"], "--efficiency", 1))
    return found


def _tokenizer(config: WhisperTrainingConfig) -> Any:
    """Return the tokenizer of the processor that will be trained with, where it is on this machine."""
    from melisma.models.pretrained import Checkpoint
    from melisma.train.whisper.network import is_random
    from melisma.train.whisper.processor import open_processor

    if config.processor:
        return open_processor(config.processor).tokenizer
    folder = None if is_random(config.model) else Checkpoint(config.model, config.revision).folder()
    if folder is None or not (folder / "preprocessor_config.json").is_file():
        return None
    return open_processor(config.model, config.revision).tokenizer


def _shape(config: WhisperTrainingConfig, vocabulary: int | None) -> NetworkShape:
    from melisma.models.pretrained import Checkpoint, read_json
    from melisma.train.plan.shapes import KNOWN, random_shape, shape_of, with_vocabulary
    from melisma.train.whisper.network import is_random, source

    if is_random(config.model):
        return random_shape(config, vocabulary)
    if config.model in KNOWN and Checkpoint(config.model, config.revision).folder() is None:
        return with_vocabulary(KNOWN[config.model], vocabulary)
    folder = source(config)
    if folder is None:
        return random_shape(config, vocabulary)
    return with_vocabulary(shape_of(read_json(folder / "config.json")), vocabulary)
