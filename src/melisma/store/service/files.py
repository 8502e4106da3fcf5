"""Files by the hash of their content, below one folder: what is the same is there once, and nothing is half there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from melisma.core.errors import NoRoom, StoreError, TooLarge

_INCOMING = "incoming"
_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the store: the SHA-256 of its content, its size in bytes, and where it lies."""

    content: str
    size_bytes: int
    path: Path


class FileStore:
    """Files below a folder, as `ab/cd/abcd….suffix`.

    Parameters
    ----------
    folder : Path
        Made where it is missing, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, content: str, suffix: str) -> Path:
        """Return where a file lies, or would."""
        if len(content) != 64 or not set(content) <= set("0123456789abcdef"):
            raise ValueError("a content is named by 64 hexadecimal digits")
        return self.folder / content[:2] / content[2:4] / f"{content}{suffix}"

    @contextlib.contextmanager
    def incoming(self, max_bytes: int | None = None) -> Iterator[Incoming]:
        """Open a file to be written bit by bit; it is gone after the block unless it was kept.

        Raises
        ------
        StoreError
            If nothing can be written; NoRoom where the disk is full.
        TooLarge
            If more than `max_bytes` comes.
        """
        with _meaning():
            descriptor, name = self._begin()
        coming = Incoming(self, os.fdopen(descriptor, "w+b"), Path(name), max_bytes)
        try:
            yield coming
        finally:
            coming.close()
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what processes that were killed have left half; return how many files. What is being written stays."""
        n = 0
        for path in sorted((self.folder / _INCOMING).glob("*")):
            with contextlib.suppress(OSError), path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while who writes it lives
                path.unlink()
                n += 1
        return n

    def _begin(self) -> tuple[int, str]:
        """Make a file, locked for as long as it is open: the system lets go of it when its process is killed."""
        waiting = self.folder / _INCOMING
        waiting.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            descriptor, name = tempfile.mkstemp(dir=waiting)
            with contextlib.suppress(OSError):  # a file system without locks, on which nothing is swept either
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.exists(name):  # nobody has swept it before it was locked
                return descriptor, name
            os.close(descriptor)

    def remove(self, content: str, suffix: str) -> bool:
        """Remove a file; return whether it was there."""
        path = self.path(content, suffix)
        with _meaning():
            there = path.exists()
            path.unlink(missing_ok=True)
        return there


class Incoming:
    """A file that is being written; `keep` gives it its name."""

    def __init__(self, store: FileStore, file: IO[bytes], path: Path, max_bytes: int | None) -> None:
        self.path, self.size_bytes = path, 0
        self._store, self._file, self._max = store, file, max_bytes
        self._digest = hashlib.sha256()

    @property
    def content(self) -> str:
        """SHA-256 of what was written so far, hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        self.size_bytes += len(data)
        if self._max is not None and self.size_bytes > self._max:
            raise TooLarge(f"the file is larger than the {self._max // 1_000_000} MB that this service takes")
        self._digest.update(data)
        with _meaning():
            self._file.write(data)

    def flush(self) -> Path:
        """Return a path under which everything written so far can be read."""
        with _meaning():
            self._file.flush()
        return self.path

    def settle(self) -> None:
        """Have everything written so far on the disk, so that `keep` takes no time: others may wait for who keeps."""
        with _meaning():
            self._file.flush()
            os.fsync(self._file.fileno())

    def stored(self, suffix: str) -> Stored:
        """Return what the file is once it is kept."""
        content = self.content
        return Stored(content, self.size_bytes, self._store.path(content, suffix))

    def keep(self, suffix: str) -> Stored:
        """Put the whole file in its place, durably; it takes that of one of the same content."""
        self.settle()
        stored = self.stored(suffix)
        with _meaning():
            stored.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.replace(stored.path)
        return stored

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            self._file.close()


def for_want_of_room(error: BaseException) -> bool:
    """Whether a disk that is full, or a quota that is used up, is why something could not be written."""
    return any(isinstance(each, OSError) and each.errno in _ROOM for each in (error, error.__cause__))


@contextlib.contextmanager
def _meaning() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if for_want_of_room(error):
            raise NoRoom("there is no room on the service's disk") from error
        raise StoreError(f"the service's files cannot be written now: {error.strerror or error}") from error
