"""`melisma units encode`: recordings into units, one or a corpus of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import ReportFile, check, finish
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers, run_on
from melisma.cli.program import AsJson, Quiet, Verbose
from melisma.cli.units.extract import BatchS, DeviceName, Half, LongestS
from melisma.core.artifacts import Artifacts

if TYPE_CHECKING:
    from melisma.data.units.corpus_files import Layout
    from melisma.data.units.encode import Made
    from melisma.scale.protocol import Executor
    from melisma.units.encode import UnitEncoder
    from melisma.units.encoder import EncoderConfig


def encode(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST|DIR|RECORDING", help="JSONL, a folder of recordings or of features, or one recording."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR|FILE", help="Folder of the corpus; of one recording, the file to write."
        ),
    ] = None,
    codebook: Annotated[
        Path | None, typer.Option(metavar="DIR|FILE", help="Folder of codebook.npz; that of the corpus without.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Another copy of the codebook's encoder, such as its ONNX.")
    ] = None,
    dedupe: Annotated[
        bool, typer.Option("--dedupe/--no-dedupe", help="Equal neighbours are one unit in the text.")
    ] = True,
    json_file: Annotated[bool, typer.Option("--json-file", help="Write the corpus as one JSON document, too.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="From one checkpoint.json to the next.")
    ] = 300.0,
    device: DeviceName = "auto",
    half: Half = False,
    batch_s: BatchS = 60.0,
    longest_s: LongestS = 30.0,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Encode speech as discrete units, 50 a second.

    A manifest, a folder, or features that were extracted become a corpus: corpus_timestamped.jsonl,
    all_units_for_bpe.txt, processed_files.txt and checkpoint.json. What was done is not done again, and a run that was
    killed ends in the same bytes. Exits with 1 if a recording could not be encoded; the report says which. The units of
    one recording are printed.
    """
    from melisma.data.units.corpus_files import Layout
    from melisma.units.encoder import EncoderConfig

    how = EncoderConfig(device=device, half=half, batch_s=batch_s, longest_s=longest_s)
    if not source.is_dir() and source.suffix.lower() != ".jsonl":
        _one(source, output, _opened(_codebook(codebook), encoder, how), dedupe=dedupe, as_json=as_json)
        return
    out = output or (source if _holds_features(source) else Artifacts.of().units("corpus"))
    place = report or out / "encode_report.json"
    asked = _Asked(source, out, _codebook(codebook, out), encoder, how, Layout(dedupe, json_file, checkpoint_every))
    made = _corpus(asked, place, run_on(executor, workers, preview), quiet=quiet, verbose=verbose)
    _keep_codebook(asked.codebook, out)
    _finish(made, asked, place, as_json=as_json, quiet=quiet)
    if made.count.n_failed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is encoded, and how."""

    source: Path
    out: Path
    codebook: Path
    encoder: str | None
    how: EncoderConfig
    layout: Layout


def _holds_features(source: Path) -> bool:
    from melisma.data.units.from_features import holds_features

    return holds_features(source)


def _corpus(asked: _Asked, place: Path, executor: Executor, *, quiet: bool, verbose: bool) -> Made:
    from melisma.cli.progress import progress
    from melisma.data import folder, recordings
    from melisma.data.units import encode, from_features
    from melisma.data.units.corpus_files import CHECKPOINT
    from melisma.data.units.feature_files import Features
    from melisma.units.line import JSON, TEXT

    source, out = asked.source, asked.out
    check(source, *(out / name for name in (JSON, TEXT, CHECKPOINT)), place, or_folder=True)
    with progress(quiet=quiet, verbose=verbose) as told:
        if _holds_features(source):
            return from_features.write(Features.open(source), out, asked.codebook, asked.layout, told)
        settings = encode.Settings(asked.codebook, _config(asked.codebook, asked.encoder, asked.how), asked.layout)
        found = recordings.read(folder.listed(source, out) if source.is_dir() else source)
        return encode.write(found, out, settings, executor=executor, progress=told)


def _codebook(given: Path | None, corpus: Path | None = None) -> Path:
    """Return where the codebook is; InputError if nobody says so."""
    from melisma.core.errors import InputError
    from melisma.units.codebook_file import CENTRES

    place = corpus or Artifacts.of().units("corpus")
    if given is not None:
        if corpus is not None and (place / CENTRES).exists():
            _refuse_another(given, place)
        return given
    if not (place / CENTRES).exists():
        raise InputError(f"there is no {place / CENTRES}: name a codebook with --codebook, or make it by units fit")
    return place


def _refuse_another(given: Path, corpus: Path) -> None:
    """Later commands take the codebook that lies in the folder to be that of its units."""
    from melisma.core.errors import InputError
    from melisma.units import codebook_file

    if codebook_file.read(given).sha256 != codebook_file.read(corpus).sha256:
        raise InputError(f"{corpus} has a codebook of its own, and {given} is another: choose another folder with -o")


def _keep_codebook(given: Path, corpus: Path) -> None:
    """Copy the codebook beside its units, so that the folder is all that later commands need."""
    from melisma.units import codebook_file

    if not (corpus / codebook_file.CENTRES).exists():
        codebook_file.write(codebook_file.read(given), corpus)


def _opened(codebook: Path, encoder: str | None, how: EncoderConfig) -> UnitEncoder:
    from melisma.units.encode import open_unit_encoder

    return open_unit_encoder(codebook, _config(codebook, encoder, how))


def _config(codebook: Path, encoder: str | None, how: EncoderConfig) -> EncoderConfig:
    from melisma.units import codebook_file
    from melisma.units.encode import config_of

    return config_of(codebook_file.read(codebook), how, encoder)


def _one(source: Path, output: Path | None, encoder: UnitEncoder, *, dedupe: bool, as_json: bool) -> None:
    """Print or write the units of one recording."""
    from melisma.core.files import make_folder, write_atomically
    from melisma.data import places
    from melisma.data.units.one import line_of

    if output is not None:
        places.check([source], output)
    line = line_of(source, encoder)
    said = line.to_json() if as_json else " ".join(map(str, line.units if dedupe else line.frames()))
    if output is None:
        typer.echo(said)
    else:
        make_folder(output.parent)
        write_atomically(output, (said + "\n").encode("utf-8", "backslashreplace"))
        typer.echo(f"wrote {output}", err=True)


def _finish(made: Made, asked: _Asked, place: Path, *, as_json: bool, quiet: bool) -> None:
    from dataclasses import asdict

    import numpy as np

    from melisma.data.report import Report
    from melisma.metrics.units import usage
    from melisma.units.line import JSON, TEXT

    count = made.count
    counts: dict[str, int | float] = {
        "utterances": count.n_utterances,
        "encoded": count.n_done,
        "encoded_earlier": made.n_reused,
        "without_a_frame": count.n_empty,
        "failed": count.n_failed,
        "frames": count.n_frames,
        "units_without_repeats": count.n_runs,
        "seconds": round(count.seconds, 2),
    }
    how = asdict(_config(asked.codebook, asked.encoder, asked.how))
    said = {"codebook": str(asked.codebook), "encoder": how.pop("name"), **how, **asdict(asked.layout)}
    written = [asked.out / name for name in (JSON, TEXT)]
    used = usage(np.array([made.usage[unit] for unit in range(made.k)], np.int64))
    details = {"usage": {"entropy": used.entropy, "perplexity": used.perplexity, "never_used": list(used.dead)}}
    counts |= {"perplexity": round(used.perplexity, 2), "units_never_used": len(used.dead)}
    finish(Report("units encode", said, counts, made.problems, details), place, *written, as_json=as_json, quiet=quiet)
