"""`melisma data fetch`: recordings of the web, each once, with where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from melisma.cli.data.options import ReportFile, finish, output_at
from melisma.cli.program import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from melisma.data.fetch import FetchConfig, Wanted
    from melisma.data.fetching.summary import Tally
    from melisma.data.fetching.yt_dlp import YtDlp


def fetch(
    what: Annotated[
        list[str], typer.Argument(metavar="LIST|URL…", help="Lists of addresses (- is standard input), or addresses.")
    ],
    output: Annotated[Path, output_at(lambda at: at.uploads, "DIR", "Where recordings go.")],
    licence: Annotated[
        str, typer.Option("--license", metavar="SPDX", help="Of all of them; without it, what the site says.")
    ] = "",
    language: Annotated[str, typer.Option(metavar="CODE", help="Of all of them, where you know it.")] = "",
    speaker: Annotated[str, typer.Option(metavar="NAME", help="Who is heard in all of them.")] = "",
    rate_limit: Annotated[
        float | None, typer.Option(metavar="KB/S", min=1, help="Fetch no faster; as fast as it comes without.")
    ] = None,
    pause: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Between recordings; up to half more.")] = 3.0,
    retries: Annotated[int, typer.Option(metavar="N", min=0, max=20, help="More tries where something fails.")] = 3,
    max_mb: Annotated[float, typer.Option(metavar="MB", min=0.001, help="Largest file.")] = 2000.0,
    max_minutes: Annotated[float, typer.Option(metavar="MIN", min=0, help="Longest recording.")] = 240.0,
    min_seconds: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Shortest recording.")] = 1.0,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Longest download.")] = 3600.0,
    max_items: Annotated[int, typer.Option(metavar="N", min=1, help="Of a playlist or feed, the first.")] = 10_000,
    cookies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Netscape cookie file of a browser that is signed in.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Ask once more for what was gone or private.")] = False,
    report: ReportFile = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fetch the audio of pages, playlists, feeds and files into a folder, and add it to its manifest.

    Nothing is fetched twice: archive.jsonl remembers. The same command goes on where it broke off. Exits with 1 if
    another run may get more, or nothing could be had at all.
    """
    from melisma.data import places
    from melisma.data.fetch import FetchConfig, Limits, Wanted
    from melisma.data.fetching.yt_dlp import YtDlp

    limits = Limits(max_mb, min_seconds, max_minutes * 60, timeout, rate_limit * 1000 if rate_limit else None)
    place = report or output / "fetch_report.json"
    places.check([Path(word) for word in what if "://" not in word], output / "manifest.jsonl", place)
    config = FetchConfig(output, limits, pause, retries, again=again)
    wanted = _wanted(what, Wanted("", licence=licence, language=language, speaker_id=speaker))
    tally, n_added = _fetch(wanted, config, YtDlp(cookies=cookies, max_items=max_items), (quiet, verbose))
    asked = {"what": what, "license": licence, "language": language, "speaker": speaker, "max_mb": max_mb}
    done = tally.report(asked, str(output / "manifest.jsonl"), n_added)
    finish(done, place, as_json=as_json, quiet=quiet)
    if tally.exit_code:
        raise typer.Exit(tally.exit_code)


def _fetch(
    wanted: list[Wanted], config: FetchConfig, downloader: YtDlp, how_loud: tuple[bool, bool]
) -> tuple[Tally, int]:
    """Fetch what is wanted; what is here afterwards is in the manifest, however this ends."""
    from melisma.cli.progress import progress
    from melisma.cli.summary import shown
    from melisma.data.fetch import Fetcher
    from melisma.data.fetching.sidecar import sidecars, write_manifest
    from melisma.data.fetching.summary import Tally

    downloader.check()
    quiet, verbose = how_loud
    tally, n_added = Tally(), 0
    with progress(quiet=quiet, verbose=False) as told:
        try:
            for got in Fetcher(config, downloader, told).fetch(wanted):
                tally.add(got)
                if verbose and not quiet:
                    said = f"{got.fate.value}: {got.url} {got.path.name if got.path else got.reason}"
                    typer.echo(shown(said), err=True)
        finally:
            if config.folder.is_dir():
                n_added = write_manifest(config.folder / "manifest.jsonl", sidecars(config.folder))
    return tally, n_added


def _wanted(what: list[str], common: Wanted) -> list[Wanted]:
    """Return what lists and addresses ask for, in their order; all is read before anything is asked."""
    from dataclasses import replace

    from melisma.core.errors import InputError
    from melisma.data.fetching.lists import parse_list, read_list
    from melisma.data.fetching.protocol import Unfetched, check_address

    def each() -> Iterator[Wanted]:
        for word in what:
            if word == "-":
                yield from parse_list(typer.get_text_stream("stdin"), common)
            elif "://" in word:
                try:
                    yield replace(common, url=check_address(word))
                except Unfetched as error:
                    raise InputError(error.reason) from error
            else:
                yield from read_list(Path(word), common)

    found = list(each())
    if not found:
        raise InputError(f"there is no address in {', '.join(what)}")
    return found
