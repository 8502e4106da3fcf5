"""Recordings fetched from the web into a folder, each once, with where they come from written beside them.

    archive.jsonl        what was fetched, and what cannot be had, a line each
    NAME.opus …          the audio, as the site has it
    NAME.source.json     where it comes from: address, title, uploader, licence, date, SHA-256
    .incoming/           what is half here; the next run goes on with it

One recording after the other, with pauses: sites count what they are asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, sha256_of
from melisma.data.fetching import audio as fetched_audio
from melisma.data.fetching.archive import NAME, Archive, Entry
from melisma.data.fetching.protocol import (
    GOOD,
    LASTING,
    Download,
    Downloader,
    Fate,
    Fetched,
    Limits,
    Playlist,
    Recording,
    Reference,
    Unfetched,
    Wanted,
    check_address,
)
from melisma.data.fetching.sidecar import key_beside, read_sidecar, write_sidecar
from melisma.data.fetching.yt_dlp import YtDlp

__all__ = ["Fate", "FetchConfig", "Fetched", "Fetcher", "Limits", "Wanted"]

_MOST_DEPTH = 3  # playlists in playlists
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?|\.+")
_Got = TypeVar("_Got")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FetchConfig:
    """How recordings are fetched.

    Parameters
    ----------
    folder : Path
        Where they go.
    limits : Limits
        What each is held to.
    pause_s : float
        Before each but the first; up to half as much again, by chance.
    retries : int
        More tries after the first, where the network or the site fails.
    backoff_s : float
        Before the second try; twice as long before each further one, ten times as long where the site asks for it.
    again : bool
        Whether to ask once more for what an earlier run found gone, private or otherwise not to be had.
    """

    folder: Path
    limits: Limits = field(default_factory=Limits)
    pause_s: float = 3.0
    retries: int = 3
    backoff_s: float = 5.0
    again: bool = False


class Fetcher:
    """Fetches what is wanted, and remembers it.

    Parameters
    ----------
    config : FetchConfig
        Where to and how.
    downloader : Downloader, optional
        Who asks the sites; yt-dlp without one.
    progress : callable, optional
        Told the name of a recording and the share of it that is here.
    """

    def __init__(
        self, config: FetchConfig, downloader: Downloader | None = None, progress: Progress | None = None
    ) -> None:
        self._config = config
        self._downloader: Downloader = downloader or YtDlp()
        self._progress = progress
        self._asked = False  # whether a site was asked for a recording yet
        self._chance = secrets.SystemRandom()

    def fetch(self, wanted: Iterable[Wanted]) -> Iterator[Fetched]:
        """Yield what came of each recording, those of playlists one by one, as it is known.

        Raises
        ------
        InputError
            If another run is at work in the folder, or its archive is damaged.
        OutputError
            If the folder cannot be written to, or the disk is full.
        NeedsFfmpeg
            If a site has no sound without pictures and there is no ffmpeg to take it out.
        """
        from filelock import FileLock, Timeout

        folder = self._config.folder
        make_folder(folder / ".incoming")
        try:
            lock = FileLock(folder / ".incoming" / "lock", timeout=0)
            with lock:
                archive = Archive(folder / NAME)
                for each in wanted:
                    yield from self._walk(each, Reference(each.url), archive, 0)
        except Timeout:
            raise InputError(f"another fetch is at work in {folder}") from None

    def _walk(self, wanted: Wanted, reference: Reference, archive: Archive, depth: int) -> Iterator[Fetched]:
        known = archive.find(key=reference.key) if reference.key else None
        known = known or (archive.find(url=reference.url) if reference.alone else None)
        if known is not None and self._settled(known):
            yield self._known(wanted, known, reference.url)
            return
        try:
            check_address(reference.url)
            self._pause()
            found = self._try(lambda _: self._downloader.look(reference))
            if isinstance(found, Recording):
                yield self._recording(wanted, reference, found, archive)
                return
            yield from self._playlist(replace(wanted, id=""), found, archive, depth)
        except Unfetched as error:
            yield self._missed(Fetched(wanted, error.fate, reference.url, error.reason, key=reference.key), archive)

    def _playlist(self, wanted: Wanted, playlist: Playlist, archive: Archive, depth: int) -> Iterator[Fetched]:
        if depth == _MOST_DEPTH:
            raise Unfetched(Fate.REFUSED, "it is a playlist in a playlist in a playlist: name the inner ones")
        for item in playlist.items:
            yield from self._walk(wanted, item, archive, depth + 1)

    def _recording(self, wanted: Wanted, reference: Reference, found: Recording, archive: Archive) -> Fetched:
        known = archive.find(key=found.key)
        if known is not None and self._settled(known):
            return self._known(wanted, known, found.facts.url)
        result = Fetched(wanted, Fate.FAILED, found.facts.url, facts=found.facts, key=found.key)
        try:
            fetched_audio.check_duration(found.facts.duration_s, self._config.limits)
            name = _name(wanted, found, self._config.folder)
            result = replace(result, id=name)
            result = self._brought(result, reference, found, self._config.folder / ".incoming" / name)
        except Unfetched as error:
            if error.fate in LASTING:  # what came of it is of no use to a later run
                _clear(self._config.folder / ".incoming", result.id)
            return self._missed(replace(result, fate=error.fate, reason=error.reason), archive, reference)
        archive.add(_entry(result, reference))
        return result

    def _brought(self, result: Fetched, reference: Reference, found: Recording, stem: Path) -> Fetched:
        """Download a recording, look whether it is one, and put it and what is known of it into the folder."""
        limits = self._config.limits

        def attempt(number: int) -> Download:
            now = found if number == 0 else self._downloader.look(reference)  # addresses of files expire
            if not isinstance(now, Recording):
                raise Unfetched(Fate.FAILED, "there was a recording, and now it is a playlist")
            return self._downloader.download(now, stem, limits, lambda done, all_: self._tell(result.id, done, all_))

        audio = fetched_audio.settle(self._try(attempt), limits)
        path = self._config.folder / f"{stem.name}{audio.path.suffix}"
        with _as_output(path):
            digest = sha256_of(audio.path)
            os.replace(audio.path, path)
        done = replace(result, fate=Fate.FETCHED, path=path, duration_s=audio.duration_s, sha256=digest)
        write_sidecar(done)
        return done

    def _missed(self, result: Fetched, archive: Archive, reference: Reference | None = None) -> Fetched:
        """Remember what cannot be had; what only failed is left for another run."""
        if result.fate in LASTING and result.fate is not Fate.REFUSED:
            archive.add(_entry(result, reference or Reference(result.url)))
        return result

    def _settled(self, known: Entry) -> bool:
        return known.fate in GOOD or known.fate is Fate.REMOVED or not self._config.again

    def _known(self, wanted: Wanted, known: Entry, url: str) -> Fetched:
        if known.fate not in GOOD:
            return Fetched(wanted, known.fate, url, known.reason, id=known.id, key=known.key)
        path = self._config.folder / known.file if known.file else None
        if path is None or not path.is_file():
            return Fetched(wanted, Fate.PRESENT, url, "it was fetched before, its file is not here", known.id)
        return read_sidecar(path, wanted) or Fetched(wanted, Fate.PRESENT, url, "", known.id, path)

    def _try(self, attempt: Callable[[int], _Got]) -> _Got:
        """Try, and try again where the network or the site fails."""
        for number in range(self._config.retries):
            try:
                return attempt(number)
            except Unfetched as error:
                if error.fate not in (Fate.FAILED, Fate.THROTTLED):
                    raise
                wait = self._config.backoff_s * 2**number * (10 if error.fate is Fate.THROTTLED else 1)
                time.sleep(wait)
        return attempt(self._config.retries)

    def _pause(self) -> None:
        if self._asked:
            time.sleep(self._config.pause_s * self._chance.uniform(1.0, 1.5))
        self._asked = True

    def _tell(self, name: str, done: int, total: int | None) -> None:
        if self._progress is not None:
            self._progress(name, done / total if total else 0.0)


def _entry(result: Fetched, reference: Reference) -> Entry:
    addresses = tuple(dict.fromkeys((reference.url, result.url))) if reference.alone else ()
    file = result.path.name if result.path else ""
    return Entry(result.key or f"address {reference.url}", result.fate, result.id, file, result.reason, addresses)


def _name(wanted: Wanted, found: Recording, folder: Path) -> str:
    """Return what a recording's files are called: safe on every file system, and no other recording's name."""
    facts, digest = found.facts, hashlib.sha256(found.key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain_file = found.key.startswith("generic ")
    asked = wanted.id or (facts.site_id if plain_file else f"{facts.site.lower()}-{facts.site_id}")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", asked).strip("-.")[:80]
    if name != asked or _RESERVED.fullmatch(name) or (plain_file and not wanted.id):
        name = f"{name.strip('.') or 'recording'}-{digest}"
    owner = key_beside(folder, name)
    return name if owner in (None, found.key) else f"{name}-{digest}"


def _clear(folder: Path, name: str) -> None:
    for path in folder.iterdir() if name else ():
        if path.name.startswith(f"{name}."):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _as_output(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
