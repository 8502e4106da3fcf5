"""Whether the service can do its work: each part by its name, in a sentence that tells strangers nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from melisma.core.errors import MelismaError
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.survey import survey
from melisma.server.context import Context

_FRESH_S = 1.0  # whoever asks more often gets the same answer: nobody's question costs the database anything
_ENGINES_S = 60.0  # what is installed changes when somebody installs something
_log = logging.getLogger("melisma.ready")


@dataclass(frozen=True, slots=True)
class Check:
    """A part, whether it works, and what is wrong otherwise."""

    name: str
    ok: bool
    detail: str


class Readiness:
    """Asks every part, and remembers the answers for a moment.

    Parameters
    ----------
    context : Context
        Whose parts they are.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._found: tuple[Check, ...] = ()
        self._until = self._engines_until = 0.0
        self._engine = Check("engine", False, "")

    def checks(self) -> tuple[Check, ...]:
        """Return how every part stands."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = (
                    self._tried("database", self._context.database.ping, "the database does not answer"),
                    self._tried("files", self._write, "the data folder cannot be written"),
                    self._tried("queue", self._reach_queue, "the queue does not answer"),
                    self._engines(),
                )
                self._until = time.monotonic() + _FRESH_S
            return self._found

    def _tried(self, name: str, work: Callable[[], None], otherwise: str) -> Check:
        try:
            work()
        except MelismaError as error:
            _log.warning("not ready", extra={"part": name, "reason": str(error)})
            return Check(name, False, otherwise)
        return Check(name, True, "")

    def _write(self) -> None:
        with self._context.files.incoming() as coming:
            coming.write(b"ready")
            coming.flush()

    def _reach_queue(self) -> None:
        self._context.queue.transport.ping()

    def _engines(self) -> Check:
        if time.monotonic() >= self._engines_until:
            self._engine = self._tried("engine", _find_engine, "no engine can run here: melisma engines list says why")
            self._engines_until = time.monotonic() + (_ENGINES_S if self._engine.ok else _FRESH_S)
        return self._engine


def _find_engine() -> None:
    standings = survey(RouterSettings.from_env())
    if not any(each.ready for each in standings):
        raise MelismaError("; ".join(f"{each.name}: {each.lacking or 'switched off'}" for each in standings))
