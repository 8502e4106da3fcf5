"""`melisma units fit`: a codebook of features."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.data.options import Seed, check
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.units.extract import DeviceName, EncoderName, Half, Layer
from melisma.core.artifacts import Artifacts

if TYPE_CHECKING:
    from melisma.cli.progress import Progress
    from melisma.data.units.feature_files import Features
    from melisma.scale.protocol import Executor
    from melisma.train.units.fit import Settings
    from melisma.units.encoder import EncoderConfig


def fit(
    source: Annotated[
        Path, typer.Argument(metavar="DIR|MANIFEST", help="Folder with features, or JSONL whose speech is encoded.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder of codebook.npz and .json; DIR without."),
    ] = None,
    k: Annotated[int, typer.Option("--clusters", "-k", min=2, metavar="N", help="Clusters.")] = 100,
    seed: Seed = 0,
    sample: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Speech in memory, drawn evenly.")] = 3600.0,
    passes: Annotated[int, typer.Option(min=0, metavar="N", help="Over all features, after the sample.")] = 0,
    n_init: Annotated[int, typer.Option("--n-init", min=1, metavar="N", help="Beginnings by k-means++.")] = 5,
    batch: Annotated[int, typer.Option("--batch", min=1, metavar="N", help="Frames of a mini-batch.")] = 10000,
    alignments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Phones of units align, for purity and PNMI.")
    ] = None,
    pickle: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a pickle for scikit-learn, too.")] = None,
    encoder: EncoderName = "facebook/wav2vec2-large-xlsr-53",
    layer: Layer = None,
    device: DeviceName = "auto",
    half: Half = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Cluster features by mini-batch k-means: the centres are the units.

    Of a folder its features are read; of a manifest, as much speech as the sample takes is drawn and encoded first. The
    JSON says how near frames are to their centres, how evenly units are used and, with --alignments, what they tell of
    phones.
    """
    from melisma.cli.progress import progress
    from melisma.data.units import phones
    from melisma.scale import brought
    from melisma.train.units import fit as fitting
    from melisma.train.units import kmeans
    from melisma.units.encoder import EncoderConfig

    kmeans.scikit_learn()
    settings = fitting.Settings(kmeans.Config(k, seed, n_init, batch, passes=passes), sample)
    out = output or (source if source.is_dir() else Artifacts.of().units("corpus"))
    check(source, out / "codebook.npz", out / "codebook.json", pickle, or_folder=True)
    known = None if alignments is None else phones.read(alignments)
    config, run = EncoderConfig(encoder, layer, device, half), run_on(executor, workers, preview)
    with progress(quiet=quiet, verbose=verbose) as told:
        features = _features(source, out, settings, config, (run, told))
        made = fitting.fit(features, settings, known)
    written = fitting.write(made, out, pickle)
    shutil.rmtree(out / _DRAWN, ignore_errors=True)
    if not source.is_dir():
        brought.forget(run, out / _DRAWN)
    _tell(made.codebook.facts, written, as_json=as_json, quiet=quiet)


_DRAWN = ".drawn"  # folder of what is drawn from a manifest, and its features, until the codebook is written


def _features(
    source: Path, out: Path, settings: Settings, config: EncoderConfig, doing: tuple[Executor, Progress]
) -> Features:
    """Open the features of a folder, or make those of a sample of a manifest."""
    from melisma.core.errors import InputError
    from melisma.data import recordings
    from melisma.data.units import feature_files, features
    from melisma.data.units.feature_files import Features
    from melisma.scale import brought
    from melisma.train.units.fit import write_drawn

    if source.is_dir():
        return Features.open(source)
    place = out / _DRAWN
    write_drawn(source, place / "manifest.jsonl", settings)
    how = features.Settings(config, "float32")
    # What an earlier run drew for another encoder is in nobody's way; what is of this one the journal knows.
    (place / feature_files.FOLDER / feature_files.ABOUT).unlink(missing_ok=True)
    executor, told = doing
    try:
        made = features.write(recordings.read(place / "manifest.jsonl"), place, how, executor=executor, progress=told)
    except typer.Exit:  # a preview; what was interrupted stays, and is gone on with
        shutil.rmtree(place, ignore_errors=True)
        raise
    if made.problems:
        typer.echo(f"{made.n_failed:,} utterances that were drawn could not be encoded, and are left out", err=True)
    for problem in made.problems[:10]:
        typer.echo(f"  {problem.item}: {problem.message}", err=True)
    if not made.n_utterances:
        raise InputError(f"no utterance that was drawn from {source} could be encoded")
    brought.bring(executor, place, made.files)
    return Features.open(place)


def _tell(facts: dict[str, Any], written: list[Path], *, as_json: bool, quiet: bool) -> None:
    from melisma.cli.summary import print_json

    if as_json:
        print_json(facts)
    elif not quiet:
        for line in _lines(facts):
            typer.echo(line)
    if not quiet and not as_json:
        for path in written:
            typer.echo(f"wrote {path}", err=True)


def _lines(facts: dict[str, Any]) -> list[str]:
    of, k = facts["sample"], facts["settings"]["k"]
    said = [
        f"{k} clusters of {facts['n_sampled']:,} of {facts['n_frames']:,} frames",
        f"inertia {of['inertia']:.4g} a frame, {of['explained']:.1%} of the variance explained",
        f"usage: entropy {of['entropy']:.3f} nats, perplexity {of['perplexity']:.1f} of {k}; "
        f"{len(of['dead'])} dead, {facts['n_repaired']} put elsewhere",
    ]
    if "phones" not in facts:
        return said
    found = facts["phones"]
    said.append(f"against the phones of {found['n_utterances']:,} utterances:")
    for name in ("with_pauses", "without_pauses"):
        each = found[name]
        said.append(
            f"  {name.replace('_', ' ')}: phone purity {each['phone_purity']:.3f} (chance {each['chance']:.3f}), "
            f"cluster purity {each['cluster_purity']:.3f}, PNMI {each['pnmi']:.3f}"
        )
    return said + [
        f"  elsewhere: {each['what']}: PNMI {each['pnmi']:.3f} ({each['source']})" for each in found["field"]
    ]
