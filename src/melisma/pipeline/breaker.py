"""Circuit breakers: an engine that keeps failing is left alone for a while, by every process of this user.

A breaker is closed while its engine works. So many failures of one kind in a row, within a window, open it. After a
cool-down one attempt may try again (half-open): a success closes it, a failure opens it anew. The state is one small
JSON file, changed under a lock and replaced whole; where it cannot be kept, this process remembers for itself.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from melisma.core.errors import OutputError
from melisma.core.files import write_atomically
from melisma.pipeline.log import logger
from melisma.pipeline.settings import BreakerSettings

_LOCK_S = 5.0  # changes take milliseconds: who holds the lock for longer is stuck
_KEPT = 64  # failures remembered of an engine


class Kind(StrEnum):
    """What counts as a failure."""

    OUT_OF_MEMORY = "out of memory"
    TIMEOUT = "time-out"
    GATE = "refused by the gate"


class State(StrEnum):
    """Of a breaker: closed lets attempts pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of an engine's breaker; `kind` is what opened it, `wait_s` how long until the next probe."""

    state: State = State.CLOSED
    kind: Kind | None = None
    wait_s: float = 0.0
    n_failures: int = 0

    def __str__(self) -> str:
        if self.state is State.CLOSED:
            return f"{self.state} ({self.n_failures} failed of late)" if self.n_failures else str(self.state)
        wait = f", next try in {math.ceil(self.wait_s)} s" if self.wait_s > 0 else ""
        return f"{self.state} ({self.kind}{wait})"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of one engine; times are seconds since 1970."""

    failures: tuple[tuple[float, Kind], ...] = ()
    opened: float | None = None
    kind: Kind | None = None
    probed: float | None = None  # since when a probe is under way


class Breaker:
    """The breakers of all engines.

    Parameters
    ----------
    path : Path
        Where their state is kept; the folder is made when something has to be remembered.
    settings : BreakerSettings
        When they open, and for how long.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self, path: Path, settings: BreakerSettings | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._settings = settings or BreakerSettings()
        self._clock = clock
        self._own: dict[str, _Entry] | None = None  # where the file cannot be kept

    def health(self, name: str) -> Health:
        """Return the state of an engine's breaker, and change nothing."""
        return self._health(self._read().get(name, _Entry()), self._clock())

    def last_failure(self, name: str) -> tuple[float, Kind] | None:
        """Return when an engine failed last, in seconds since 1970, and how; None where nothing is remembered."""
        entry = self._read().get(name, _Entry())
        if entry.opened is not None and entry.kind is not None:
            return entry.opened, entry.kind
        return entry.failures[-1] if entry.failures else None

    def admit(self, name: str) -> Health:
        """Ask for an attempt: OPEN forbids it; HALF_OPEN says that this attempt is the probe, and no other one is."""
        health = self.health(name)
        if health.state is not State.HALF_OPEN:
            return health

        def probe(entry: _Entry, now: float) -> tuple[_Entry, Health]:
            found = self._health(entry, now)  # another process may have been faster
            return (replace(entry, probed=now), found) if found.state is State.HALF_OPEN else (entry, found)

        return self._change(name, probe)

    def failed(self, name: str, kind: Kind) -> Health:
        """Count a failure; return the state after it."""

        def count(entry: _Entry, now: float) -> tuple[_Entry, Health]:
            if entry.opened is not None:
                made = replace(entry, opened=now, kind=kind, probed=None)
            else:
                recent = tuple(f for f in entry.failures if 0 <= now - f[0] <= self._settings.window_s)
                failures = (*recent, (now, kind))[-_KEPT:]
                n = sum(other is kind for _, other in failures)
                full = n >= max(1, self._settings.failures)
                made = _Entry((), now, kind) if full else _Entry(failures)
            return made, self._health(made, now)

        return self._change(name, count)

    def worked(self, name: str) -> None:
        """Close an engine's breaker and forget its failures."""
        if name in self._read():
            self._change(name, lambda entry, now: (_Entry(), Health()))

    def _health(self, entry: _Entry, now: float) -> Health:
        n_failures = sum(0 <= now - at <= self._settings.window_s for at, _ in entry.failures)
        if entry.opened is None:
            return Health(n_failures=n_failures)
        cool_down = self._settings.cool_down_s
        since = entry.opened if entry.probed is None else entry.probed  # a probe that never reported is not waited for
        waited = now - since
        if 0 <= waited < cool_down:
            return Health(State.OPEN, entry.kind, cool_down - waited)
        return Health(State.HALF_OPEN, entry.kind)  # also where the clock was set back

    def _change(self, name: str, change: Callable[[_Entry, float], tuple[_Entry, Health]]) -> Health:
        """Apply a change to an engine's entry, alone among all processes."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_S):
                entries = self._read()
                entry, health = change(entries.get(name, _Entry()), self._clock())
                entries[name] = entry
                write_atomically(self.path, _dumped(entries))
                return health
        except (OSError, OutputError, Timeout, NotImplementedError) as error:
            if self._own is None:
                logger().warning("breaker", fallback_reason=f"its state cannot be kept in {self.path}: {error}")
                self._own = self._read()
            entry, health = change(self._own.get(name, _Entry()), self._clock())
            self._own[name] = entry
            return health

    def _read(self) -> dict[str, _Entry]:
        if self._own is not None:
            return self._own
        try:
            text = self.path.read_bytes()
        except OSError:  # not there yet, mostly
            return {}
        try:
            return {name: _entry(each) for name, each in json.loads(text)["engines"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            logger().warning("breaker", fallback_reason=f"{self.path} is damaged, all begin closed: {error}")
            return {}


def _entry(given: Mapping[str, Any]) -> _Entry:
    failures = tuple((_time(at), Kind(kind)) for at, kind in given["failures"])
    opened, probed = (None if given[key] is None else _time(given[key]) for key in ("opened", "probed"))
    kind = None if given["kind"] is None else Kind(given["kind"])
    return _Entry(failures[-_KEPT:], opened, kind, probed)


def _time(given: Any) -> float:
    value = float(given)
    if not math.isfinite(value):
        raise ValueError(f"{given!r} is no time")
    return value


def _dumped(entries: Mapping[str, _Entry]) -> bytes:
    plain = {
        name: {"failures": e.failures, "opened": e.opened, "kind": e.kind, "probed": e.probed}
        for name, e in entries.items()
        if e != _Entry()
    }
    return json.dumps({"engines": plain}, indent=1).encode()
