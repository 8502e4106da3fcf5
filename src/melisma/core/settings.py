"""What the machine allows: read once, from the operating system rather than from hope."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def _cgroup_cpus(root: Path) -> float | None:
    """Return the CPU quota of this process's control group, version 2 or version 1; None where there is none."""
    files = ("cpu.max",) if (root / "cpu.max").exists() else ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")
    try:
        quota, period = " ".join((root / name).read_text(encoding="ascii") for name in files).split()[:2]
        return int(quota) / int(period) if quota != "max" and int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def count_threads(root: Path = Path("/sys/fs/cgroup"), wanted: str | None = None) -> int:
    """Return how many threads to use: `wanted` if given, else the cgroup's quota, never more than the cores we may use.

    More threads than the quota make a container two to three times slower, not faster.
    """
    if wanted and wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_cpus(root)
    return max(1, min(cores, int(quota + 0.5))) if quota is not None else cores


@cache
def n_threads() -> int:
    """Return the thread count of this process; the environment variable MELISMA_THREADS overrides it."""
    return count_threads(wanted=os.environ.get("MELISMA_THREADS"))
