"""`melisma units extract`: the features of a corpus, in shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import Manifest, ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.units.features import Made

EncoderName = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="mfcc, phone, the id or folder of a speech encoder on Hugging Face's hub, or an ONNX export of one.",
    ),
]
Layer = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Hidden layer; without, 14 of 24 in networks of the hub, 8 of phone."),
]
DeviceName = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")]
Half = Annotated[bool, typer.Option("--half", help="16-bit floats in the network, on a GPU.")]
BatchS = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Audio in a batch; 0 takes one by one.")]
LongestS = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Longer recordings are encoded in parts.")]


def extract(
    manifest: Manifest,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the corpus of units.")],
    encoder: EncoderName = "facebook/wav2vec2-large-xlsr-53",
    layer: Layer = None,
    dtype: Annotated[str, typer.Option(metavar="float16|float32", help="Of the numbers on disk.")] = "float16",
    device: DeviceName = "auto",
    half: Half = False,
    batch_s: BatchS = 60.0,
    longest_s: LongestS = 30.0,
    shard_s: Annotated[float, typer.Option(metavar="SECONDS", help="Audio in a shard, the unit of work.")] = 600.0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the features of every utterance into DIR/features: 50 a second, from which units are clustered.

    What is there already is not made again, whatever ended the run before. Exits with 1 if an utterance has no
    features; the report says which.
    """
    from melisma.cli.progress import progress
    from melisma.data import recordings
    from melisma.data.report import Report
    from melisma.data.units.features import Settings, write
    from melisma.units.encoder import EncoderConfig

    config = EncoderConfig(encoder, layer, device, half, batch_s, longest_s)
    settings = Settings(config, dtype, shard_s)
    place = report or output / "features_report.json"
    index = output / "features" / "index.jsonl"
    check(manifest, index, place)
    run = run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        made = write(recordings.read(manifest), output, settings, executor=run, progress=told)
    said = {"encoder": made.encoder.as_dict(), "dtype": dtype, "shard_s": shard_s}
    finish(Report("units extract", said, _counts(made), made.problems), place, index, as_json=as_json, quiet=quiet)
    if made.n_failed:
        raise typer.Exit(1)


def _counts(made: Made) -> dict[str, int | float]:
    return {
        "utterances": made.n_utterances,
        "frames": made.n_frames,
        "dimensions": made.encoder.n_dims,
        "seconds": round(made.seconds, 2),
        "megabytes": round(made.size_bytes / 1e6, 2),
        "shards": made.n_shards,
        "shards_made_earlier": made.n_shards_reused,
        "failed": made.n_failed,
    }
