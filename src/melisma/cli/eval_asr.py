"""`melisma eval asr`: transcribers on a manifest: error rates, confusions, hallucinations, times, acceptance."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from melisma.cli.data.options import Jobs, Manifest, Seed, check
from melisma.cli.options import complete_engines
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.manifest import Utterance
    from melisma.evaluate.asr import Entrant
    from melisma.evaluate.asr_hypotheses import Hypothesis
    from melisma.evaluate.asr_result import EvalResult

Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH|NAME",
        help="A training, a package, an engine, or a name of models/whisper; several times for several.",
        autocompletion=complete_engines,
    ),
]
Hypotheses = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help='What was heard: JSONL of {"id", "text"}, or outputs of melisma transcribe; several times for several.',
    ),
]
Run = Annotated[
    str | None, typer.Option(metavar="NAME", help="What the result is called; the first model's name without it.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where the result goes; manifests/eval_<run>.json without it."),
]
Limit = Annotated[int | None, typer.Option(metavar="N", min=1, help="Only so many utterances, drawn by the seed.")]
Draws = Annotated[int, typer.Option(metavar="N", min=0, max=100_000, help="Of the bootstrap; 0 for no intervals.")]
ViewOf = Annotated[
    Literal["normalised", "folded", "raw"],
    typer.Option("--view", help="What acceptance, confusions and single figures are of; all three are in the result."),
]
TextOf = Annotated[
    Literal["transcript", "norm"],
    typer.Option("--text", help="Field of the manifest to compare with; norm is what `data normalize` made."),
]
Numbers = Annotated[bool, typer.Option("--numbers", help="Write figures in words before comparing.")]
VariantsToo = Annotated[
    bool, typer.Option("--variants", help="Count ijekavian for ekavian, and the other way round, by themselves.")
]
Noise = Annotated[
    bool, typer.Option("--noise/--no-noise", help="Measure noise and silence where the recordings can be read.")
]
Save = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Keep what each model heard there, for --hypotheses to read.")
]
Accept = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        help="Exit with 1 unless all are accepted: baseline (WER 0.12), production (0.20) or initial (0.30).",
    ),
]
MaxWer = Annotated[float | None, typer.Option(metavar="SHARE", min=0, help="Another limit for the word error rate.")]
MinCoverage = Annotated[
    float | None, typer.Option(metavar="SHARE", min=0, max=1, help="Another limit for utterances with timed words.")
]
MaxOffset = Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="Another limit for times of words.")]


@dataclass(frozen=True, slots=True)
class Listening:
    """How models are heard: the manifest, processes, where journals and hypotheses go, and who hears of progress."""

    manifest: Path
    jobs: int | None
    journals: Path
    save: Path | None
    report: Callable[[str, float], None]


def asr(
    manifest: Manifest,
    model: Model = None,
    hypotheses: Hypotheses = None,
    run: Run = None,
    output: Output = None,
    save: Save = None,
    limit: Limit = None,
    draws: Draws = 1000,
    view: ViewOf = "normalised",
    text: TextOf = "transcript",
    numbers: Numbers = False,
    variants: VariantsToo = False,
    noise: Noise = True,
    accept: Accept = None,
    max_wer: MaxWer = None,
    min_coverage: MinCoverage = None,
    max_offset: MaxOffset = None,
    jobs: Jobs = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure transcribers, or what they heard, against the transcripts of a manifest.

    Word and character error rates as written, normalised, and with Cyrillic read as Latin, by language, speaker, length
    and noise. An utterance without a hypothesis counts as deleted. Exits with 1 where --accept is given and not met.
    """
    from melisma.cli.progress import progress
    from melisma.data import places
    from melisma.evaluate.asr import EvalConfig, chosen, evaluate
    from melisma.evaluate.asr_accept import Rules
    from melisma.evaluate.asr_listen import sounds_of

    rules = Rules.of(accept or "baseline", max_wer, min_coverage, max_offset)
    labels = _labels([*(model or []), *map(str, hypotheses or [])])
    name, place = _place(run, output, labels)
    config = EvalConfig(name, seed, draws, limit, view, text, numbers, variants, rules)
    check(manifest, place)
    places.check(hypotheses or (), place)
    utterances = chosen(manifest, limit, seed, text)
    files = [
        _from_file(label, path, utterances)
        for label, path in zip(labels[len(model or []) :], hypotheses or [], strict=True)
    ]
    with progress(quiet=quiet, verbose=verbose) as report:
        listening = Listening(manifest, jobs, place.parent, save, report)
        entrants = [
            _from_model(label, given, utterances, listening) for label, given in zip(labels, model or [], strict=False)
        ]
        sounds = sounds_of(manifest, utterances, jobs=jobs, progress=report) if noise else {}
    result = evaluate(manifest, utterances, [*entrants, *files], config, sounds)
    _finish(result, manifest, place, as_json=as_json, quiet=quiet)
    if accept is not None and not result.accepted:
        raise typer.Exit(1)


