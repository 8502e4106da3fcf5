"""`melisma units vocoder …`: train, hear and judge a vocoder that speaks units."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, refuse_elsewhere, run_on
from melisma.cli.program import Quiet, Verbose, group

app = group("A vocoder that speaks units: train, hear and judge it.")
_NEEDED = ("torch",)

Corpus = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a corpus of units, with its codebook.")]
Run = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="RUN", help="Folder of the training, goes on if there; DIR/vocoder."),
]
Config = Annotated[Path | None, typer.Option(metavar="TOML", help="Settings; options here go before them.")]
Begin = Annotated[
    Path | None, typer.Option("--from", metavar="FILE", help="Checkpoint whose weights a new training begins with.")
]
Epochs = Annotated[int | None, typer.Option(metavar="N", help="The most epochs; 500.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", metavar="N", help="Segments a batch; 16.")]
Lr = Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate; 0.0002.")]
PerEpoch = Annotated[int | None, typer.Option("--samples-per-epoch", metavar="N", help="Segments an epoch; 10,000.")]
Patience = Annotated[
    int | None, typer.Option(metavar="N", help="Epochs without a better one after which it ends; 50, 0 for never.")
]
MinDelta = Annotated[
    float | None, typer.Option("--min-delta", metavar="X", help="By which the held-out mel loss must fall; 0.5.")
]
SaveEvery = Annotated[
    int | None, typer.Option("--save-every", metavar="N", help="Epochs between kept checkpoints; 20.")
]
Generator = Annotated[str | None, typer.Option(metavar="KIND", help="vocos (fast on CPUs) or hifigan.")]
Channels = Annotated[int | None, typer.Option(metavar="N", help="Width of the network; 256 of a Vocos.")]
Speaker = Annotated[bool | None, typer.Option("--speaker/--no-speaker", help="Tell the network who speaks.")]
F0 = Annotated[bool | None, typer.Option("--f0/--no-f0", help="Tell the network the pitch.")]
SegmentS = Annotated[float | None, typer.Option("--segment-s", metavar="S", help="Length of a segment; 1 s.")]
Dropout = Annotated[float | None, typer.Option(metavar="P", help="Against learning a small corpus by heart; 0.")]
Warmup = Annotated[
    int | None, typer.Option("--warmup-epochs", metavar="N", help="Epochs by mel spectra alone, first; 20.")
]
Precision = Annotated[
    str | None, typer.Option(metavar="TYPE", help="fp32, bf16 (faster on new CPUs), or fp16 on a GPU.")
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:1.")]
Minutes = Annotated[
    float | None, typer.Option("--checkpoint-minutes", metavar="M", help="Between checkpoints within an epoch; 5.")
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Another seed draws otherwise.")]
Fast = Annotated[bool, typer.Option("--fast-dev-run", help="A few steps of everything: see that all of it works.")]


@app.callback()
def main() -> None:
    """Train, hear and judge a vocoder that speaks units."""


@app.command()
def train(
    corpus: Corpus,
    output: Run = None,
    config: Config = None,
    begin: Begin = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: Lr = None,
    samples_per_epoch: PerEpoch = None,
    patience: Patience = None,
    min_delta: MinDelta = None,
    save_every: SaveEvery = None,
    generator: Generator = None,
    channels: Channels = None,
    speaker: Speaker = None,
    f0: F0 = None,
    segment_s: SegmentS = None,
    warmup_epochs: Warmup = None,
    dropout: Dropout = None,
    precision: Precision = None,
    device: Device = "auto",
    checkpoint_minutes: Minutes = None,
    seed: Seed = None,
    fast_dev_run: Fast = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a vocoder on a corpus of units and its recordings, or go on training it.

    Begun again in the same folder, it goes on where it was, exactly. The executor prepares the audio.
    """
    asked = dict(locals())
    _require()
    from melisma.cli.progress import progress
    from melisma.train.vocoder.config import VocoderTrainingConfig
    from melisma.train.vocoder.loop import Request
    from melisma.train.vocoder.loop import train as run

    given = {key: asked[key] for key in VocoderTrainingConfig.model_fields if asked.get(key) is not None}
    settings = VocoderTrainingConfig.read(config, given)
    run_here = run_on(executor, workers, preview)
    refuse_elsewhere(run_here, "run the training there by `modal run --detach -m melisma.scale.modal.app`")
    request = Request(corpus, settings, output, begin, device, run_here, fast_dev_run)
    with progress(quiet=quiet, verbose=verbose) as tell:
        folder = run(request, tell=tell, say=lambda text: None if quiet else typer.echo(text, err=True))
    if not quiet:
        typer.echo(f"wrote {folder}", err=True)


def _require() -> None:
    from melisma.core.errors import MissingDependency

    lacking = next((name for name in _NEEDED if find_spec(name) is None), None)
    if lacking:
        raise MissingDependency(f"training needs {lacking}: pip install 'melisma[train,units]'")
