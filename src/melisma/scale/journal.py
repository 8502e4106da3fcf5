"""What is done already, and what was in hand when a run ended: a SQLite file, written by one run at a time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from melisma.core.errors import OutputError
from melisma.core.files import make_folder
from melisma.scale.protocol import Outcome, Stage, Task

_SCHEMA = "create table if not exists outcome (key text primary key, signature text, value text) without rowid"
_LEASES = """create table if not exists lease
(key text primary key, signature text, attempts integer, holder text, since real) without rowid"""
_KINDS = (str, str, int, str, float)
_OURS = 0x4D6C4A31  # "MlJ1", SQLite's application_id: the file is a journal of this kind, and no other program's
_UNKNOWN = (0, _OURS)  # a new file has no id yet
MOST_ATTEMPTS = 3  # runs that ended without a word with a task in hand, after which it is not tried again
_SYNC_S = 0.25  # a lease goes to the disk itself no sooner after the one before: it takes some milliseconds


@dataclass(frozen=True, slots=True)
class Lease:
    """A task in hand.

    Parameters
    ----------
    key, signature : str
        Of the task, the latter hashed.
    attempts : int
        Runs that had it in hand and have not said that they ended.
    holder : str
        The last of them.
    since : float
        When that began it, in seconds since 1970.
    """

    key: str
    signature: str
    attempts: int
    holder: str
    since: float


class Journal:
    """Outcomes of a stage; errors are not kept, so that the next run tries again.

    A run that is killed leaves a file that SQLite mends when it is opened again; what was kept stays kept. It leaves
    its leases, too: which tasks were in hand, and of how many runs that ended so. A run that ends by itself, by Ctrl-C
    or by SIGTERM leaves none. So does one whose processes outlived it and say so (`witness`): no task had killed it.

    Parameters
    ----------
    path : Path, optional
        The file; without one nothing is kept.
    stage : Stage, optional
        Its name and configuration are part of every signature; without one, to look at leases only.
    """

    def __init__(self, path: Path | None, stage: Stage | None = None) -> None:
        self._salt = "" if stage is None else f"{stage.name}\0{stage.configuration()}\0"
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._run = secrets.token_hex(4)
        self._holder = f"process {os.getpid()} of {socket.gethostname()}, run {self._run}"
        self._left: dict[str, Lease] = {}  # of runs before this one
        self._synced = 0.0

    @property
    def witness(self) -> Path | None:
        """The file by which a process that outlives this run says that it was the run alone that was killed."""
        return None if self._path is None else self._path.with_name(f"{self._path.name}.outlived-{self._run}")

    def __enter__(self) -> Self:
        """Open the file, and keep others from it.

        Raises
        ------
        OutputError
            If it cannot be written, is no journal, is damaged, or another run works with it.
        """
        if self._path is not None:
            make_folder(self._path.parent)
            try:
                self._file = sqlite3.connect(self._path, timeout=0, isolation_level=None)
                self._open(self._file)
            except (sqlite3.Error, OutputError) as error:
                if self._file is not None:
                    self._file.close()
                self._fail(error)
        return self

    def _open(self, file: sqlite3.Connection) -> None:
        # Exclusive: the system drops the lock with the process, however it ends; no lock file is left behind.
        file.execute("pragma locking_mode = exclusive")
        (identity,) = file.execute("pragma application_id").fetchone()
        tables = {name for (name,) in file.execute("select name from sqlite_master where type = 'table'")}
        if identity not in _UNKNOWN or (identity == 0 and tables):
            raise OutputError(f"{self._path} is a file of another program, not a journal of what is done")
        file.execute("pragma journal_mode = wal")
        file.execute("pragma synchronous = normal")
        file.execute("begin immediate")
        file.execute(f"pragma application_id = {_OURS}")
        file.execute(_SCHEMA)
        file.execute(_LEASES)
        file.execute("commit")
        self._hear_witnesses(file)
        rows = file.execute("select key, signature, attempts, holder, since from lease").fetchall()
        if not all(tuple(map(type, row)) == _KINDS for row in rows):
            raise sqlite3.DatabaseError("leases of another kind")
        self._left = {row[0]: Lease(*row) for row in rows}

    def _hear_witnesses(self, file: sqlite3.Connection) -> None:
        """Take back the leases of runs that somebody killed while their processes lived on."""
        if self._path is None:
            return
        for each in list(self._path.parent.iterdir()):
            said = re.fullmatch(re.escape(self._path.name) + r"\.outlived-([0-9a-f]{8})", each.name)
            if said and each.is_file():
                of_run = (f"%, run {said[1]}",)
                file.execute("update lease set attempts = attempts - 1 where holder like ?", of_run)
                each.unlink(missing_ok=True)
        file.execute("delete from lease where attempts < 1")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            try:
                self._drop_leases(self._file)
            finally:
                self._file.close()

    def _drop_leases(self, file: sqlite3.Connection) -> None:
        """Leave what was left before, and nothing of this run: it ends with a word."""
        with suppress(sqlite3.Error):  # what ends the run is told, not this
            file.execute("delete from lease where holder = ?", (self._holder,))
            left = [astuple(each) for each in self._left.values()]
            file.executemany("insert or ignore into lease values (?, ?, ?, ?, ?)", left)

    def _fail(self, error: Exception) -> NoReturn:
        if isinstance(error, OutputError):
            raise error
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            raise OutputError(f"another run works with {self._path}: wait for it, or end it") from error
        if isinstance(error, sqlite3.OperationalError):
            raise OutputError(f"cannot keep what is done in {self._path}: {error}") from error
        raise OutputError(f"{self._path} is damaged, or no journal: delete it, and all is done anew") from error

    def _signature(self, task: Task) -> str:
        return hashlib.sha256((self._salt + task.signature).encode("utf-8", "surrogatepass")).hexdigest()

    @staticmethod
    def _key(task: Task) -> str:
        # A file name that is not UTF-8 holds half characters, which SQLite does not take.
        return task.key.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")

    def find(self, task: Task) -> Outcome | None:
        """Return what an earlier run found, if it was asked the same."""
        if self._file is None:
            return None
        try:
            asked = self._file.execute("select signature, value from outcome where key = ?", (self._key(task),))
            found = asked.fetchone()
            if found is None or found[0] != self._signature(task):
                return None
            return Outcome(task.key, json.loads(found[1]), reused=True)
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._fail(error)

    def attempts(self, task: Task) -> int:
        """Return how many runs before this one ended without a word while they had the task in hand."""
        left = self._left.get(self._key(task)) if self._left else None
        return left.attempts if left is not None and left.signature == self._signature(task) else 0

    def leases(self) -> list[Lease]:
        """Return what runs before this one had in hand when they ended without a word."""
        return list(self._left.values())

    def forget_leases(self) -> None:
        """Let all tasks be tried again, as if no run had ended without a word."""
        if self._file is not None:
            self._file.execute("delete from lease")
        self._left.clear()

    def given_up(self, task: Task) -> Outcome | None:
        """Return an error for a task that has ended three runs, so that it does not end a fourth.

        Somebody may end two by hand and still have what an undisturbed run has; the service's jobs have three, too.
        """
        if self._path is None or self.attempts(task) < MOST_ATTEMPTS:
            return None
        said = (
            f"{task.key}: it was in hand when {self.attempts(task)} runs ended without a word, so it is not tried again"
            f" until `melisma scale leases --forget` on {self._path.name} says so"
        )
        return Outcome(task.key, error=said)

    def lease(self, tasks: Iterable[Task]) -> None:
        """Write down that tasks are in hand now, before they are begun."""
        if self._file is None:
            return
        rows = [
            (self._key(task), self._signature(task), self.attempts(task) + 1, self._holder, time.time())
            for task in tasks
        ]
        due = time.monotonic() - self._synced >= _SYNC_S
        try:
            if due:
                self._file.execute("pragma synchronous = full")
            self._file.execute("begin")
            self._file.executemany("replace into lease values (?, ?, ?, ?, ?)", rows)
            self._file.execute("commit")
            if due:
                self._file.execute("pragma synchronous = normal")
                self._synced = time.monotonic()
        except sqlite3.Error as error:
            self._fail(error)

    def keep(self, task: Task, outcome: Outcome) -> Outcome:
        """Write an outcome down, end the lease of its task, and return it."""
        if self._file is not None:
            key = self._key(task)
            row = (key, self._signature(task), json.dumps(outcome.value))
            try:
                self._file.execute("begin")
                if outcome.error is None:
                    self._file.execute("replace into outcome values (?, ?, ?)", row)
                self._file.execute("delete from lease where key = ?", (key,))
                self._file.execute("commit")
            except sqlite3.Error as error:
                self._fail(error)
            self._left.pop(key, None)
        return outcome
