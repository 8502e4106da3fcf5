"""`melisma align` and `melisma transcribe` over a manifest: many recordings, on any executor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.executor_options import LOCAL, run_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from melisma.data.batch.results import Made
    from melisma.data.recordings import Recordings
    from melisma.pipeline.align import AlignConfig
    from melisma.pipeline.transcribe import TranscribeConfig
    from melisma.scale.protocol import Executor, Progress

SUFFIX = ".jsonl"
OUTPUTS = "aligned"  # folder of a batch of `melisma align`, below the current one or MELISMA_ROOT

ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="With a manifest: where the JSON report goes; into the output else."),
]


@dataclass(frozen=True, slots=True)
class How:
    """How a command was asked to work over a manifest, and to tell of it."""

    executor: str = LOCAL
    workers: int | None = None
    preview: bool = False
    report: Path | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False


def is_manifest(path: Path) -> bool:
    """Say whether what a command is given for a recording is a manifest of them."""
    return path.suffix.lower() == SUFFIX


def refuse_alone(how: How) -> None:
    """Refuse, for a single recording, what only a manifest takes."""
    from melisma.core.errors import InputError

    given = {"--executor": how.executor != LOCAL, "--workers": how.workers is not None, "--preview": how.preview}
    given |= {"--report": how.report is not None}
    for name, said in given.items():
        if said:
            raise InputError(f"{name} is for a manifest of recordings, FILE{SUFFIX}; this is one recording")


def refuse_many(options: dict[str, bool]) -> None:
    """Refuse, for a manifest, options that speak of one recording."""
    from melisma.core.errors import InputError

    for name, said in options.items():
        if said:
            raise InputError(f"{name} is for one recording: each line of a manifest says its own")


def align_all(manifest: Path, output: str | None, formats: tuple[str, ...], config: AlignConfig, how: How) -> None:
    """Align every line of a manifest."""
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError
    from melisma.data.batch import align as batch

    if output == "-":
        raise InputError("standard output takes one result: name a folder with -o")
    config = _settled(config)
    formats = formats or ("json",)
    batch.check(config, formats)
    out = Path(output) if output else Artifacts.of().root / OUTPUTS
    asked = {"engine": config.engine, "language": config.language, "formats": list(formats)}

    def work(found: Recordings, executor: Executor, told: Progress) -> Made:
        return batch.run(found, batch.Align(str(out), formats, config), executor=executor, progress=told)

    _run("align", manifest, out, asked, work, how)


def transcribe_all(
    manifest: Path, output: Path | None, formats: tuple[str, ...], config: TranscribeConfig, how: How
) -> None:
    """Transcribe every line of a manifest."""
    from melisma.core.artifacts import Artifacts
    from melisma.data.batch import transcribe as batch

    config = _settled(config)
    batch.check(config, formats, here=how.executor == LOCAL)
    out = output or Artifacts.of().outputs
    asked = {"model": config.model, "language": config.language, "formats": list(formats)}

    def work(found: Recordings, executor: Executor, told: Progress) -> Made:
        return batch.run(found, batch.Transcribe(str(out), formats, config), executor=executor, progress=told)

    _run("transcribe", manifest, out, asked, work, how)


def _settled(config: Any) -> Any:
    """Return a configuration with the settings of this machine's environment, for every worker."""
    from dataclasses import replace

    from melisma.pipeline.by_itself import settled

    return replace(config, settings=settled())


def _run(
    command: str,
    manifest: Path,
    out: Path,
    asked: dict[str, Any],
    work: Callable[[Recordings, Executor, Progress], Made],
    how: How,
) -> None:
    from melisma.cli.data.options import check, finish
    from melisma.cli.progress import progress
    from melisma.data import recordings
    from melisma.data.batch.results import RESULTS
    from melisma.data.report import Report

    place = how.report or out / f"{command}_report.json"
    check(manifest, out / RESULTS, place)
    executor = run_on(how.executor, how.workers, how.preview)
    found = recordings.read(manifest)
    with progress(quiet=how.quiet, verbose=how.verbose) as told:
        made = work(found, executor, told)
    counts = {"lines": found.n_utterances, **made.counts()}
    report = Report(command, asked, counts, made.problems)
    finish(report, place, out / RESULTS, as_json=how.as_json, quiet=how.quiet)
    if made.problems:
        raise typer.Exit(1)
