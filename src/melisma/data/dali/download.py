"""The recordings of DALI's songs, from the addresses that it names, into the folder where the other commands look."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from melisma.core.errors import InputError, OutputError
from melisma.data.dali.service import DaliService, Header, Selection
from melisma.data.fetch import FetchConfig, Fetcher, Wanted
from melisma.data.fetching.protocol import GOOD, LASTING, Downloader, Fate
from melisma.data.report import Problem, Report
from melisma.scale.protocol import Progress

_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")
_PAGE = "https://www.youtube.com/watch?v="


def address_of(url: str) -> str | None:
    """Return the address of what DALI calls a url: the id of a video, or an address; None if it is neither.

    >>> address_of("Qhm9V7YBOQI"), address_of("None"), address_of("file:///etc/passwd")
    ('https://www.youtube.com/watch?v=Qhm9V7YBOQI', None, None)
    """
    if _VIDEO.fullmatch(url):
        return _PAGE + url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def download(
    dali: DaliService,
    selection: Selection,
    config: FetchConfig,
    downloader: Downloader | None = None,
    *,
    only_working: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Fetch the recordings of all songs that are meant and have none yet; say which videos have vanished, and why.

    What is here stays, what broke off goes on, what an earlier run found gone is not asked for again unless
    `config.again`.

    Parameters
    ----------
    dali : DaliService
    selection : Selection
        Which songs are meant.
    config : FetchConfig
        Where to and how; the folder is that of `dali`.
    downloader : Downloader, optional
        Who asks the sites; yt-dlp without one.
    only_working : bool
        Whether to leave out videos that were gone when DALI looked.
    progress : callable, optional

    Raises
    ------
    InputError
        If no song is meant, or the folder cannot be used.
    """
    songs = {song.id: song for song in dali.headers(selection) if song.working or not only_working}
    if not songs:
        raise InputError("no song is meant")
    fates: Counter[str] = Counter()
    problems: list[Problem] = []
    missing = [song for song_id, song in songs.items() if dali.audio_of(song_id) is None]
    fates[Fate.PRESENT] += len(songs) - len(missing)
    for done, got in enumerate(_fetched(missing, problems, config, downloader), 1):
        fates[got[1]] += 1
        if got[2]:
            problems.append(Problem(got[0], got[1], got[2]))
        if progress is not None:
            progress("download", done / len(missing))
    counts = {"songs": len(songs), "fetched": 0, **{str(fate): n for fate, n in sorted(fates.items()) if n}}
    vanished = [each.item for each in problems if each.kind in LASTING]
    later = [each.item for each in problems if each.kind not in LASTING | GOOD]
    details = {"vanished": vanished, "to_be_tried_again": later}
    settings = {"annotations": str(dali.annotations), "audio": str(config.folder), "only_working": only_working}
    return Report("dali download", settings, counts, problems, details)


def _fetched(
    songs: list[Header], problems: list[Problem], config: FetchConfig, downloader: Downloader | None
) -> Iterator[tuple[str, Fate, str]]:
    """Yield id, fate and reason of each song; the reason is empty where the recording is here."""
    wanted = []
    for song in songs:
        address = address_of(song.url)
        if address is None:
            yield song.id, Fate.REFUSED, f"{song.url[:100]!r} is neither the id of a video nor an address of the web"
            continue
        language = song.language if song.language != "und" else ""
        wanted.append(Wanted(address, id=song.id, language=language, speaker_id=song.artist))
    for got in Fetcher(config, downloader).fetch(wanted):
        good = got.fate in GOOD and got.path is not None
        if good and got.path is not None and got.path.stem != got.wanted.id:
            _named_twice(got.path, got.path.with_name(f"{got.wanted.id}{got.path.suffix}"))
        yield got.wanted.id, got.fate, "" if good else f"{got.url}: {got.reason}"


def _named_twice(path: Path, name: Path) -> None:
    """Give a recording that two songs name its second name."""
    if name.exists():
        return
    try:
        try:
            os.link(path, name)
        except OSError:  # a file system without links
            shutil.copyfile(path, name)
    except OSError as error:
        raise OutputError(f"cannot write {name}: {error.strerror or error}") from error
