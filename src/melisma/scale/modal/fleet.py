"""Orders under way: tasks are bundled, sent to containers, and sent once more, alone, where a container was lost."""

from __future__ import annotations

import hashlib
import os
import pickle
import queue
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from melisma.core.errors import InputError
from melisma.scale.attempt import out_of_memory
from melisma.scale.journal import Journal
from melisma.scale.modal.cloud import Call, CallLost, CallTimedOut, Cloud, Needs
from melisma.scale.modal.config import ModalConfig
from melisma.scale.modal.ledger import Ledger
from melisma.scale.modal.orders import FOLDER, Order, Report, digest, read_lines
from melisma.scale.modal.paths import Paths, deeply, returned, stray
from melisma.scale.protocol import Outcome, Stage, Task

MOST = 64  # tasks of a call
_FIRST = 4  # tasks of the first calls, before it is known how long one takes


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same for all orders of a run.

    Parameters
    ----------
    name : str
        Of its folder on the volume.
    stage : Stage
        As it is here.
    paths : Paths
        From here to the containers and back.
    cwd : str, optional
        Folder of the containers in which relative paths begin.
    needs : Needs
        Of a container.
    """

    name: str
    stage: Stage
    paths: Paths
    cwd: str | None
    needs: Needs


@dataclass(slots=True, eq=False)
class _Item:
    number: int
    task: Task
    name: str  # its digest
    how: str = ""  # what became of its container the first time; it is done alone then
    short: bool = False  # it found too little memory


@dataclass(slots=True, eq=False)
class _Sent:
    items: list[_Item]
    alone: bool
    call: Call


class _Remote(Exception):
    """The traceback of the container in which it happened, as the cause of what is raised here."""


class Fleet:
    """Containers for one stage.

    Parameters
    ----------
    run : Run
        What is done.
    cloud : Cloud
        Who does it.
    config : ModalConfig
        How much is asked of a call.
    known : Journal
        Told of what is begun.
    ledger : Ledger
        Keeps what is under way, for a run that comes after one that was killed.
    """

    def __init__(self, run: Run, cloud: Cloud, config: ModalConfig, known: Journal, ledger: Ledger) -> None:
        self._run, self._cloud, self._config, self._known, self._ledger = run, cloud, config, known, ledger
        self._earlier = self._left()
        self._found: list[tuple[int, Outcome]] = []  # what an earlier run had done
        self._stage = pickle.dumps(run.paths.sent(run.stage))
        self._queue: deque[_Item] = deque()
        self._suspects: deque[_Item] = deque()
        self._sent: dict[str, _Sent] = {}
        self._taken: list[tuple[str, str]] = []  # orders and calls whose outcomes were told
        self._told: queue.SimpleQueue[tuple[str, Report | BaseException]] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._typical_s: float | None = None
        self._n_orders = 0

    @property
    def window(self) -> int:
        """How many calls are under way at most: one waits behind each container, so that none is idle."""
        return 2 * self._run.needs.workers

    def give(self, number: int, task: Task, *, alone: bool = False) -> None:
        """Take a task, under a number by which its outcome will be told; `alone` as if its container was lost once.

        Raises
        ------
        InputError
            If it names a file that no container can see.
        """
        if not self._cloud.same_disk:
            check_seen(task.item, self._run.paths)
        item = _Item(number, task, digest(task))
        if item.name in self._earlier:
            value = self._earlier.pop(item.name)
            self._found.append((number, self._told_here(task, Outcome(task.key, value, reused=True))))
        elif alone:
            item.how = "an earlier run did"
            self._suspects.append(item)
        else:
            self._queue.append(item)

    def take(self) -> list[tuple[int, Outcome]]:
        """Wait for outcomes, at least one; there must be tasks that were given and not told of yet.

        Raises
        ------
        CloudError
            If no call can be made.
        Exception
            Whatever the stage raised that is no error of its item.
        """
        self._clear()
        found, self._found = self._found, []
        while not found:
            if self._failure is not None:  # after what came with it
                raise self._failure
            self._hand_out()
            found += self._hear(*self._told.get())
            with suppress(queue.Empty):
                while True:
                    found += self._hear(*self._told.get_nowait())
        return found

    def close(self) -> None:
        """End what is under way, unless it is to go on without this program; leave no outcome that was taken."""
        self._clear()
        for sent in self._sent.values():
            if not self._config.detach:
                sent.call.cancel()
                self._ledger.ended(sent.call.id)
        if not (self._sent or self._queue or self._suspects or self._found) or not self._ledger.kept:
            self._cloud.store.remove(f"{FOLDER}/{self._run.name}")

    def _hand_out(self) -> None:
        while (self._suspects or self._queue) and len(self._sent) < self.window:
            if self._suspects:
                self._send([self._suspects.popleft()], alone=True)
                continue
            # What is left is shared, so that all end together.
            share = -(-len(self._queue) // self.window)
            fits = _FIRST if self._typical_s is None else int(self._config.call_s / max(self._typical_s, 1e-3))
            n = max(1, min(MOST, share, fits))
            self._send([self._queue.popleft() for _ in range(min(n, len(self._queue)))], alone=False)

    def _send(self, items: list[_Item], *, alone: bool) -> None:
        run, self._n_orders = self._run, self._n_orders + 1
        names = "".join(item.name for item in items)
        # The number keeps a task's second try apart from its first; a run that comes later reads the files of both.
        name = hashlib.sha256(f"{self._n_orders} {names}".encode()).hexdigest()[:32]
        tasks = tuple((item.name, pickle.dumps(run.paths.sent(item.task))) for item in items)
        stop_s = 0.0 if alone else self._config.stop_s
        order = Order(run.name, name, run.paths.mount, self._stage, tasks, run.cwd, stop_s, self._config.commit_s)
        self._known.lease(item.task for item in items)
        needs = replace(run.needs, timeout_s=run.needs.timeout_s - self._config.stop_s + stop_s)
        if any(item.short for item in items):
            needs = replace(needs, memory_mb=2 * (needs.memory_mb or 4096))
        # In this thread, so that calls begin in the order of their tasks.
        call = self._cloud.start(order, needs)
        self._ledger.began(call.id)
        self._sent[name] = _Sent(items, alone, call)
        threading.Thread(target=self._wait, args=(name, call), daemon=True).start()

    def _wait(self, name: str, call: Call) -> None:
        try:
            self._told.put((name, call.result()))
        except BaseException as error:  # whatever it is, the main thread waits for it
            self._told.put((name, error))

    def _hear(self, name: str, said: Report | BaseException) -> list[tuple[int, Outcome]]:
        sent = self._sent.pop(name)
        found: list[tuple[int, Outcome]] = []
        if isinstance(said, CallLost):
            lines = self._committed(name)
            found += self._outcomes(sent, lines)
            found += self._lost(sent, {line[0] for line in lines}, said)
        elif isinstance(said, Report):
            found += self._reported(sent, said)
        elif isinstance(said, Exception):
            self._failure = said
        else:
            raise said
        self._taken.append((name, sent.call.id))
        return found

    def _reported(self, sent: _Sent, report: Report) -> list[tuple[int, Outcome]]:
        if report.seconds:
            self._typical_s = report.seconds if self._typical_s is None else (self._typical_s + report.seconds) / 2
        lines = [line for _, said in report.found for line in read_lines(said.encode(), "what a call returned")]
        found = self._outcomes(sent, lines)
        told = {line[0] for line in lines}
        if report.fault is not None:
            self._failure = _fault(*report.fault)
        for item in sent.items:
            if item.name in report.short:
                if item.short or item.how:
                    found.append((item.number, out_of_memory(item.task)))
                else:
                    item.short = True
                    self._suspects.append(item)
            elif item.name not in told:
                self._queue.appendleft(item)  # its call ended before it was begun
        return found

    def _outcomes(self, sent: _Sent, lines: list[tuple[str, Any, str | None]]) -> list[tuple[int, Outcome]]:
        told = {name: (value, error) for name, value, error in lines}
        return [
            (item.number, self._told_here(item.task, Outcome(item.task.key, *told[item.name])))
            for item in sent.items
            if item.name in told
        ]

    def _told_here(self, task: Task, outcome: Outcome) -> Outcome:
        told = returned(outcome, self._run.paths.knowing(self._run.stage, task.item))
        if _is_missing(told) and any(map(os.path.isfile, _paths_in(task.item))):
            return replace(told, error=f"{told.error} (on the volume: melisma scale upload brings it there)")
        return told

    def _committed(self, name: str = "") -> list[tuple[str, Any, str | None]]:
        """Return what is committed of this run, or of one of its calls; errors are tried again."""
        store, found = self._cloud.store, []
        for entry in store.files(f"{FOLDER}/{self._run.name}"):
            if entry.path.rsplit("/", 1)[-1].startswith(name):
                found += [line for line in read_lines(b"".join(store.read(entry.path)), entry.path) if line[2] is None]
        return found

    def _left(self) -> dict[str, Any]:
        """Wait for the calls that an earlier run left under way, and return what they and others found."""
        for name in self._ledger.left():
            with suppress(CallLost):
                self._cloud.attach(name).result()
            self._ledger.ended(name)
        return {name: value for name, value, _ in self._committed()}

    def _lost(self, sent: _Sent, told: set[str], how: CallLost) -> list[tuple[int, Outcome]]:
        """Let each task that a lost container had not finished be tried once more, alone; a second time is its end."""
        found = []
        for item in sent.items:
            if item.name in told:
                continue
            if sent.alone and (item.how or item.short):
                found.append((item.number, _given_up(item.task, how)))
            else:
                item.how = str(how)
                self._suspects.append(item)
        return found

    def _clear(self) -> None:
        """Remove the outcomes that have been taken, and are kept here: a volume holds no more files than it needs."""
        if not self._taken:
            return
        store, names = self._cloud.store, {name for name, _ in self._taken}
        for entry in list(store.files(f"{FOLDER}/{self._run.name}")):
            if entry.path.rsplit("/", 1)[-1].partition("-")[0] in names:
                store.remove(entry.path)
        for _, call in self._taken:
            self._ledger.ended(call)
        self._taken.clear()


def _is_missing(outcome: Outcome) -> bool:
    return (outcome.error or "").endswith((": there is no such file", ": No such file or directory"))


def _paths_in(item: Any) -> list[str]:
    """Return what may be paths in an item."""
    found: list[str] = []

    def look(text: str) -> str:
        if len(text) <= 4096 and "\0" not in text:
            found.append(text)
        return text

    deeply(item, look)
    return found


def check_seen(value: Any, paths: Paths) -> None:
    """Refuse a stage or an item that names a file of this machine which the volume does not mirror.

    Raises
    ------
    InputError
        That names it.
    """

    def look(text: str) -> str:
        if stray(text, paths):
            raise InputError(
                f"{text} does not lie in {paths.root}, the folder that the volume mirrors: move it there, "
                "or set MELISMA_MODAL_ROOT to a folder that holds both"
            )
        return text

    deeply(value, look)


def _given_up(task: Task, how: CallLost) -> Outcome:
    if isinstance(how, CallTimedOut):
        said = "it takes longer than a task may, and did so again when it ran alone"
    else:
        said = f"the process that worked on it ended ({how}), and did so again when it ran alone"
    return Outcome(task.key, error=f"{task.key}: {said}")


def _fault(error: bytes | None, text: str) -> Exception:
    raised = pickle.loads(error) if error is not None else RuntimeError("a stage failed")  # noqa: S301 - by our `work`
    raised.__cause__ = _Remote("\n" + text)
    found: Exception = raised
    return found
