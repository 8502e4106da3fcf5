"""What a training died of, read from its exit code, its last lines and the kernel's counter of memory kills."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path


class Cause(StrEnum):
    """Why a process ended."""

    DONE = "done"
    MEMORY = "memory"
    KILLED = "killed"
    CRASH = "crash"  # a signal of its own: segmentation fault, abort
    INPUT = "input"
    INTERRUPTED = "interrupted"
    FAULT = "fault"  # it said so itself


# As torch says it on a GPU, on Apple's, on a CPU, NumPy, Python and this program itself.
_MEMORY = re.compile(
    r"out of memory|DefaultCPUAllocator: can't allocate|not enough memory|Unable to allocate|MemoryError|"
    r"CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED|Cannot allocate memory",
    re.IGNORECASE,
)
_WORKER = "DataLoader worker"  # torch's words, and ours, for the death of a process that makes batches
_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))


def tells_of_memory(said: str) -> bool:
    """Whether an error says that memory was short.

    >>> tells_of_memory("CUDA out of memory. Tried to allocate 2.00 GiB.")
    True
    """
    return _MEMORY.search(said) is not None


def n_memory_kills(counters: Iterable[Path] = _COUNTERS) -> int:
    """Return how many processes the kernel has killed for want of memory, as far as it says."""
    count = 0
    for path in counters:
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if re.fullmatch(r"oom_kill \d+", line.strip()))
    return count


def read(code: int, tail: Iterable[str], memory_killed: bool) -> tuple[Cause, str]:
    """Tell what a process ended of.

    Parameters
    ----------
    code : int
        Of its exit; below 0 the signal that ended it.
    tail : iterable of str
        Its last lines on standard error.
    memory_killed : bool
        Whether the kernel has killed something for want of memory meanwhile.

    Returns
    -------
    Cause, str
        And a sentence without a full stop.
    """
    lines = [line.strip() for line in tail if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    short = last.removeprefix("error: ")[:300]
    if code == 0:
        return Cause.DONE, "the training is done"
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number == signal.SIGKILL and memory_killed:
        return Cause.MEMORY, "the system killed the training for want of memory"
    if code not in (2, 3) and any(map(tells_of_memory, lines[-20:])):
        ours = "the training ran out of memory"  # as `melisma.train.ctc.told` says it
        return Cause.MEMORY, ours if short.startswith(ours) else f"{ours} ({short})"
    if memory_killed and any(_WORKER in line for line in lines[-20:]):
        return Cause.MEMORY, "the system killed a process of the training for want of memory"
    if number in (signal.SIGINT, signal.SIGTERM):
        return Cause.INTERRUPTED, f"the training was interrupted by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        return Cause.KILLED, "the training was killed"
    if number:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return Cause.CRASH, f"the training crashed with {name}"
    if code in (2, 3):
        return Cause.INPUT, f"the training cannot begin: {short}"
    return Cause.FAULT, f"the training failed: {short}"
