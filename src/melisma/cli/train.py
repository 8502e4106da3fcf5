"""`melisma train …`: one command per trainer, in the extra `[train]`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.program import Quiet, Verbose, group

app = group("Train the models (needs melisma[train]).")


def _require_torch() -> None:
    from melisma.core.errors import MissingDependency

    if find_spec("torch") is None or find_spec("onnx") is None:
        raise MissingDependency("training needs torch and onnx: pip install 'melisma[train]'")


@app.command()
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
    checkpoint = train(settings, corpus, noise, output, report=None if quiet else say, report_every=report_every)
    if not quiet:
        typer.echo(f"wrote {checkpoint}", err=True)


@app.command()
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


@app.command()
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


@app.command()
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
