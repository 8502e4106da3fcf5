"""Which models are in memory: each one once, the least recently used out where two do not fit, one job a device.

    from melisma.engines.residency import residents

    with residents.using(engine) as engine:  # waits for the device, loads the model, keeps it loaded afterwards
        emission = engine.emit(waveform)

Engines of one class, model and device are one resident: `using` hands back the one that is loaded already. On any
device but the CPU one job runs at a time, over all threads and processes of this machine; `MELISMA_LOCK_DIR` names a
folder that containers share if they share a device. Engines on the CPU and behind HTTP run side by side.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import TypeVar, cast

import numpy as np

from melisma.core.errors import EngineOutOfMemory, EngineTimeout, InputError
from melisma.core.records import Waveform
from melisma.engines.device import ON_HTTP, free_mb, physical
from melisma.engines.device_lock import DeviceLock
from melisma.engines.protocol import EmittingEngine, Engine, Task, TranscribingEngine

AnyEngine = TypeVar("AnyEngine", bound=Engine)
# A song of ten minutes takes MMS-300M on two cores a few minutes; a job that waits longer had better try elsewhere.
PATIENCE_S = 600.0
_HEADROOM_MB = 200  # of free memory is left to everything else


@dataclass(frozen=True, slots=True)
class _Key:
    kind: type
    name: str
    version: str
    model_id: str
    model_revision: str
    device: str


@dataclass(slots=True)
class _Resident:
    """A model that is loaded, or about to be."""

    engine: Engine
    key: _Key
    memory_mb: int
    n_users: int = 0
    used: int = 0  # when it was used last, counted in uses
    loaded: bool = False
    loading: Lock = field(default_factory=Lock)


class Residents:
    """The engines of a process whose models are in memory.

    Parameters
    ----------
    memory_mb : int, optional
        What models on one device may take together; the environment variable MELISMA_ENGINE_MEMORY_MB by default, and
        without it what the device has free, as far as that can be told.
    free : callable, optional
        Device to its free memory in MB, or None where nobody knows.
    """

    def __init__(self, memory_mb: int | None = None, free: Callable[[str], int | None] = free_mb) -> None:
        self._memory_mb = memory_mb
        self._free = free
        self._residents: list[_Resident] = []
        self._locks: dict[str, DeviceLock] = {}
        self._changed = Condition()
        self._uses = 0

    @contextmanager
    def using(self, engine: AnyEngine, timeout_s: float = PATIENCE_S) -> Iterator[AnyEngine]:
        """Lend an engine, loaded, with its device to itself.

        Parameters
        ----------
        engine : Engine
            The one that is wanted; what is lent may be another object with the same model.
        timeout_s : float
            How long to wait for the device and for memory, in seconds.

        Raises
        ------
        EngineTimeout
            If the device, or models that are in use on it, did not come free in that time.
        EngineOutOfMemory
            If the model would not fit if it were alone; or raised inside, and then the model is unloaded as well.
        EngineUnavailable, ModelError
            If it cannot be loaded.
        """
        deadline = time.monotonic() + timeout_s
        device = physical(engine.facts.device)
        with self._lock(device).held(timeout_s):
            resident = self._admit(engine, device, deadline)
            keep = False
            try:
                with resident.loading:
                    resident.engine.load()
                    resident.loaded = True
                keep = True
                yield resident.engine  # type: ignore[misc]  # one key, one class
            except EngineOutOfMemory:
                keep = False
                raise
            finally:
                self._release(resident, keep)

    def warm_up(self, engine: Engine, timeout_s: float = PATIENCE_S) -> None:
        """Load an engine's model and send a second of silence through it, so that the first song does not wait."""
        with self.using(engine, timeout_s) as lent:
            facts = lent.facts
            silence = Waveform(np.zeros(facts.sample_rate, np.float32), facts.sample_rate)
            if facts.device == ON_HTTP:
                return
            if facts.task is Task.EMIT:
                cast(EmittingEngine, lent).emit(silence)
            elif facts.task is Task.TRANSCRIBE:
                known = facts.languages
                cast(TranscribingEngine, lent).transcribe(silence, "en" if not known or "en" in known else min(known))

    def unload(self, engine: Engine | None = None) -> None:
        """Give back the memory of one engine's model, or of all that are not in use."""
        with self._changed:
            idle = [r for r in self._residents if not r.n_users and (engine is None or self._is(r, engine))]
            for resident in idle:
                self._drop(resident)

    def loaded(self) -> tuple[Engine, ...]:
        """Return the engines whose models are in memory, the least recently used first."""
        with self._changed:
            return tuple(r.engine for r in sorted(self._residents, key=lambda r: r.used))

    def _lock(self, device: str) -> DeviceLock:
        with self._changed:
            return self._locks.setdefault(device, DeviceLock(device))

    def _is(self, resident: _Resident, engine: Engine) -> bool:
        return resident.engine is engine or resident.key == _key(engine)

    def _admit(self, engine: Engine, device: str, deadline: float) -> _Resident:
        """Return the resident of an engine, with one user more; make room where it is a new one."""
        with self._changed:
            while True:
                self._uses += 1
                for resident in self._residents:
                    if self._is(resident, engine):
                        resident.n_users += 1
                        resident.used = self._uses
                        return resident
                needed = engine.facts.memory_mb
                if self._make_room(engine, device, needed):
                    break
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise EngineTimeout(f"{engine.facts.name} waited in vain for {needed} MB on {device}: all in use")
            resident = _Resident(engine, _key(engine), needed, n_users=1, used=self._uses)
            self._residents.append(resident)
            return resident

    def _make_room(self, engine: Engine, device: str, needed: int) -> bool:
        """Unload what is idle until an engine fits; False if it would once those in use are done."""
        here = sorted(
            (r for r in self._residents if physical(r.engine.facts.device) == device),
            key=lambda resident: resident.used,
        )
        room = self._room(device, here)
        if room is None or needed == 0:
            return True
        if needed > room + sum(r.memory_mb for r in here):
            whole = room + sum(r.memory_mb for r in here)
            raise EngineOutOfMemory(
                f"{engine.facts.name} needs {needed} MB on {device}, and models may take {whole} MB"
            )
        for resident in here:
            if needed <= room:
                break
            if not resident.n_users:
                self._drop(resident)
                room += resident.memory_mb
        return needed <= room

    def _room(self, device: str, here: list[_Resident]) -> int | None:
        """Return how many MB of models may be added to a device; None where nothing limits them."""
        budget = self._memory_mb if self._memory_mb is not None else budget_mb()
        if budget is not None:
            return budget - sum(r.memory_mb for r in here)
        free = self._free(device)
        coming = sum(r.memory_mb for r in here if not r.loaded)
        return None if free is None else free - coming - _HEADROOM_MB

    def _drop(self, resident: _Resident) -> None:
        self._residents.remove(resident)
        resident.engine.unload()

    def _release(self, resident: _Resident, keep: bool) -> None:
        with self._changed:
            resident.n_users -= 1
            if not keep and not resident.n_users and resident in self._residents:
                self._drop(resident)
            self._changed.notify_all()


def _key(engine: Engine) -> _Key:
    facts = engine.facts
    return _Key(type(engine), facts.name, facts.version, facts.model_id, facts.model_revision, physical(facts.device))


def budget_mb(environ: Mapping[str, str] | None = None) -> int | None:
    """Return what all models on a device may take, as MELISMA_ENGINE_MEMORY_MB says it; None where it says nothing.

    Raises
    ------
    InputError
        If that is no whole number of MB.
    """
    said = (os.environ if environ is None else environ).get("MELISMA_ENGINE_MEMORY_MB", "").strip()
    if not said:
        return None
    if not said.isdecimal() or not int(said):
        raise InputError(f"MELISMA_ENGINE_MEMORY_MB is {said!r}: give a whole number of MB")
    return int(said)


residents = Residents()
