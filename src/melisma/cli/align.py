"""`melisma align`: a recording and its lyrics, or a manifest of many → files with a time for every word."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.batch import How, ReportFile, align_all, is_manifest, refuse_alone, refuse_many
from melisma.cli.executor_options import LOCAL, ExecutorName, Preview, Workers
from melisma.cli.options import (
    complete_engines,
    complete_formats,
    complete_languages,
    complete_refinements,
    complete_separators,
)
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from melisma.cli.outputs import Target
    from melisma.core.records import Lyrics
    from melisma.pipeline.align import AlignConfig


class Downmix(StrEnum):
    """What `--downmix` takes."""

    CENTRE = "centre"
    MEAN = "mean"


Language = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Language of the lyrics, such as fr; found from the text if not given.",
        autocompletion=complete_languages,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Engine that listens, or path:FOLDER; auto chooses, and tries the next where one fails.",
        autocompletion=complete_engines,
    ),
]
Fallback = Annotated[
    bool, typer.Option("--fallback", help="Go on to the engines of auto where the one of --engine fails.")
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Formats to write, such as lrc,ass,karaoke (melisma formats list).",
        autocompletion=complete_formats,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="File (its name tells the format), folder, or - for standard output. "
        "Without it: <name of the audio>.json, or one file per format, in the current folder.",
    ),
]
Wildcard = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="NATS",
        help="Let sound that is not in the lyrics pass between lines, at this cost a frame; 2 if not given.",
    ),
]
Mix = Annotated[Downmix | None, typer.Option(help="Older spelling: --separate center, or --separate none.")]
Separate = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What to listen to: the plain mix (none), the centre of a stereo recording (center), the voice alone as "
        "Demucs hears it (demucs), or what suits the engine (auto).",
        autocompletion=complete_separators,
    ),
]
Refine = Annotated[
    str,
    typer.Option(
        metavar="STEPS",
        help="What to do with words once they are placed: onset, beat, ends, separated by commas; off if not given.",
        autocompletion=complete_refinements,
    ),
]

Artist = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Who sings: find the lyrics by this and --title, where LYRICS is not given."),
]
Title = Annotated[str | None, typer.Option(metavar="TEXT", help="What the song is called; title of a karaoke page.")]
Find = Annotated[
    bool, typer.Option("--find-lyrics", help="Find the lyrics by what the recording's tags say, as with --artist.")
]

NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Compute anew, and keep nothing, whatever the cache holds (melisma cache).")
]


def align(
    audio: Annotated[
        Path,
        typer.Argument(
            metavar="AUDIO", help="The recording: any audio or video file; or MANIFEST.jsonl, many with their lyrics."
        ),
    ],
    lyrics: Annotated[
        str | None,
        typer.Argument(
            metavar="[LYRICS]",
            help="Its lyrics: text, LRC or SRT file, or - for standard input; without them they are looked for "
            "(--artist), or an engine that hears words writes them down.",
        ),
    ] = None,
    language: Language = None,
    engine: Engine = "auto",
    fallback: Fallback = False,
    format: Formats = None,
    output: Output = None,
    wildcard: Wildcard = None,
    downmix: Mix = None,
    separate: Separate = "auto",
    refine: Refine = "",
    artist: Artist = None,
    title: Title = None,
    find: Find = False,
    no_cache: NoCache = False,
    executor: ExecutorName = LOCAL,
    workers: Workers = None,
    preview: Preview = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put a time on every word of a song, or of every song of a manifest."""
    from melisma.cli import outputs
    from melisma.core.errors import InputError
    from melisma.pipeline.align import AlignConfig

    if wildcard is not None and math.isinf(wildcard):
        raise InputError(f"--wildcard is a cost in nats, not {wildcard}")
    names, how = outputs.split_names(format), How(executor, workers, preview, report, as_json, quiet, verbose)
    older = downmix and downmix.value
    config = AlignConfig(language, engine, fallback, wildcard, older, separate=separate, refine=refine)
    if is_manifest(audio):
        one = {"LYRICS": lyrics, "--find-lyrics": find, "--artist": artist, "--title": title}
        refuse_many({option: bool(given) for option, given in one.items()})
        align_all(audio, output, names, config, how)
    else:
        refuse_alone(how)
        song = _Song(audio, lyrics, artist, title, find)
        _align_song(song, config, outputs.plan(audio.stem, names, output, song.inputs), how, cached=not no_cache)


@dataclass(frozen=True, slots=True)
class _Song:
    """One recording, and where its words come from."""

    audio: Path
    lyrics: str | None
    artist: str | None
    title: str | None
    find: bool

    @property
    def inputs(self) -> list[Path]:
        """Files that nothing is written over."""
        return [self.audio] if self.lyrics in (None, "-") else [self.audio, Path(str(self.lyrics))]

    def words(self, *, quiet: bool) -> str | Lyrics | None:
        """Return the lyrics as they are given, or found where they are looked for."""
        sought = self.find or (self.artist is not None and self.lyrics is None)
        return _found(self.audio, self.lyrics, (self.artist, self.title), quiet=quiet) if sought else self.lyrics


def _align_song(song: _Song, config: AlignConfig, targets: Sequence[Target], how: How, *, cached: bool) -> None:
    from melisma.cli import outputs, summary
    from melisma.cli.cache import at_hand
    from melisma.cli.progress import progress
    from melisma.core.errors import InputError
    from melisma.pipeline import log
    from melisma.pipeline.align import align as align_song

    if how.as_json and targets[0].path is None:
        raise InputError("--json and -o - both need standard output: choose one")
    known = song.words(quiet=how.quiet)
    opened, shown = at_hand(wanted=cached, quiet=how.quiet), progress(quiet=how.quiet, verbose=how.verbose)
    with opened as cache, shown as report, log.shown(how.verbose):
        config = replace(config, cache=cache, artist=song.artist or "", title=song.title or "")
        alignment = align_song(song.audio, known, config=config, progress=report)
    outputs.write_all(targets, lambda name: outputs.render(alignment, name, song.audio, song.title))
    if not how.quiet:
        summary.print_summary(alignment, targets)
    if how.as_json:
        summary.print_json(summary.as_dict(alignment, targets))


def _found(audio: Path, lyrics: str | None, names: tuple[str | None, str | None], *, quiet: bool) -> Lyrics:
    """Find the lyrics of a recording, and say where they are from."""
    from melisma.cli.lyrics import fetch, say
    from melisma.core.errors import InputError
    from melisma.lyrics.protocol import LyricsNotFound
    from melisma.pipeline.find_lyrics import query_for

    if lyrics is not None:
        raise InputError("lyrics are either given or looked for: leave out LYRICS or --find-lyrics")
    try:
        found = fetch(query_for(audio, *names))
    except LyricsNotFound as error:
        raise LyricsNotFound(f"{error}; give them as LYRICS, or try other names (melisma lyrics find)") from error
    if not quiet:
        say(found)
    return found.lyrics
