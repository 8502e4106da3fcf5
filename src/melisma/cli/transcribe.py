"""`melisma transcribe`: recordings, or a manifest → words with times: a record, a text and LRC, a folder each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.batch import How, ReportFile, is_manifest, refuse_alone, refuse_many, transcribe_all
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers
from melisma.cli.options import complete_engines, complete_formats, complete_languages, complete_separators
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.pipeline.transcribe import TranscribeConfig, Transcription

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Model that hears the words: one that was added (melisma models add), an engine, or the folder of a "
        "package or training. Without it the default of the language (melisma models default), or what can be used.",
        autocompletion=complete_engines,
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Language that is spoken or sung, such as hr; heard if not given.",
        autocompletion=complete_languages,
    ),
]
Align = Annotated[
    bool, typer.Option("--align/--no-align", help="Time the words exactly once they are known, by an aligner.")
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="More formats to write beside the three files, such as srt,karaoke (melisma formats list).",
        autocompletion=complete_formats,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FOLDER", help="Folder that takes a folder for each recording; outputs if not given."
    ),
]
FileId = Annotated[
    str | None,
    typer.Option("--id", metavar="NAME", help="What the folder of the recording is called; made of its name if not."),
]
Separate = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What to listen to, as for melisma align.",
        autocompletion=complete_separators,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Hear anew, and keep nothing in the cache.")]


def transcribe(
    audio: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Recordings: any audio or video files; or one MANIFEST.jsonl.")
    ],
    model: Model = "",
    language: Language = None,
    align: Align = True,
    format: Formats = None,
    output: Output = None,
    file_id: FileId = None,
    separate: Separate = "auto",
    no_cache: NoCache = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write down what is said or sung, word by word with times."""
    from melisma.cli import outputs
    from melisma.core.artifacts import Artifacts
    from melisma.core.errors import InputError
    from melisma.pipeline.transcribe import TranscribeConfig

    at, names = Artifacts.of(), outputs.split_names(format)
    how = How(executor, workers, preview, report, as_json, quiet, verbose)
    config = TranscribeConfig(at.found(model), language, align, separate)
    if is_manifest(audio[0]):
        if len(audio) > 1:
            raise InputError(f"a manifest is transcribed by itself: leave out {audio[1]}")
        refuse_many({"--id": file_id is not None})
        transcribe_all(audio[0], output, names, config, how)
    else:
        refuse_alone(how)
        _transcribe_files(_places(audio, output or at.outputs, file_id), config, names, how, cached=not no_cache)


def _transcribe_files(
    places: dict[Path, Path], config: TranscribeConfig, names: tuple[str, ...], how: How, *, cached: bool
) -> None:
    from dataclasses import replace

    from melisma.cli import summary
    from melisma.cli.cache import at_hand
    from melisma.core.errors import MelismaError
    from melisma.core.request_ids import started_by
    from melisma.pipeline.transcribe import check

    check(config)  # what cannot be used is said before an hour of audio is decoded
    told: list[dict[str, Any]] = []
    failed: list[MelismaError] = []
    with at_hand(wanted=cached, quiet=how.quiet) as cache:
        plain = replace(config, cache=cache)
        for path, folder in places.items():
            try:
                made = _heard(path, plain, quiet=how.quiet, verbose=how.verbose)
                told.append(_written(made, path, folder, names, started_by() or ""))
            except MelismaError as error:  # one of many that cannot be heard is no reason to leave the others
                if len(places) == 1:
                    raise
                typer.echo(f"error: {path}: {' '.join(str(error).split())}", err=True)
                failed.append(error)
            else:
                if not how.quiet:
                    _say(made, told[-1])
    if how.as_json:
        summary.print_json(told)
    if failed:
        typer.echo(f"{len(failed)} of {len(places)} recordings were not transcribed", err=True)
        raise typer.Exit(failed[0].exit_code)


def _places(audio: list[Path], root: Path, given: str | None) -> dict[Path, Path]:
    """Return the folder of each recording; refuse two of one name, and what is no file, before any work."""
    from melisma.audio.container import check_file
    from melisma.core.artifacts import checked
    from melisma.core.errors import InputError
    from melisma.pipeline.file_ids import file_id

    if given is not None and len(audio) > 1:
        raise InputError("--id names the folder of one recording: transcribe the others by themselves")
    places: dict[Path, Path] = {}
    for path in audio:
        check_file(path)
        folder = root / (checked(given) if given is not None else file_id(path.stem))
        # Names that differ in large and small letters are one folder on many file systems.
        other = next((old for old, place in places.items() if place.name.casefold() == folder.name.casefold()), None)
        if other is not None:
            raise InputError(f"{other} and {path} would both be written to {folder}: transcribe one of them with --id")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: name another folder with -o or --id")
        places[path] = folder
    return places


def _heard(path: Path, plain: TranscribeConfig, *, quiet: bool, verbose: bool) -> Transcription:
    from dataclasses import replace

    from melisma.cli.progress import progress
    from melisma.pipeline import log
    from melisma.pipeline.transcribe import transcribe as hear

    with progress(quiet=quiet, verbose=verbose) as report, log.shown(verbose):
        return hear(path, replace(plain, track_id=path.stem), report)


def _written(
    made: Transcription, path: Path, folder: Path, formats: tuple[str, ...], request_id: str
) -> dict[str, Any]:
    from melisma.cli import outputs
    from melisma.pipeline import transcript_files

    about = transcript_files.About(folder.name, path.name, request_id)
    contents = transcript_files.files(made.timed, about)
    for target in outputs.plan("transcription", formats, f"{folder}/", [path]) if formats else ():
        if target.path is not None:
            contents[target.path.name] = outputs.render(made.timed, target.format, path, path.stem)
    written = transcript_files.write(folder, contents)
    return {
        "audio": str(path),
        "file_id": folder.name,
        "outputs": [str(place) for place in written],
        "language": made.timed.language,
        "model": made.timed.model_id,
        "aligned_by": made.aligner or None,
        "duration_ms": made.timed.duration_ms,
        "word_count": len(made.timed.words),
        "aligned_words": made.n_exact,
        "confidence_avg": made.heard.confidence_avg,
        "text": made.timed.text,
        "warnings": list(made.timed.warnings),
    }


def _say(made: Transcription, told: dict[str, Any]) -> None:
    """Print to standard error what was heard, and what to doubt."""
    sure = "" if told["confidence_avg"] is None else f", average confidence {told['confidence_avg']:.2f}"
    exact = f", {told['aligned_words']} of them timed by {made.aligner}" if made.aligner else ""
    lines = [f"{told['word_count']} words in {told['language']}{sure}{exact}"]
    lines += [f"warning: {warning}" for warning in told["warnings"]]
    lines += [f"wrote {path}" for path in told["outputs"]]
    typer.echo("\n".join(lines), err=True)
