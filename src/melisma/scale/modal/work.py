"""What happens in a container: an order is done, and nothing of it counts before it lies committed on the volume.

The discipline, in this order: `reload` when a call begins, so that it sees what was uploaded and what others committed;
tasks, whose files are written whole or not at all; `commit`, which makes these files last; a file of outcomes, which no
other call writes; `commit` again. Whoever sees an outcome can therefore read the files that it speaks of, and a
container that is stopped in the middle leaves no outcome of what it had not finished. Begun again, as Modal does with
what it preempts, a call goes on behind the outcomes that its run has committed.
"""

from __future__ import annotations

import os
import pickle
import secrets
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from melisma.core.files import write_atomically
from melisma.scale.attempt import attempt
from melisma.scale.modal.orders import FOLDER, Order, Report, read_lines, to_line
from melisma.scale.modal.paths import Paths, returned
from melisma.scale.protocol import Outcome, Stage


class Mounted(Protocol):
    """A volume as a container sees it."""

    def commit(self) -> None:
        """Make what was written here last, and visible to others."""

    def reload(self) -> None:
        """See what others have committed; RuntimeError while a file of it is open, or worked in."""


@dataclass(slots=True)
class _Done:
    """What a call has found so far; what is in `lines` is not committed yet."""

    path: Path
    volume: Mounted
    commit_s: float
    found: list[tuple[str, str]] = field(default_factory=list)
    short: list[str] = field(default_factory=list)
    n_committed: int = 0
    committed_s: float = field(default_factory=time.monotonic)

    def add(self, name: str, attempted: Callable[[], Outcome], paths: Paths) -> None:
        """Try a task, and keep what became of it with the paths that the order has."""
        try:
            found = attempted()
        except MemoryError:
            self.short.append(name)
        else:
            self.found.append((name, to_line(name, returned(found, paths))))
        if time.monotonic() - self.committed_s > self.commit_s:
            self.commit()

    def commit(self) -> None:
        """Let files last first, then the outcomes that speak of them."""
        self.committed_s = time.monotonic()
        if len(self.found) == self.n_committed:
            return
        self.volume.commit()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, "".join(f"{line}\n" for _, line in self.found).encode())
        self.volume.commit()
        self.n_committed = len(self.found)


def work(order: Order, volume: Mounted, mount: Path) -> Report:
    """Do an order.

    Parameters
    ----------
    order : Order
        Its paths are those below `order.mount`, wherever the volume is seen.
    volume : Mounted
        The volume.
    mount : Path
        Where it is seen.

    Returns
    -------
    Report
        What was found, committed; tasks that it does not speak of were not begun.
    """
    volume.reload()
    folder = mount / FOLDER / order.run
    earlier = _committed(folder, order)
    done = _Done(folder / f"{order.name}-{secrets.token_hex(8)}.jsonl", volume, order.commit_s)
    began = time.monotonic()
    n_tried, fault = 0, None
    paths = Paths(order.mount, str(mount))
    try:
        with _within(order.cwd and paths.there(order.cwd)):
            stage: Stage = paths.sent(pickle.loads(order.stage))  # noqa: S301 - by the program that called
            for name, said in order.tasks:
                if name in earlier:
                    continue
                if n_tried and time.monotonic() - began > order.stop_s:
                    break
                n_tried += 1
                task = paths.sent(pickle.loads(said))  # noqa: S301 - as above
                done.add(name, partial(attempt, stage, task), paths)
    except Exception as error:
        fault = _described(error)
    done.commit()
    seconds = (time.monotonic() - began) / n_tried if n_tried else 0.0
    return Report((*earlier.items(), *done.found), tuple(done.short), seconds, fault)


def _committed(folder: Path, order: Order) -> dict[str, str]:
    """Return the lines of outcomes that this call has committed when it was begun before; errors are tried again."""
    found, wanted = {}, {name for name, _ in order.tasks}
    for path in sorted(folder.glob(f"{order.name}-*.jsonl")):
        data = path.read_bytes()
        for (name, _, error), line in zip(read_lines(data, path.name), filter(None, data.split(b"\n")), strict=True):
            if name in wanted and error is None:
                found[name] = line.decode()
    return found


@contextmanager
def _within(folder: str | None) -> Iterator[None]:
    """Work in a folder, and leave it again: a folder of the volume that is worked in could not be reloaded."""
    before = os.getcwd()
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _described(error: Exception) -> tuple[bytes | None, str]:
    text = "".join(traceback.format_exception(error))
    try:
        said = pickle.dumps(error)
        pickle.loads(said)  # noqa: S301 - of this line's own making
    except Exception:  # classes with required parameters, fields that are no data: only the text can be told
        return None, text
    return said, text
