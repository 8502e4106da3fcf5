"""`melisma lyrics`: the words of a song by its artist and title."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from melisma.cli.options import complete_formats, complete_providers
from melisma.cli.program import AsJson, Quiet, Verbose, group

if TYPE_CHECKING:
    from melisma.lyrics.protocol import SongQuery
    from melisma.pipeline.find_lyrics import FoundLyrics
    from melisma.pipeline.regroup import IntoLines

app = group("Find the lyrics of a song.")


Duration = Annotated[
    float | None,
    typer.Option(min=0.0, metavar="SECONDS", help="Length of the recording: tells its version from others."),
]
Album = Annotated[str | None, typer.Option(metavar="TEXT", help="Album, where it is known.")]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        metavar="NAMES",
        help="Whom to ask, in this order, such as lrclib,genius (melisma lyrics providers).",
        autocompletion=complete_providers,
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="File to write: .lrc with times, .txt without, - to print."),
]
Synced = Annotated[bool | None, typer.Option("--synced/--plain", help="Only with times of lines, or only the words.")]
Cache = Annotated[bool, typer.Option("--cache/--no-cache", help="Use answers kept from earlier.")]


@app.command()
def find(
    artist: Annotated[str, typer.Argument(metavar="ARTIST", help="Who sings.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the song is called.")],
    duration: Duration = None,
    album: Album = None,
    provider: Providers = None,
    output: Output = None,
    synced: Synced = None,
    cache: Cache = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find lyrics, with the times of lines where a provider has them for this version of the song."""
    from melisma.core.errors import InputError
    from melisma.core.files import write_atomically
    from melisma.lyrics.protocol import SongQuery

    path = Path(output) if output not in (None, "-") else None
    if path is not None:
        _check_target(path)
        synced = _told(path, synced)
    if as_json and output == "-":
        raise InputError("--json and -o - both need standard output: choose one")
    found = fetch(SongQuery(artist, title, album, duration or None), provider, synced, cache)
    if path is not None:
        write_atomically(path, found.text.encode("utf-8"))
    elif not as_json:
        typer.echo(found.text.encode("utf-8"), nl=False)
    if not quiet:
        say(found)
        if path is not None:
            typer.echo(f"wrote {path}", err=True)
    if as_json:
        _print_json(found, path)


def fetch(
    query: SongQuery, provider: list[str] | None = None, synced: bool | None = None, cache: bool = True
) -> FoundLyrics:
    """Ask providers for a song, without a word on standard output."""
    from melisma.lyrics.cache import AnswerCache
    from melisma.lyrics.search import SearchConfig
    from melisma.pipeline.find_lyrics import find as find_lyrics

    names = tuple(name.strip() for given in provider or () for name in given.split(",") if name.strip())
    return find_lyrics(query, SearchConfig(names or None, synced, AnswerCache() if cache else None))


def say(found: FoundLyrics) -> None:
    """Say on standard error what was found where, and what to doubt of it."""
    kind = "synced" if found.synced else "plain"
    typer.echo(f"{kind} lyrics of {found.title!r} by {found.artist!r} from {found.source or found.provider}", err=True)
    for note in found.notes:
        typer.echo(f"warning: {note}", err=True)


def _print_json(found: FoundLyrics, path: Path | None) -> None:
    from melisma.cli.summary import print_json

    fields = ("provider", "source", "artist", "title", "album", "duration_s", "synced", "text")
    facts = {name: getattr(found, name) for name in fields}
    print_json({**facts, "warnings": list(found.notes), "output": str(path) if path is not None else None})


@app.command("providers")
def list_providers(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List who is asked, in this order, and what keeps one from being asked."""
    from melisma.cli.summary import print_json, print_table
    from melisma.lyrics.search import load_provider, provider_names

    found = [(name, load_provider(name).missing()) for name in provider_names()]
    if as_json:
        print_json([{"name": name, "ready": lacks is None, "missing": lacks} for name, lacks in found])
    else:
        print_table([(name, "ready" if lacks is None else lacks) for name, lacks in found])


def _told(path: Path, synced: bool | None) -> bool | None:
    """Return what a file's name says where no option does: LRC has times, text has none."""
    from melisma.core.errors import InputError

    if path.suffix.lower() == ".lrc":
        if synced is False:
            raise InputError(f"{path} would be LRC, which times its lines: give --plain a .txt file")
        return True
    return False if synced is None and path.suffix.lower() == ".txt" else synced


def _check_target(path: Path) -> None:
    """Refuse a file that cannot be written before anybody is asked."""
    from melisma.core.errors import OutputError

    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")


@app.command()
def regroup(
    alignment: Annotated[
        Path, typer.Argument(metavar="ALIGNMENT", help="Timed words: any format that melisma reads, or - with --from.")
    ],
    lyrics: Annotated[Path, typer.Argument(metavar="LYRICS", help="Synced lyrics (LRC) of the same song.")],
    from_format: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Format of ALIGNMENT.", autocompletion=complete_formats),
    ] = None,
    format: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Formats to write, as of melisma align.", autocompletion=complete_formats),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PATH", help="File or folder, as of melisma align.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="How far outside of a line's time its words may be; 1, or MELISMA_REGROUP_TOLERANCE_MS.",
        ),
    ] = None,
    max_skipped: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="SHARE", help="Of words in no line, beyond which pauses make the lines."
        ),
    ] = 0.3,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put words that were heard into the lines of synced lyrics; every word stays, with its time."""
    from dataclasses import replace

    from melisma.cli import outputs
    from melisma.cli.reading import read_alignment
    from melisma.cli.summary import print_json
    from melisma.pipeline.lyrics import read
    from melisma.pipeline.regroup import from_environment, into_lines

    stem, inputs = (lyrics.stem, [lyrics]) if str(alignment) == "-" else (alignment.stem, [alignment, lyrics])
    targets = outputs.plan(stem, outputs.split_names(format), output, inputs)
    config = replace(from_environment(), max_skipped_ratio=max_skipped)
    if tolerance is not None:
        config = replace(config, tolerance_s=tolerance)
    made = into_lines(read_alignment(alignment, from_format), read(lyrics), config)
    outputs.write_all(targets, lambda name: outputs.render(made.alignment, name))
    if not quiet:
        _tell(made)
    if as_json:
        print_json(_facts(made))


def _tell(made: IntoLines) -> None:
    found = made.regrouped
    typer.echo(
        f"{len(found.words)} words in {len(found.lines)} lines ({found.regroup_mode_used}), "
        f"{found.skipped_words} of them in no line of the lyrics",
        err=True,
    )
    for warning in made.alignment.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _facts(made: IntoLines) -> dict[str, Any]:
    found, fit = made.regrouped, made.fit
    return {
        "regroup_mode_used": str(found.regroup_mode_used),
        "skipped_words": found.skipped_words,
        "skipped_words_ratio": round(found.skipped_words_ratio, 4),
        "offset_s": round(fit.offset_s, 3),
        "slope": round(fit.slope, 5),
        "warnings": list(made.alignment.warnings),
    }
