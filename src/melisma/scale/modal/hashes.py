"""Hashes of the files of a folder, kept in a file in it, so that a file that has not changed is not read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from melisma.core.files import sha256_of, write_atomically
from melisma.scale.modal.cloud import Entry

NAME = ".melisma-hashes.jsonl"


@dataclass(frozen=True, slots=True)
class _Known:
    size: int
    mtime_ns: int
    sha256: str
    brought: tuple[int, float] | None  # size and time on the volume, of a file that came from there


class Hashes:
    """Hashes by path, valid as long as size and time of the file stay.

    Parameters
    ----------
    folder : Path
        The folder, or a file, which has none kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME if folder.is_dir() else None
        self._known: dict[str, _Known] = {}
        self._changed = False
        if self._path is not None and self._path.is_file():
            for line in self._path.read_bytes().splitlines():
                self._read(line)

    def _read(self, line: bytes) -> None:
        """Take up a line; one that is none costs no more than reading a file again."""
        try:
            name, size, mtime_ns, digest, brought = json.loads(line)
            there = None if brought is None else (int(brought[0]), float(brought[1]))
            if isinstance(name, str) and isinstance(digest, str):
                self._known[name] = _Known(int(size), int(mtime_ns), digest, there)
        except (ValueError, TypeError, IndexError, RecursionError):
            return

    def _valid(self, path: Path) -> _Known | None:
        known = self._known.get(self._key(path))
        about = path.stat()
        return (
            known if known is not None and (known.size, known.mtime_ns) == (about.st_size, about.st_mtime_ns) else None
        )

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix() if path != self._folder else "."

    def of(self, path: Path) -> str:
        """Return the SHA-256 of a file, in 64 hexadecimal digits."""
        known = self._valid(path)
        if known is None:
            about = path.stat()
            known = _Known(about.st_size, about.st_mtime_ns, sha256_of(path), None)
            self._known[self._key(path)], self._changed = known, True
        return known.sha256

    def same(self, path: Path, entry: Entry) -> bool:
        """Tell whether a file came from the volume, and neither it nor that one has changed since."""
        if not path.is_file() or (known := self._valid(path)) is None:
            return False
        return known.brought == (entry.size, entry.mtime)

    def brought(self, path: Path, entry: Entry) -> None:
        """Keep that a file came from the volume just now."""
        about = path.stat()
        there = entry.size, entry.mtime
        self._known[self._key(path)] = _Known(about.st_size, about.st_mtime_ns, self.of(path), there)
        self._changed = True

    def save(self) -> None:
        """Write what is known."""
        if self._path is None or not self._changed:
            return
        lines = [
            json.dumps([name, each.size, each.mtime_ns, each.sha256, each.brought])
            for name, each in sorted(self._known.items())
        ]
        write_atomically(self._path, "".join(f"{line}\n" for line in lines).encode())
        self._changed = False
