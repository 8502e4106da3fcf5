"""A folder of recordings on the service's machine, which callers name by relative paths and never leave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from melisma.core.errors import InputError, NotFound
from melisma.store.service.pages import LIMIT

# What is listed: suffixes of recordings. What a file is, its content says when it is used.
SUFFIXES = frozenset(
    {".mp3", ".flac", ".wav", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".aiff", ".aif"}
    | {".webm", ".mka", ".mkv", ".wma", ".caf", ".au", ".w64", ".mov"}
)
_MOST = 50_000  # entries that one search looks at
_LONGEST = 1000  # characters of a path


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder or a recording: its path below the library folder, with slashes, and its last name."""

    path: str
    name: str
    size_bytes: int | None
    is_folder: bool


def resolve(root: Path | None, path: str) -> Path:
    """Find a recording of the library.

    Parameters
    ----------
    root : Path or None
        The library folder, None where there is none.
    path : str
        Relative, with slashes, as `listing` gives it.

    Raises
    ------
    NotFound
        If there is no library, no such file in it, or the path leads out of it, by whatever way.
    InputError
        If the path is none.
    """
    found = _inside(root, path)
    if not found.is_file():
        raise NotFound("recording", path)
    return found


def listing(
    root: Path | None, folder: str = "", search: str = "", *, limit: int = 50, cursor: str | None = None
) -> tuple[tuple[Entry, ...], str | None]:
    """List a folder of the library, folders first; or search it with all its folders for names.

    Returns
    -------
    tuple of tuple of Entry and (str or None)
        Entries, and the cursor of the next page: what stands last on this one.

    Raises
    ------
    NotFound
        If there is no library, or no such folder in it.
    """
    top = _inside(root, folder, "folder") if folder else _root(root)
    if not top.is_dir():
        raise NotFound("folder", folder)
    words = search.casefold().split()
    base = _root(root)
    found = _walk(base, top) if words else _entries(base, top)
    wanted = (entry for entry in found if all(word in entry.path.casefold() for word in words))
    rows = sorted(wanted, key=_order)
    if cursor is not None:
        rows = [row for row in rows if _mark(row) > cursor]
    limit = max(1, min(limit, LIMIT))
    return tuple(rows[:limit]), _mark(rows[limit - 1]) if len(rows) > limit else None


def _order(entry: Entry) -> str:
    return _mark(entry)


def _mark(entry: Entry) -> str:
    """Spell an entry so that folders come first, and names go by the alphabet."""
    return f"{int(not entry.is_folder)}/{entry.path.casefold()}/{entry.path}"


def _root(root: Path | None) -> Path:
    if root is None:
        raise NotFound("library", "", "whoever runs this service names its folder in MELISMA_LIBRARY_DIR")
    return root.resolve()


def _inside(root: Path | None, path: str, kind: str = "recording") -> Path:
    base = _root(root)
    parts = PurePosixPath(path).parts
    if not path or len(path) > _LONGEST or "\\" in path or any(ord(c) < 32 for c in path):
        raise InputError("a recording of the library is named by its path in it, such as 'folder/song.mp3'")
    if path.startswith("/") or any(part.startswith(".") for part in parts) or not parts:
        raise NotFound(kind, path)
    try:
        found = base.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a loop of links
        raise NotFound(kind, path) from error
    if not found.is_relative_to(base):
        raise NotFound(kind, path)
    return found


def _entries(base: Path, folder: Path) -> Iterator[Entry]:
    """Yield what a folder holds: folders and recordings, links only where they stay inside."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError:
        return
    for entry in entries:
        made = _entry(base, entry)
        if made is not None:
            yield made


def _entry(base: Path, entry: os.DirEntry[str]) -> Entry | None:
    try:
        entry.name.encode("utf-8")
        if entry.is_symlink() and not Path(entry.path).resolve(strict=True).is_relative_to(base):
            return None
        is_folder = entry.is_dir()
        if not is_folder and not (entry.is_file() and Path(entry.name).suffix.lower() in SUFFIXES):
            return None
        size = None if is_folder else entry.stat().st_size
    except (OSError, RuntimeError, UnicodeError):  # gone meanwhile, a loop of links, a name that is no text
        return None
    path = Path(entry.path).relative_to(base).as_posix()
    return Entry(path, entry.name, size, is_folder)


def _walk(base: Path, top: Path) -> Iterator[Entry]:
    """Yield everything below a folder, so far as a search goes; links to folders are not followed."""
    waiting, n_seen = [top], 0
    while waiting and n_seen < _MOST:
        for entry in _entries(base, waiting.pop()):
            n_seen += 1
            yield entry
            if entry.is_folder and not (base / entry.path).is_symlink():
                waiting.append(base / entry.path)
