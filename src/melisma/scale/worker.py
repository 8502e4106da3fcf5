"""A process that does tasks: started by `melisma.scale.crew`, told of its tasks through a pipe."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

from melisma.scale.attempt import attempt
from melisma.scale.protocol import Stage, Task

READY, DONE, MEMORY, FAULT = "ready", "done", "memory", "fault"
_GRACE_S = 10.0  # from the end of the parent to that of a worker whose task does not stop by itself


def work(stage: bytes, link: Connection, witness: Path | None = None) -> None:
    """Do tasks until the pipe closes.

    What is sent: (READY,); of each task (DONE, number, outcome), or (MEMORY, number) where it found too little; and
    (FAULT, exception or None, traceback) for a fault of the program, after which the process ends.

    Parameters
    ----------
    stage : bytes
        Pickled.
    link : Connection
        Gives lists of (number, task).
    witness : Path, optional
        Made if the parent ends and this process does not: then it was not a task that ended it.
    """
    leave_interrupts()
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch_parent, args=(witness,), name="melisma-parent", daemon=True).start()
    try:
        loaded: Stage = pickle.loads(stage)  # noqa: S301 - by the process that started this one
        link.send((READY,))
        while True:
            for number, task in link.recv():
                link.send(_done(loaded, number, task))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        link.send(fault(error))


def leave_interrupts() -> None:
    """Leave Ctrl-C to the parent, which started this process deaf to it; what this one starts hears it again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _done(stage: Stage, number: int, task: Task) -> tuple[Any, ...]:
    try:
        return DONE, number, attempt(stage, task)
    except MemoryError:
        return MEMORY, number


def fault(error: Exception) -> tuple[str, Exception | None, str]:
    """Return (FAULT, exception or None, traceback) of a fault of the program, such as can be sent."""
    text = "".join(traceback.format_exception(error))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this line's own making
        sent: Exception | None = error
    except Exception:  # classes with required parameters, fields that are no data: only the text can be told
        sent = None
    return FAULT, sent, text


def _leave(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)  # by way of every `finally`, so that no half-written file stays


def _watch_parent(witness: Path | None) -> None:
    """End this process if its parent was killed: nobody waits for what it does."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if witness is not None:
            with suppress(OSError):
                witness.touch()
        # To the main thread itself: one that sleeps or waits would not notice what another thread is sent.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        threading.Event().wait(_GRACE_S)
        os._exit(1)
