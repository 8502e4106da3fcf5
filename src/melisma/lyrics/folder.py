"""A folder of one's own: "Artist - Title.lrc" and "Artist - Title.txt", or "Artist/Title.lrc".

The folder is listed and names are compared; no path is ever made of an artist's name, so that none leads out of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from melisma.lyrics.names import artist_likeness, fold, title_likeness
from melisma.lyrics.protocol import Candidate, ProviderFailed, SongQuery

VARIABLE = "MELISMA_LYRICS_DIR"
_SUFFIXES = (".lrc", ".txt")
_MAX_FILES = 100_000
_MAX_BYTES = 4_000_000
_HEAD = 20_000  # bytes in which an LRC file shows that it is one
_ALIKE = 0.75  # worse ones are not offered at all
_TIMED = re.compile(
    rb"^[\s\x00\xef\xbb\xbf\xfe\xff]*\[\x00?[0-9\x00]{1,6}:", re.MULTILINE
)  # in UTF-8 or UTF-16, behind a byte order mark or not
_BETWEEN = re.compile(r"\s+[-–—]\s+")


class Folder:
    """Look into the folder that MELISMA_LYRICS_DIR names."""

    name = "folder"

    def __init__(self, folder: str | Path | None = None) -> None:
        given = folder if folder is not None else os.environ.get(VARIABLE) or None
        self._folder = Path(given) if given is not None else None

    @property
    def cache_key(self) -> str | None:
        """Files are read anew each time."""
        return None

    def missing(self) -> str | None:
        """Say that no folder is named, or that there is none of this name."""
        if self._folder is None:
            return f"{VARIABLE} names none"
        return None if self._folder.is_dir() else f"{VARIABLE} names {str(self._folder)!r}, which is no folder"

    def candidates(self, query: SongQuery) -> Sequence[Candidate]:
        """Return the files whose names are like the song's."""
        found = []
        for path, artist, title in self._named():
            for said_artist, said_title in ((artist, title), (title, artist)):  # people write both orders
                alike = min(artist_likeness(query.artist, said_artist), title_likeness(query.title, said_title))
                if alike >= _ALIKE and (timed := _is_timed(path)) is not None:
                    found.append(Candidate(said_artist, said_title, source=str(path), file=path, file_synced=timed))
                    break
        return found

    def _named(self) -> Iterator[tuple[Path, str, str]]:
        """Yield every lyrics file with the artist and the title that its name says."""
        for path, parent in self._files():
            stem = path.name[: -len(path.suffix)]
            parts = _BETWEEN.split(stem, maxsplit=1)
            if len(parts) == 2 and fold(parts[0]) and fold(parts[1]):
                yield path, parts[0], parts[1]
            elif parent:
                yield path, parent, stem

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield lyrics files that lie in the folder or in one of its folders, with the name of the latter."""
        if self._folder is None:
            return
        try:
            root = self._folder.resolve(strict=True)
            entries = [(entry, "") for entry in sorted(root.iterdir())]
            entries += [(deep, top.name) for top, _ in list(entries) if top.is_dir() for deep in sorted(_inner(top))]
        except OSError as error:
            raise ProviderFailed(f"cannot be read ({error.strerror or error})") from error
        for path, parent in entries[:_MAX_FILES]:
            # A link may lead anywhere: only what lies inside is read.
            if path.suffix.lower() in _SUFFIXES and path.is_file() and path.resolve().is_relative_to(root):
                yield path, parent


def _is_timed(path: Path) -> bool | None:
    """Tell whether a file is LRC; None where it cannot be read or is no lyrics by its size."""
    try:
        if not 0 < path.stat().st_size <= _MAX_BYTES:
            return None
        with path.open("rb") as file:
            return bool(_TIMED.search(file.read(_HEAD)))
    except OSError:
        return None


def _inner(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # a folder that may not be listed holds nothing for us