def _labels(given: list[str]) -> list[str]:
    """Return the last parts of paths and names, as few as tell them apart."""
    from melisma.core.errors import InputError

    if not given:
        raise InputError("nothing to measure: name a model with --model, or a file with --hypotheses")
    parts = [Path(name.partition(":")[2] or name).parts or (name,) for name in given]
    for depth in range(1, max(map(len, parts)) + 1):
        labels = ["/".join(each[-depth:]).removesuffix(".jsonl") for each in parts]
        if len(set(labels)) == len(labels):
            break
    else:
        raise InputError("two models have the same name: give them files or folders with different names")
    return labels


def _place(run: str | None, output: Path | None, labels: list[str]) -> tuple[str, Path]:
    """Return what the result is called, and where it goes."""
    from melisma.core.artifacts import Artifacts, checked

    name = checked(run) if run else re.sub(r"[^A-Za-z0-9._-]+", "-", labels[0]).strip("-._")[:100] or "run"
    return name, output or Artifacts.of().evaluation(name)


def _from_file(label: str, path: Path, utterances: list[Utterance]) -> Entrant:
    from melisma.evaluate import asr_hypotheses, asr_transcriptions
    from melisma.evaluate.asr import Entrant
    from melisma.evaluate.asr_result import Source

    if path.is_dir():
        found, digest = asr_transcriptions.read(path, utterances)
    else:
        found, digest = asr_hypotheses.read(path)
    return Entrant(label, found, Source(kind="hypotheses", name=path.name, sha256=digest))


def _from_model(label: str, given: str, utterances: list[Utterance], listening: Listening) -> Entrant:
    from melisma.evaluate.asr import Entrant
    from melisma.evaluate.asr_listen import heard_by, transcriber
    from melisma.evaluate.asr_result import Source

    engine = _engine(given)
    facts = transcriber(engine).facts
    journal = listening.journals / f".eval_{re.sub(r'[^A-Za-z0-9._-]+', '-', label)[-80:]}.journal"
    found = heard_by(
        engine,
        listening.manifest,
        utterances,
        jobs=listening.jobs or 1,
        journal=journal,
        progress=listening.report,
    )
    if listening.save is not None:
        _keep(found, listening.save / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', label).strip('-.')[-80:]}.jsonl")
    journal.unlink(missing_ok=True)
    source = Source(
        kind="model",
        name=label,
        engine=facts.name,
        engine_version=facts.version,
        model_id=facts.model_id,
        model_revision=facts.model_revision,
        licence=facts.licence.spdx,
    )
    return Entrant(label, found, source, _note(found))


def _note(found: dict[str, Hypothesis]) -> str:
    faults = [each.error for each in found.values() if each.error]
    return f"{len(faults)} utterances could not be heard: {faults[0]}" if faults else ""


def _engine(given: str) -> str:
    """Return the name of an engine: of a folder, of a training by its name, or as it stands."""
    from melisma.core.artifacts import Artifacts
    from melisma.core.files import expanded
    from melisma.pipeline import tiers
    from melisma.pipeline.settings import RouterSettings

    path = expanded(Artifacts.of().training(given))
    if path.exists():
        return f"path:{path.absolute()}"
    tiers.check(given, RouterSettings.from_env())
    return given


def _keep(found: dict[str, Hypothesis], path: Path) -> None:
    from melisma.core.files import make_folder, write_atomically

    make_folder(path.parent)
    lines = (each.model_dump_json(exclude_defaults=True) + "\n" for each in found.values())
    write_atomically(path, "".join(lines).encode("utf-8"))


def _finish(result: EvalResult, manifest: Path, place: Path, *, as_json: bool, quiet: bool) -> None:
    """Write the result, with the manifest as it is seen from there, and print it."""
    from melisma.data.manifest import portable
    from melisma.evaluate import asr_result
    from melisma.evaluate.asr_table import table

    result = result.model_copy(update={"manifest": portable(manifest, place.parent)})
    asr_result.write(place, result)
    if as_json:
        typer.echo(result.text(), nl=False)
    else:
        typer.echo(table(result))
    if not quiet:
        typer.echo(f"wrote {place}", err=True)
