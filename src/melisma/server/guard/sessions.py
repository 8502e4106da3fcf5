"""Sessions of the Studio: a signed cookie, because <audio> and EventSource send no Authorization header.

The cookie says which token it was made with, until when it holds, and a random number; a key that never leaves the
data folder signs it. So it holds over a restart and on every process that shares the folder, ends with its token, and
nothing that a caller brings is ever taken over: there is no session to fix. Signing out leaves an empty file with the
random number in the folder, so that a copy of the cookie is worth nothing any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from melisma.core.errors import StoreError
from melisma.server.guard.tokens import Tokens

COOKIE = "melisma_session"
LASTS_S = 7 * 24 * 3600
_KEY_BYTES = 32
_SHAPE = re.compile(r"1\.([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})")


class Sessions:
    """Makes cookies, and knows its own again.

    Parameters
    ----------
    data : Path
        Folder of the key and of what was signed out.
    tokens : Tokens
        Whose sessions hold.
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, data: Path, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._file, self._ended = data / "session.key", data / "sessions-ended"
        self._tokens, self._clock = tokens, clock
        self._key: bytes | None = None

    def make(self, known: str) -> str:
        """Return a new cookie for the SHA-256 of a token.

        Raises
        ------
        StoreError
            If the key cannot be kept.
        """
        key = self._read() or self._begin()
        head = f"1.{_name(key, known)}.{int(self._clock()) + LASTS_S}.{secrets.token_hex(16)}"
        return f"{head}.{_sign(key, head)}"

    def owner(self, cookie: str) -> str | None:
        """Return the name of whose session a cookie is; None for one that is not ours, or holds no more."""
        found = self._parsed(cookie)
        if found is None:
            return None
        key, name, number = found
        if (self._ended / number).exists():
            return None
        for known in self._tokens.digests:
            if hmac.compare_digest(_name(key, known), name):
                return self._tokens.owner_of(known)
        return None

    def end(self, cookie: str) -> None:
        """Let a cookie hold no longer.

        Raises
        ------
        StoreError
            If that cannot be kept.
        """
        found = self._parsed(cookie)
        if found is None:
            return
        try:
            self._ended.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark = self._ended / found[2]
            mark.touch(mode=0o600)
            os.utime(mark, (self._clock(), self._clock()))
            self._sweep()
        except OSError as error:
            raise StoreError(f"the end of the session cannot be kept: {error.strerror or error}") from error

    def _parsed(self, cookie: str) -> tuple[bytes, str, str] | None:
        shape = _SHAPE.fullmatch(cookie)
        key = self._read() if shape else None
        if shape is None or key is None:
            return None
        name, until, number, signature = shape.groups()
        genuine = hmac.compare_digest(_sign(key, cookie.rpartition(".")[0]), signature)
        return (key, name, number) if genuine and int(until) > self._clock() else None

    def _read(self) -> bytes | None:
        if self._key is None:
            with contextlib.suppress(FileNotFoundError):
                try:
                    found = self._file.read_bytes()
                except FileNotFoundError:
                    raise
                except OSError as error:
                    raise StoreError(f"the key of sessions cannot be read: {error.strerror or error}") from error
                self._key = found if len(found) == _KEY_BYTES else None
        return self._key

    def _begin(self) -> bytes:
        """Make the key, unless another process is faster: whoever links first has made it."""
        waiting = self._file.with_name(f"session.{secrets.token_hex(8)}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(waiting, self._file)
            waiting.unlink()
        except OSError as error:
            raise StoreError(f"the key of sessions cannot be kept: {error.strerror or error}") from error
        key = self._read()
        if key is None:
            raise StoreError("the key of sessions, session.key in the data folder, is damaged: remove it")
        return key

    def _sweep(self) -> None:
        """Forget ends of sessions that would be over by now anyway."""
        for each in self._ended.iterdir():
            with contextlib.suppress(OSError):
                if each.stat().st_mtime < self._clock() - LASTS_S:
                    each.unlink()


def _sign(key: bytes, head: str) -> str:
    return hmac.new(key, f"melisma session {head}".encode(), hashlib.sha256).hexdigest()


def _name(key: bytes, known: str) -> str:
    """Name a token so that a cookie tells nothing of it."""
    return hmac.new(key, f"melisma token {known}".encode(), hashlib.sha256).hexdigest()[:32]
