"""`melisma units vocoder export` and `melisma units vocoder synthesize`: a checkpoint to ONNX, or heard as it is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.data.options import ReportFile
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.units import speaking
from melisma.cli.units.speaking import Book, EncoderName, Format, Limit, Out, Pitch, Source, Speaker, Units, VocoderAt


def export(
    source: Annotated[
        Path, typer.Argument(metavar="DIR|CHECKPOINT", help="Folder of a corpus or its vocoder, or a checkpoint.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where vocoder.onnx goes; beside the checkpoint."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a trained vocoder as vocoder.onnx, vocoder.json and vocoder.safetensors, held against torch first.

    Such a vocoder speaks without torch: melisma units synthesize.
    """
    from melisma.cli.summary import print_json
    from melisma.core.errors import MissingDependency
    from melisma.units import vocoders

    lacking = next((name for name in ("torch", "onnx") if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"exporting a vocoder needs {lacking}: pip install 'melisma[train,units]'")
    from melisma.train.vocoder.export import export as run

    checkpoint = vocoders.find_checkpoint(source)
    made = run(checkpoint, output or checkpoint.parent)
    if as_json:
        said = {"path": str(made.path), "size_bytes": made.size_bytes, "n_parameters": made.n_parameters}
        print_json(said | {"parity": made.parity.as_dict()})
    elif not quiet:
        near = f"{made.parity.whole_db:.0f} dB from torch"
        typer.echo(
            f"wrote {made.path}: {made.size_bytes / 1e6:.1f} MB, {made.n_parameters:,} weights, {near}", err=True
        )


def synthesize(
    source: Source = None,
    units: Units = None,
    vocoder: VocoderAt = None,
    output: Out = Path("spoken"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where torch works.")] = "auto",
    codebook: Book = None,
    encoder: EncoderName = None,
    speaker: Speaker = "nobody",
    pitch: Pitch = False,
    format: Format = "wav",
    limit: Limit = None,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Say units by a checkpoint of a training, with torch; else as melisma units synthesize does."""
    from melisma.units import vocoders

    asked = speaking.Asked(
        source,
        units,
        vocoder,
        output,
        codebook,
        encoder,
        speaker,
        pitch,
        format,
        limit,
        executor,
        workers,
        report,
        preview,
    )
    found = vocoders.find_checkpoint(asked.vocoder_at)
    speaking.say(asked, found, device, as_json=as_json, quiet=quiet, verbose=verbose)
