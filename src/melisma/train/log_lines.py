"""What trainings of any kind say of themselves: JSON lines that go on after a step, and what a step took."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from melisma.core.errors import InputError, OutputError
from melisma.core.files import write_atomically


class Lines:
    """A file of JSON lines that goes on after a step; those of later steps come again and are dropped.

    Parameters
    ----------
    path : Path
        The file.
    step : int
        That the checkpoint holds.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        try:
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step(line) <= step]
            write_atomically(path, "".join(f"{line}\n" for line in kept).encode("utf-8"))
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the log {path} cannot be gone on with: {error}") from error

    def add(self, said: dict[str, Any]) -> None:
        """Write a line; numbers that are none are null."""
        plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in said.items()}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error


def _step(line: str) -> float:
    """Return the step of a line; one that broke off is dropped."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def now() -> str:
    """Return the time, as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def memory_mb(device: torch.device) -> float:
    """Return the most memory that was used so far: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def gpu_utilization(device: torch.device) -> float | None:
    """Return the share of time that the GPU worked of late, in percent; None where nothing tells."""
    if device.type != "cuda":
        return None
    try:
        return float(torch.cuda.utilization(device))
    except _silences():
        return None


def _silences() -> tuple[type[Exception], ...]:
    """Return what is raised without nvidia-ml-py, and where the driver, or a part of a GPU (MIG), says nothing."""
    try:
        from pynvml import NVMLError
    except ModuleNotFoundError:
        return ModuleNotFoundError, RuntimeError
    return RuntimeError, NVMLError


class Clock:
    """Counts what a training waits for data and what it works on it; what lies between the two calls is neither."""

    def __init__(self) -> None:
        self.waited_s = self.worked_s = 0.0
        self._since = time.monotonic()

    def restart(self) -> None:
        """Begin to count anew from here."""
        self._since = time.monotonic()

    def end_wait(self) -> None:
        """Count the time since the last call as waited for data."""
        now = time.monotonic()
        self.waited_s += now - self._since
        self._since = now

    def end_work(self) -> None:
        """Count the time since the last call as worked."""
        now = time.monotonic()
        self.worked_s += now - self._since
        self._since = now

    def take(self) -> tuple[float, float]:
        """Return the seconds waited and worked, and forget them."""
        taken = self.waited_s, self.worked_s
        self.waited_s = self.worked_s = 0.0
        return taken
