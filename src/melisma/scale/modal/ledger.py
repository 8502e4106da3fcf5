"""Which calls are under way, in a file beside the journal: a run that comes after a killed one waits for them first."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path

from melisma.core.errors import OutputError
from melisma.core.files import make_folder


class Ledger:
    """Ids of calls that began and did not end, as lines that are only ever added.

    Parameters
    ----------
    journal : Path, optional
        The run's journal; without one nothing is kept.
    """

    def __init__(self, journal: Path | None) -> None:
        self._path = journal.with_name(f"{journal.name}.calls") if journal is not None else None
        self._open: dict[str, None] = {}
        self._lock = threading.Lock()

    @property
    def kept(self) -> bool:
        """Whether a run that comes later can go on with this one."""
        return self._path is not None

    def left(self) -> list[str]:
        """Return the calls that an earlier run left under way; a line that broke off is none."""
        if self._path is None:
            return []
        with suppress(FileNotFoundError):
            for line in self._path.read_bytes().splitlines():
                with suppress(ValueError, TypeError):
                    what, name = json.loads(line)
                    if what == "began" and isinstance(name, str):
                        self._open[name] = None
                    elif what == "ended":
                        self._open.pop(str(name), None)
        return list(self._open)

    def began(self, call: str) -> None:
        """Keep a call."""
        self._add("began", call)

    def ended(self, call: str) -> None:
        """Forget a call; the file goes with the last of them."""
        self._add("ended", call)

    def _add(self, what: str, call: str) -> None:
        if self._path is None:
            return
        with self._lock:
            if what == "began":
                self._open[call] = None
            else:
                self._open.pop(call, None)
            try:
                if not self._open:
                    self._path.unlink(missing_ok=True)
                    return
                make_folder(self._path.parent)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([what, call]) + "\n")
            except OSError as error:
                raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error
