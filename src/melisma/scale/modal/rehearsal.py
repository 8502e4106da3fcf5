"""Modal without Modal: its functions in processes of this machine, a folder as its volume, to try a run before paying.

A container is a process that runs the app's function by `.local()` and sees a copy of the volume. It is lost with what
it had not committed; where it was preempted, its call is begun again in another one, as Modal does.
"""

from __future__ import annotations

import queue
import shutil
import signal
import threading
import warnings
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from secrets import token_hex

from melisma.scale.crew import one_thread, uninterrupted
from melisma.scale.modal.cloud import Call, CallLost, CallTimedOut, CloudError, Needs
from melisma.scale.modal.folder_volume import FolderVolume, View, be_seen
from melisma.scale.modal.orders import Order, Report
from melisma.scale.worker import leave_interrupts


@dataclass(slots=True, eq=False)
class Container:
    """A process that does orders, one after another."""

    process: SpawnProcess
    link: Connection
    folder: Path
    ready: bool = False
    preempted: bool = False

    def end(self) -> None:
        """Kill it; what it had not committed is lost."""
        self.process.kill()
        self.process.join()
        self.link.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class RehearsedCall:
    """An order under way."""

    id: str
    future: Future[Report]
    at: list[Container] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def result(self) -> Report:
        """Wait for it; CallLost or CallTimedOut if it ended without one."""
        try:
            return self.future.result()
        except CancelledError:
            raise CallLost("it was cancelled") from None

    def cancel(self) -> None:
        """End it, and the container that it is in."""
        self.cancelled.set()
        self.future.cancel()
        for each in self.at:
            each.process.kill()


class Rehearsal:
    """Containers on this machine.

    Parameters
    ----------
    folder : Path
        Of the volume, and of what containers see of it.
    mount : str
        Where a container of Modal would see the volume.
    n_containers : int
        How many there are at most.
    """

    same_disk = True

    def __init__(self, folder: Path, mount: str, n_containers: int) -> None:
        self.mount = mount
        self.store = FolderVolume(folder)
        self._folder = folder
        self._idle: queue.SimpleQueue[Container | None] = queue.SimpleQueue()
        for _ in range(n_containers):
            self._idle.put(None)  # room for one
        self._busy: dict[str, Container] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(n_containers, thread_name_prefix="melisma-rehearsal")

    def start(self, order: Order, needs: Needs) -> Call:
        """Have an order done."""
        at: list[Container] = []
        cancelled = threading.Event()
        name = token_hex(8)
        future = self._pool.submit(self._do, name, order, needs, at, cancelled)
        return RehearsedCall(name, future, at, cancelled)

    def attach(self, id: str) -> Call:
        """Return a call that was started before: here they end with the program, and what they committed is found."""
        lost: Future[Report] = Future()
        lost.set_exception(CallLost("the rehearsal that it was part of is over"))
        return RehearsedCall(id, lost)

    def preempt(self) -> int:
        """Stop every container that is at work, without a word, and tell how many; their calls are begun again."""
        with self._lock:
            for each in self._busy.values():
                each.preempted = True
                each.process.kill()
            return len(self._busy)

    def close(self) -> None:
        """End all containers."""
        with self._lock:
            self._closed = True
            for each in self._busy.values():
                each.process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        with suppress(queue.Empty):
            while True:
                container = self._idle.get_nowait()
                if container is not None:
                    container.end()

    def _do(self, name: str, order: Order, needs: Needs, at: list[Container], cancelled: threading.Event) -> Report:
        while True:
            container, kept = self._idle.get(), False
            try:
                container = container or self._begin()
                at[:] = [container]
                with self._lock:
                    self._busy[name] = container
                if cancelled.is_set() or self._closed:
                    raise CallLost("it was cancelled")
                report = _ask(container, order, needs)
                kept = True
                return report
            except CallLost:
                if container is None or not container.preempted or cancelled.is_set() or self._closed:
                    raise
            finally:
                with self._lock:
                    self._busy.pop(name, None)
                at.clear()
                if container is not None and not kept:
                    container.end()
                self._idle.put(container if kept else None)

    def _begin(self) -> Container:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        folder = self.store.containers / token_hex(8)
        process = context.Process(
            target=contain, args=(self._folder, folder, theirs), name="melisma-container", daemon=True
        )
        with self._lock, uninterrupted(), one_thread():  # which changes the environment of this process meanwhile
            process.start()
        theirs.close()
        return Container(process, ours, folder)


def _ask(container: Container, order: Order, needs: Needs) -> Report:
    """Have a container do an order; CallLost if it ends before."""
    try:
        if not container.ready:  # what it takes to start is none of the order's time
            if said := container.link.recv():
                raise CloudError(f"the app cannot be run: {said}")
            container.ready = True
        container.link.send(order)
        told = wait([container.link, container.process.sentinel], needs.timeout_s)
        if not told:
            raise CallTimedOut(f"it took longer than {needs.timeout_s:.0f} s")
        said = container.link.recv()
    except (EOFError, OSError):
        container.process.join()
        raise CallLost(ending(container.process.exitcode or 0)) from None
    if isinstance(said, OSError):
        raise said
    found: Report = said
    return found


def ending(code: int) -> str:
    """Return how a process ended, by its exit code."""
    with suppress(ValueError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"signal {-code}"


def contain(folder: Path, seen: Path, link: Connection) -> None:
    """Be a container: do orders until the pipe closes.

    Parameters
    ----------
    folder : Path
        Of the volume.
    seen : Path
        Where to see it.
    link : Connection
        Takes what keeps it from starting, or nothing; then gives orders, and takes reports.
    """
    warnings.filterwarnings("ignore", "The work function is executing locally")  # it has a volume
    leave_interrupts()
    began = False
    try:
        be_seen(View(FolderVolume(folder), seen))
        from melisma.scale.modal.app import work

        link.send("")
        began = True
        while True:
            order = link.recv()
            link.send(work.local(order))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except (ImportError, OSError) as error:  # such as a volume that is full: Modal hands on what a function raises
        link.send(error if began and isinstance(error, OSError) else str(error))
    finally:
        shutil.rmtree(seen, ignore_errors=True)
