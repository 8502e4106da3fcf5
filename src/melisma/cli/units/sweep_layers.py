"""`melisma units sweep-layers`: which layer of an encoder to cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import Manifest, Seed
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.units.extract import DeviceName, EncoderName, Half

if TYPE_CHECKING:
    from melisma.data.units.layer_samples import Samples
    from melisma.train.units.sweep_layers import LayerScore
    from melisma.units.encoder import EncoderConfig


def sweep_layers(
    manifest: Manifest,
    alignments: Annotated[
        Path, typer.Option("--alignments", metavar="FILE", help="Phones with their times: melisma units align.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="JSON to write.")],
    encoder: EncoderName = "facebook/wav2vec2-large-xlsr-53",
    layers: Annotated[str, typer.Option(metavar="LIST", help='"0-24", "4,8,12", "6-" or "all".')] = "all",
    clusters: Annotated[int, typer.Option("--clusters", "-k", min=2, metavar="N", help="Of each layer.")] = 100,
    frames: Annotated[int, typer.Option(min=1000, metavar="N", help="Frames drawn, half of them to cluster.")] = 40_000,
    device: DeviceName = "auto",
    half: Half = False,
    seed: Seed = 0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cluster every layer of an encoder on a sample of a corpus, and say which one's units tell most of the phones.

    The corpus is heard once, all layers at a time; the clusters are counted on utterances that they were not made of.
    Exits with 1 if an utterance could not be heard.
    """
    import shutil

    from melisma.cli.progress import progress
    from melisma.data import places, recordings
    from melisma.data.units import layer_samples, phones
    from melisma.scale import brought
    from melisma.train.units import kmeans, sweep_layers
    from melisma.units.encoder import EncoderConfig
    from melisma.units.layers import parse_layers

    places.check([manifest, alignments], output)
    known = phones.read(alignments)
    kmeans.scikit_learn()
    config = EncoderConfig(encoder, None, device, half)
    chosen = parse_layers(layers, config)
    found = recordings.read(manifest)
    drawing = layer_samples.Drawing(layer_samples.share_of(found, frames), seed)
    wanted = layer_samples.Wanted(config, chosen, drawing)
    folder = output.with_name(f".{output.name}.samples")
    run = run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        samples = layer_samples.sample(found, folder, wanted, executor=run, progress=told)
        scores = sweep_layers.scores(samples, known, kmeans.Config(k=clusters, seed=seed), told)
    said = _written(scores, samples, config, clusters, output)
    shutil.rmtree(folder, ignore_errors=True)
    brought.forget(run, folder)
    _show(said, samples, output, as_json=as_json, quiet=quiet)
    if samples.problems:
        raise typer.Exit(1)


def _written(scores: list[LayerScore], samples: Samples, config: EncoderConfig, k: int, output: Path) -> dict[str, Any]:
    import json
    from dataclasses import asdict

    from melisma.core.files import make_folder, write_atomically
    from melisma.train.units.quality import FIELD
    from melisma.train.units.sweep_layers import best
    from melisma.units.layers import LayerEncoder

    facts = LayerEncoder(config, (best(scores).layer,)).facts[0]
    said: dict[str, Any] = {
        "schema": "melisma.units.layers/1",
        "encoder": facts.as_dict(),
        "k": k,
        "seed": samples.drawing.seed,
        "n_utterances": len(samples.utterances),
        "n_frames": sum(n_drawn for _, _, n_drawn in samples.utterances),
        "best": best(scores).layer,
        "layers": [score.as_dict() for score in scores],
        "field": [asdict(each) for each in FIELD],
        "problems": [asdict(each) for each in samples.problems],
    }
    make_folder(output.parent)
    write_atomically(output, (json.dumps(said, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
    return said


def _show(said: dict[str, Any], samples: Samples, output: Path, *, as_json: bool, quiet: bool) -> None:
    from melisma.cli.summary import print_json

    if as_json:
        print_json(said)
        return
    if quiet:
        return
    typer.echo("layer  PNMI   purity  clusters  PNMI without pauses  perplexity  explained")
    for each in said["layers"]:
        whole, voiced = each["with_pauses"], each["without_pauses"]
        typer.echo(
            f"{each['layer']:5}  {whole['pnmi']:.3f}  {whole['phone_purity']:.3f}   {whole['cluster_purity']:.3f}     "
            f"{voiced['pnmi']:.3f}                {each['usage']['perplexity']:6.1f}      {each['explained']:.3f}"
            + ("  best" if each["layer"] == said["best"] else "")
        )
    for each in said["field"]:
        typer.echo(f"{each['what']}: PNMI {each['pnmi']:.3f} ({each['source']})")
    for problem in samples.problems[:10]:
        typer.echo(f"  {problem.item}: {problem.message}", err=True)
    typer.echo(f"wrote {output}", err=True)
