"""Batch work on a Ray cluster: actors on as many machines as it has, or on this one where none is named."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, MelismaError, MissingDependency
from melisma.core.settings import n_threads
from melisma.scale import machine
from melisma.scale.crew import ONE_THREAD, environment
from melisma.scale.journal import Journal
from melisma.scale.ordered import AHEAD, in_order, run_in_order
from melisma.scale.protocol import Outcome, Progress, Resources, Stage, Task

LOCAL = "local"
_STORE_MB = 128  # Ray's object store on this machine: results are taken out as they come
_CONNECT_S = 20.0


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Actors of a Ray cluster, one thread each, which keep what a stage has loaded.

    What an actor or a node that is lost was at is done by another. A task whose actor ends is tried once more with no
    other actor of the run on its node, one that was in hand when two nodes were lost likewise.

    Parameters
    ----------
    workers : int, optional
        How many actors at most; as many as the cluster has cores without it.
    address : str, optional
        "host:port", "ray://host:port", "auto", or "local"; without it MELISMA_RAY_ADDRESS, else RAY_ADDRESS, else
        processes of this machine.
    """

    workers: int | None = None
    address: str | None = None

    def most(self, resources: Resources | None) -> int:
        """Return how many actors of a stage there are at most; a cluster is joined to learn how large it is.

        Raises
        ------
        MissingDependency, MelismaError
            As `connect` does.
        """
        asks = self.workers is None and _where(self.address) != LOCAL
        is_local = connect(self.address) if asks else _where(self.address) == LOCAL
        return self._jobs(resources or Resources(), is_local)

    def run(
        self,
        stage: Stage,
        tasks: Iterable[Task],
        *,
        journal: Path | None = None,
        progress: Progress | None = None,
        resources: Resources | None = None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of every task, in their order; see `Executor.run`.

        Ctrl-C and SIGTERM end it with what is done kept. Closing the iterator ends the actors; a cluster that this
        process started ends with the process. `seconds` of the resources is not looked at.

        Raises
        ------
        MissingDependency
            If Ray is not installed.
        MelismaError
            If there is no cluster at the address, or no room on it.
        """

        def doing(known: Journal) -> Generator[Outcome, None, None]:
            is_local = connect(self.address)
            from melisma.scale.ray_crew import Place, RayCrew

            needs = resources or Resources()
            jobs = self._jobs(needs, is_local)
            with _nested() as nested:
                options = _options(needs, is_local=is_local, nested=nested)
                place = Place(1 if nested else jobs, options, _folder(options))
                yield from in_order(RayCrew(stage, place, known), iter(tasks), known, place.jobs * AHEAD)

        return run_in_order(stage, tasks, journal, progress, doing)

    def _jobs(self, needs: Resources, is_local: bool) -> int:
        if is_local:
            return machine.n_workers(self.workers, n_threads(), needs)
        if self.workers is not None:
            return self.workers  # the cluster may grow
        import ray

        has: Mapping[str, float] = ray.cluster_resources()
        bounds = [has.get("CPU", 1) / max(needs.cpus, 1e-3)]
        if needs.gpus > 0:
            bounds.append(has.get("GPU", 0) / needs.gpus)
        if needs.memory_mb:
            bounds.append(has.get("memory", 0) / 2**20 / needs.memory_mb)
        return max(1, math.floor(min(bounds) + 1e-9))


_running: list[object] = []


@contextmanager
def _nested() -> Iterator[bool]:
    """Tell whether another run of this process is under way: its actors may hold all that the cluster has."""
    nested, mark = bool(_running), object()
    _running.append(mark)
    try:
        yield nested
    finally:
        _running.remove(mark)


def _options(needs: Resources, *, is_local: bool, nested: bool) -> dict[str, Any]:
    """Return the options of an actor.

    On this machine we count processes ourselves, and a run within a run takes what is there: it would wait for what the
    other's actors hold, and that one waits for it.
    """
    import ray

    said = runtime_env()
    # Here they have it from Ray's own processes; to be told apart takes each of them half as long again to start.
    variables = {**({} if is_local else ONE_THREAD), **said.pop("env_vars", {})}
    gpus = min(needs.gpus, ray.cluster_resources().get("GPU", 0.0)) if is_local else needs.gpus
    if nested and gpus:
        variables["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"], gpus = "0", 0.0
    counted = not is_local and not nested
    return {
        "num_cpus": needs.cpus if counted else 0,
        "num_gpus": gpus,
        "memory": needs.memory_mb * 2**20 if counted and needs.memory_mb else None,
        "max_restarts": 0,
        "max_task_retries": 0,
        "runtime_env": said | ({"env_vars": variables} if variables else {}) or None,
    }


def _folder(options: Mapping[str, Any]) -> str | None:
    """Return the folder for actors to work in: this one, unless their runtime environment brings its own."""
    return None if "working_dir" in (options["runtime_env"] or {}) else os.getcwd()


def runtime_env() -> dict[str, Any]:
    """Return what MELISMA_RAY_RUNTIME_ENV says that processes of the cluster need: JSON, or the name of a file of it.

    Raises
    ------
    InputError
        If it is no JSON object.
    """
    said = os.environ.get("MELISMA_RAY_RUNTIME_ENV", "").strip()
    try:
        text = said if said.startswith("{") or not said else Path(said).read_text(encoding="utf-8")
        found = json.loads(text or "{}")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"MELISMA_RAY_RUNTIME_ENV is neither JSON nor a file of it: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("env_vars", {}), dict):
        raise InputError("MELISMA_RAY_RUNTIME_ENV must be a JSON object, and its env_vars too")
    return found


def require() -> None:
    """Check that Ray is installed.

    Raises
    ------
    MissingDependency
        If it is not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of each start
    try:
        import ray  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingDependency("Ray needs an extra: pip install 'melisma[ray]'") from error


def connect(address: str | None = None) -> bool:
    """Join a cluster, or start one on this machine that ends with this process; return whether we started it.

    A process that has joined one already stays with it.

    Raises
    ------
    MissingDependency
        If Ray is not installed.
    MelismaError
        If nothing answers at the address, or Ray does not start.
    """
    require()
    import ray

    where = _where(address)
    if not ray.is_initialized():
        _join(where)
    return str(ray.get_runtime_context().gcs_address) in _started


def _where(address: str | None) -> str:
    return address or os.environ.get("MELISMA_RAY_ADDRESS") or os.environ.get("RAY_ADDRESS") or LOCAL


_started: set[str] = set()  # clusters of this process


def _join(where: str) -> None:
    import ray

    own: dict[str, Any] = {}
    _check_reachable(where)
    if where == LOCAL:
        own = {
            "num_cpus": n_threads(),
            "include_dashboard": False,
            "object_store_memory": _STORE_MB * 2**20,
            "_node_ip_address": "127.0.0.1",
        }
    with _same_handlers(), environment(ONE_THREAD if where == LOCAL else {}):
        try:
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            what = "does not start here" if where == LOCAL else f"cannot be reached at {where}"
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            hint = "" if where == LOCAL else " (a cluster that asks for a token needs RAY_AUTH_MODE=token)"
            raise MelismaError(f"Ray {what}: {said}{hint}") from error
    # What became of processes is told in outcomes; Ray would print it among what a command prints.
    ray._private.worker._worker_logs_enabled = False
    if where == LOCAL:
        _started.add(str(ray.get_runtime_context().gcs_address))


def _check_reachable(where: str) -> None:
    """Refuse an address at which nothing listens: Ray would end this process, with a page of text."""
    if where in (LOCAL, "auto"):
        return
    host, _, port = where.removeprefix("ray://").rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise InputError(f"{where!r} is no address of a Ray cluster: host:port, ray://host:port, auto or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise MelismaError(f"Ray cannot be reached at {where}: {error.strerror or error}") from error


@contextmanager
def _same_handlers() -> Iterator[None]:
    """Keep who hears SIGTERM: Ray would end the process as if all were well."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if ours else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
