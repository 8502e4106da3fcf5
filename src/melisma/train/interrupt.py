"""Ctrl-C and SIGTERM: a training ends at its next step, and what it has learnt is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Saver(Protocol):
    """What keeps the steps of a training; `ending` asks it to keep the next one and to let the training end."""

    ending: bool


@contextmanager
def interruptible(saver: Saver) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a training at its next step, with a checkpoint; a second one ends it at once.

    Raises
    ------
    KeyboardInterrupt
        When it has ended so.
    """
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        saver.ending = True
        signal.signal(number, before[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit:  # which Lightning makes of both signals
        if not asked:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt
