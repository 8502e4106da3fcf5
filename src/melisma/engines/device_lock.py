"""One job a device: over the threads of this process and over all processes of the machine."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from melisma.core.errors import EngineTimeout, EngineUnavailable

_SHARED = ("cpu", "http")  # devices that take many jobs at once


def folder() -> Path:
    """Return the folder of the lock files: MELISMA_LOCK_DIR, or one of the user's own."""
    named = os.environ.get("MELISMA_LOCK_DIR")
    return Path(named) if named else Path(platformdirs.user_cache_dir("melisma", appauthor=False)) / "locks"


class DeviceLock:
    """The lock of one device; a thread that holds it may take it again."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._thread = threading.RLock()
        self._depth = 0
        self._file: FileLock | None = None

    @contextmanager
    def held(self, timeout_s: float) -> Iterator[None]:
        """Hold the device; EngineTimeout if another job has it for longer than `timeout_s` seconds."""
        if self.device in _SHARED:
            yield
            return
        deadline = time.monotonic() + timeout_s
        if not self._thread.acquire(timeout=max(0.0, timeout_s)):
            raise EngineTimeout(self._busy(timeout_s))
        try:
            if not self._depth:
                self._take_file(max(0.0, deadline - time.monotonic()), timeout_s)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth and self._file is not None:
                    self._file.release()
        finally:
            self._thread.release()

    def _take_file(self, left_s: float, timeout_s: float) -> None:
        path = folder() / f"{re.sub(r'[^A-Za-z0-9]+', '-', self.device)}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileLock(path, timeout=left_s, thread_local=False)
            self._file.acquire()
        except Timeout as error:
            raise EngineTimeout(self._busy(timeout_s)) from error
        except OSError as error:
            raise EngineUnavailable(
                f"the lock of the device {self.device} cannot be kept in {path}: {error}"
            ) from error

    def _busy(self, timeout_s: float) -> str:
        return f"the device {self.device} was busy with another job for {timeout_s:g} s"
