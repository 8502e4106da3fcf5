"""The queue that carries the numbers of jobs to workers: huey, on a SQLite file or on Redis.

A message holds a number, a priority and, for a job that waits, a moment; nothing is ever unpickled. Messages may be
lost and may come twice: the ledger knows what is true. What goes wrong here is a StoreError.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from huey import Huey, PriorityRedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from melisma.core.errors import InputError, MissingDependency, StoreError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "melisma"
_ID = re.compile(r"[0-9a-f]{32}")
_MOST = 400  # bytes of a message; ours are under 120
_BUSY_S = 5.0  # that the lock of the SQLite file is waited for
_CONNECT_S, _ANSWER_S = 2.0, 5.0  # of Redis; a look into an empty queue takes one second of it


class Transport:
    """Carries numbers of jobs.

    Parameters
    ----------
    redis_url : str
        Of Redis; empty for a SQLite file.
    folder : Path
        Of the SQLite file.

    Raises
    ------
    InputError
        If the URL cannot be used.
    MissingDependency
        If redis-py is not installed.
    """

    def __init__(self, redis_url: str, folder: Path) -> None:
        self._faults: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
        self._pool: Any = None
        self._path = folder / "queue.sqlite"
        if redis_url:
            self._pool, fault = _pool(redis_url)
            self._faults = (*self._faults, fault)
        self.arrived = threading.Semaphore(0)  # released once for each message that this process sends
        self._look: Callable[[str], None] | None = None
        self._opened: tuple[Huey, Any] | None = None
        self._lock = threading.Lock()

    def send(self, id: str, priority: int = 0, at: datetime | None = None) -> None:
        """Say that a job is worth a look, now or at a moment; StoreError if that cannot be said."""
        eta = None if at is None else at.astimezone(UTC).replace(tzinfo=None)
        with self._meaning() as (huey, task):
            huey.enqueue(task(args=(id,), id=id, eta=eta, priority=priority))
        self._arrive()

    def waiting(self) -> set[str]:
        """Return the numbers of all jobs of which a message is under way."""
        with self._meaning() as (huey, _):
            found = [*huey.storage.enqueued_items(), *huey.storage.scheduled_items()]
        ids = set()
        for data in found:
            with contextlib.suppress(ValueError):
                ids.add(_read(bytes(data))[0])
        return ids

    def take(self) -> Any:
        """Take a message out of the queue; None where it is empty, or where it held something else."""
        with self._meaning() as (huey, _):
            data = huey.storage.dequeue()
            try:
                return None if data is None else huey.deserialize_task(bytes(data))
            except ValueError as error:
                raise StoreError("the queue of jobs holds something else than jobs: it was thrown away") from error

    def put_off(self, task: Any) -> bool:
        """Keep a message whose time has not come yet; return whether that was so."""
        with self._meaning() as (huey, _):
            if huey.ready_to_run(task):
                return False
            huey.add_schedule(task)
            return True

    def bring_due(self) -> None:
        """Put messages whose time has come into the queue."""
        with self._meaning() as (huey, _):
            for task in huey.read_schedule():
                huey.enqueue(task)
                self._arrive()

    def ping(self) -> None:
        """Raise StoreError unless the queue answers."""
        with self._meaning() as (huey, _):
            huey.storage.queue_size()

    def serve(self, look: Callable[[str], None]) -> Huey:
        """Have `look` called with the number of each job whose message is executed; StoreError as above."""
        self._look = look
        with self._meaning() as (huey, _):
            return huey

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        if self._opened is not None:
            self._opened[0].storage.close()
        if self._pool is not None:
            self._pool.disconnect()

    def _arrive(self) -> None:
        if self._pool is None:  # Redis itself wakes who waits
            self.arrived.release()

    @contextlib.contextmanager
    def _meaning(self) -> Iterator[tuple[Huey, Any]]:
        try:
            with self._lock:
                if self._opened is None:
                    self._opened = self._open()
            yield self._opened
        except self._faults as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise StoreError(f"the queue of jobs cannot be reached now: {said}") from error

    def _open(self) -> tuple[Huey, Any]:
        huey: Huey
        if self._pool is not None:
            huey = PriorityRedisHuey(NAME, results=False, serializer=_Numbers(), connection_pool=self._pool)
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            huey = SqliteHuey(NAME, filename=str(self._path), timeout=_BUSY_S, results=False, serializer=_Numbers())

        def look(id: str) -> None:
            if self._look is not None:
                self._look(id)

        task = huey.task()(look).task_class
        huey.serializer.task = huey._registry.task_to_string(task)
        return huey, task


class _Numbers(Serializer):  # type: ignore[misc]  # huey has no types
    """Messages as JSON; what comes from a Redis that others reach too must not be unpickled."""

    task = ""  # that every message is for

    def serialize(self, message: Message) -> bytes:
        at = None if message.eta is None else message.eta.isoformat()
        return json.dumps({"job": message.id, "priority": message.priority or 0, "at": at}).encode()

    def deserialize(self, data: bytes) -> Message:
        id, priority, at = _read(data)
        return Message(id=id, name=self.task, eta=at, priority=priority, args=(id,), kwargs={})


def _read(data: bytes) -> tuple[str, int, datetime | None]:
    """Read a message; ValueError if it is none of ours."""
    if len(data) > _MOST:
        raise ValueError("too long")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("no object")
    id, priority, at = found.get("job"), found.get("priority"), found.get("at")
    if not isinstance(id, str) or not _ID.fullmatch(id) or type(priority) is not int:
        raise ValueError("no number of a job, or no priority")
    if at is not None and not isinstance(at, str):
        raise ValueError("no moment")
    moment = None if at is None else datetime.fromisoformat(at)
    if moment is not None and moment.tzinfo is not None:
        raise ValueError("a moment with a time zone")
    return id, priority, moment


def _pool(url: str) -> tuple[Any, type[Exception]]:
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise MissingDependency(
            "jobs on Redis need a package that is not installed: pip install 'melisma[redis]'"
        ) from error
    try:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_connect_timeout=_CONNECT_S,
            socket_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 1),  # a connection that a restart of Redis has cut; the sweeper does the rest
        )
    except ValueError as error:
        raise InputError("the URL of the queue is none of Redis: write redis://host:6379/0") from error
    return pool, redis.RedisError
