"""An actor that does tasks: one process of a Ray cluster, which keeps what a stage has loaded."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from typing import Any

import ray

from melisma.core.errors import InputError
from melisma.scale.attempt import attempt
from melisma.scale.protocol import Stage, Task
from melisma.scale.worker import DONE, FAULT, MEMORY, READY, fault

Said = tuple[Any, ...]  # what a process says, as `melisma.scale.worker` has it


class Actor:
    """Does tasks of one stage, one after another.

    Parameters
    ----------
    stage : bytes
        Pickled.
    folder : str, optional
        Where relative paths begin: that of the command, which is not the one in which a cluster was started.
    """

    def __init__(self, stage: bytes, folder: str | None = None) -> None:
        self._pickled, self._folder = stage, folder
        self._stage: Stage | None = None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal

    def hello(self) -> Said:
        """Load the stage; return (READY, process, node), or (FAULT, exception or None, traceback)."""
        try:
            self._enter()
            self._stage = pickle.loads(self._pickled)  # noqa: S301 - by the process that started this one
        except Exception as error:  # told where it can be raised
            return fault(error)
        return READY, os.getpid(), ray.get_runtime_context().get_node_id()

    def _enter(self) -> None:
        try:
            if self._folder is not None:
                os.chdir(self._folder)
        except OSError as error:
            raise InputError(
                f"a node of the cluster cannot work in {self._folder} ({error.strerror or error}): "
                "run the command in a folder that all nodes see"
            ) from error

    def do(self, number: int, task: Task) -> Said:
        """Do a task; return (DONE, number, outcome), (MEMORY, number), or (FAULT, exception or None, traceback)."""
        if self._stage is None:
            return FAULT, None, "the stage was not loaded"
        try:
            return DONE, number, attempt(self._stage, task)
        except MemoryError:
            return MEMORY, number
        except Exception as error:  # told where it can be raised
            return fault(error)
