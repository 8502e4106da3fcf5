"""How many processes a machine takes: by its cores, its free memory and its GPUs."""

from __future__ import annotations

import os
from pathlib import Path

from melisma.scale.protocol import Resources


def n_workers(asked: int | None, cores: int, resources: Resources | None) -> int:
    """Return how many processes of a stage to start; never fewer than one.

    Parameters
    ----------
    asked : int, optional
        The most; without it as many as the cores take.
    cores : int
        Of this machine, as far as they may be used.
    resources : Resources, optional
        What one process needs. Memory and GPUs bound what was asked for, too.

    Examples
    --------
    >>> n_workers(None, 8, Resources(cpus=2)), n_workers(3, 8, None), n_workers(None, 1, Resources(cpus=4))
    (4, 3, 1)
    """
    if resources is None:
        return asked or cores
    most = asked or int(cores / resources.cpus if resources.cpus > 0 else cores)
    if resources.memory_mb and (free := free_memory_mb()) is not None:
        most = min(most, free // resources.memory_mb)
    gpus = len(visible_gpus())
    if resources.gpus > 0 and gpus:
        most = min(most, round(gpus // resources.gpus) if resources.gpus > 1 else gpus * int(1 / resources.gpus + 1e-9))
    return max(1, most)


def free_memory_mb(root: Path = Path("/")) -> int | None:
    """Return how much memory can be had, as the system and the control group say; None where neither does."""
    said = [each for each in (_available_mb(root / "proc/meminfo"), _cgroup_mb(root / "sys/fs/cgroup")) if each]
    return min(said) if said else None


def _available_mb(path: Path) -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in path.read_text(encoding="ascii").splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) // 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _cgroup_mb(root: Path) -> int | None:
    """Return what a control group of version 2 leaves: its file cache counts as free."""
    try:
        most = (root / "memory.max").read_text(encoding="ascii").strip()
        if most == "max":
            return None
        used = int((root / "memory.current").read_text(encoding="ascii"))
        facts = dict(line.split() for line in (root / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0, int(most) - used + int(facts.get("inactive_file", 0))) // 2**20 or 1
    except (OSError, ValueError):
        return None


def visible_gpus(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return tuple(name for each in said.split(",") if (name := each.strip()) and name != "-1")
    try:
        found = [
            each.name.removeprefix("nvidia") for each in (root / "dev").iterdir() if each.name.startswith("nvidia")
        ]
    except OSError:
        return ()
    return tuple(sorted((each for each in found if each.isdecimal()), key=int))
