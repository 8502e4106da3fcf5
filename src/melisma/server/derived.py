"""What can be computed again from a recording: kept beside it by the hash of its content, and made once at a time."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakValueDictionary

_AT_ONCE = threading.BoundedSemaphore(2)  # each reads a whole recording: more would only wait for the same disk and CPU
_locks: WeakValueDictionary[Path, _Lock] = WeakValueDictionary()
_locks_lock = threading.Lock()


class _Lock:
    """A lock that can be forgotten when nobody holds it any more."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Derived:
    """A folder of derived files, as `ab/CONTENT.NAME`.

    Parameters
    ----------
    folder : Path
        Made where it is missing, for its owner alone. All of it may be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, content: str, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a derived file's content, computed by `make` where there is none yet.

        Two callers who want the same thing at once wait for one computation. A disk that is full costs the copy only.

        Parameters
        ----------
        content : str
            SHA-256 of the recording, hexadecimal.
        name : str
            What it is, with the version of what computes it.
        """
        path = self.path(content, name)
        with _only_one(path):
            found = self.find(content, name)
            if found is not None:
                return found
            with _AT_ONCE:
                data = make()
            self._put(path, data)
            return data

    def find(self, content: str, name: str) -> bytes | None:
        """Return a derived file's content; None where it has to be computed."""
        with contextlib.suppress(OSError):
            return self.path(content, name).read_bytes()
        return None

    def path(self, content: str, name: str) -> Path:
        """Return where a derived file lies, or would."""
        if len(content) != 64 or not set(content) <= set("0123456789abcdef"):
            raise ValueError("a content is named by 64 hexadecimal digits")
        return self.folder / content[:2] / f"{content}.{name}"

    def forget(self, content: str) -> None:
        """Remove everything that was derived from a recording."""
        place = self.path(content, "all").parent
        for path in place.glob(f"{content}.*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _put(self, path: Path, data: bytes) -> None:
        part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_bytes(data)
            part.replace(path)
        except OSError:  # it is computed again the next time
            with contextlib.suppress(OSError):
                part.unlink()


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    with _locks_lock:
        held = _locks.setdefault(path, _Lock())
    with held.lock:
        yield
