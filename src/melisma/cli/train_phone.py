"""`melisma train phone` and what follows it: the acoustic model that ships with Melisma, from training to release."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Quiet, Verbose
from melisma.cli.train_material import Seed

Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="Where to train: auto (CUDA where there is some), cpu, cuda, cuda:1 …")
]
Workers = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Processes that decode, threads that make batches; one a core.")
]


def _require_torch() -> None:
    from melisma.core.errors import MissingDependency

    if find_spec("torch") is None or find_spec("onnx") is None:
        raise MissingDependency("training needs torch and onnx: pip install 'melisma[train]'")


def phone(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file, such as configs/phone-0.1.toml.")],
    corpus: Annotated[Path, typer.Option(metavar="DIR", help="Speech: manifest.jsonl with its audio.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Checkpoint, log and cache; goes on if there."),
    ],
    noise: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Music and ambience to mix in: manifest.jsonl with its audio.")
    ] = None,
    report_every: Annotated[int, typer.Option(min=1, metavar="STEPS", help="Steps per line of the log.")] = 100,
    device: Device = "auto",
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train the acoustic model that ships with Melisma, or one like it, on your own recordings."""
    _require_torch()
    from melisma.train.config import PhoneTrainingConfig
    from melisma.train.phone import train

    def say(line: dict[str, float]) -> None:
        typer.echo("  ".join(f"{key} {value:.4g}" for key, value in line.items()), err=True)

    settings = PhoneTrainingConfig.read(config)
    checkpoint = train(
        settings,
        corpus,
        noise,
        output,
        report=None if quiet else say,
        report_every=report_every,
        workers=workers,
        device=device,
    )
    if not quiet:
        typer.echo(f"wrote {checkpoint}", err=True)


def export(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file of the training: its [card].")],
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="checkpoint.pt of the training.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for model and card facts.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a checkpoint into the ONNX file that `melisma align` runs, with the facts of its card."""
    _require_torch()
    from melisma.train.config import PhoneTrainingConfig
    from melisma.train.export import export as export_model

    path = export_model(checkpoint, output, PhoneTrainingConfig.read(config).card)
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training, or its log.jsonl.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Picture: .png or .svg.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw how a training went: loss, held-out error, blanks and learning rate against passes."""
    from melisma.train.plot import plot as draw

    path = draw(run, output)
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def quantise(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file of melisma train export.")],
    corpus: Annotated[Path, typer.Option(metavar="DIR", help="Speech to calibrate on: manifest.jsonl with its audio.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for model and card facts.")],
    clips: Annotated[int, typer.Option(min=1, metavar="N", help="Clips to calibrate on, as many to compare on.")] = 48,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make the convolutions of an exported model 8 bits wide, and say how far its output moves."""
    _require_torch()
    from melisma.train.quantise import QuantiseConfig, quantise_file

    path, apart = quantise_file(model, corpus, output, QuantiseConfig(clips))
    if not quiet:
        typer.echo(
            f"wrote {path}: log-probabilities differ by {apart.mean:.4f} in the mean and {apart.most:.2f} at most, "
            f"{apart.other_best:.2%} of {apart.n_frames} frames have another best label",
            err=True,
        )


def release(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="TOML file with a list of [[step]].")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A folder per step; goes on if there.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=PATH", help="What the recipe calls {NAME}; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and do nothing.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Rebuild a released model: run the commands of its recipe that are not done yet."""
    from melisma.train.release import plan
    from melisma.train.release import release as run_release

    steps = plan(recipe, _named_paths(given or []), output)
    if dry_run:
        for step in steps:
            typer.echo(f"# {step.name}{': done' if step.done else ''}\n{step}")
        return
    done = run_release(steps, report=None if quiet else lambda step: typer.echo(f"{step.name}: {step}", err=True))
    if not quiet:
        typer.echo(f"{len(done)} of {len(steps)} steps were left to do, all are done in {output}", err=True)


def rows(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file, such as configs/phone-0.2.toml.")],
    speech: Annotated[
        list[str],
        typer.Option(metavar="NAME=MANIFEST", help="Speech with phone times; may be repeated. CONFIG has the shares."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Checkpoint, log and cache; goes on if there."),
    ],
    noise: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DIR", help="Music and ambience to mix in; may be repeated.")
    ] = None,
    held_out: Annotated[Path | None, typer.Option(metavar="MANIFEST", help="Speech of other speakers.")] = None,
    init: Annotated[Path | None, typer.Option(metavar="CHECKPOINT", help="Weights to start from.")] = None,
    report_every: Annotated[int, typer.Option(min=1, metavar="STEPS", help="Steps per line of the log.")] = 100,
    device: Device = "auto",
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train the acoustic model on, on made-up songs: clips with phone times, bent, strung together, among music."""
    _require_torch()
    from melisma.train.config import PhoneTrainingConfig
    from melisma.train.row_training import train_rows

    def say(line: dict[str, float]) -> None:
        typer.echo("  ".join(f"{key} {value:.4g}" for key, value in line.items()), err=True)

    checkpoint = train_rows(
        PhoneTrainingConfig.read(config),
        _named_paths(speech),
        held_out,
        _named_paths(noise or []),
        output,
        init=init,
        report=None if quiet else say,
        report_every=report_every,
        workers=workers,
        device=device,
    )
    if not quiet:
        typer.echo(f"wrote {checkpoint}", err=True)


def average(
    later: Annotated[Path, typer.Argument(metavar="LATER", help="Checkpoint of a training.")],
    earlier: Annotated[Path, typer.Argument(metavar="EARLIER", help="Checkpoint that it started from.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Checkpoint to write.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="How far towards EARLIER.")] = 0.5,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Average the weights of a training with those that it started from."""
    _require_torch()
    from melisma.train.average import average_checkpoints

    path = average_checkpoints(later, earlier, share, output)
    if not quiet:
        typer.echo(f"wrote {path}", err=True)


def onsets(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file with its facts beside it, .json.")],
    speech: Annotated[Path, typer.Option(metavar="MANIFEST", help="Speech with phone times that it never heard.")],
    noise: Annotated[Path | None, typer.Option(metavar="DIR", help="Music to hear it in.")] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of cached features.")] = None,
    seed: Seed = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure how late a model hears words begin, label by label, and write that into its facts."""
    _require_torch()
    from tempfile import TemporaryDirectory

    from melisma.core.errors import InputError
    from melisma.engines.phone import PhoneEngine
    from melisma.train.corpus import load_noise
    from melisma.train.onsets import measure_onset_shifts, write_onset_shifts

    if model.suffix != ".onnx":
        raise InputError(f"{model} is no ONNX file")
    engine = PhoneEngine(model)
    with TemporaryDirectory() as scratch:
        kept = cache or Path(scratch)
        noises = load_noise(noise, kept, 1) if noise else []
        shifts = measure_onset_shifts(lambda x: engine.hear(x)[0], engine.card.hops, speech, kept, noises, seed=seed)
    write_onset_shifts(model, shifts)
    if not quiet:
        typer.echo("  ".join(f"{label} {1000 * shift:+.0f} ms" for label, shift in shifts.items()), err=True)


def _named_paths(given: list[str]) -> dict[str, Path]:
    from melisma.core.errors import InputError

    out: dict[str, Path] = {}
    for pair in given:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise InputError(f"this is not NAME=PATH: {pair!r}")
        if name in out:
            raise InputError(f"{name} is given twice")
        out[name] = Path(path)
    return out
