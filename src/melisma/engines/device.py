"""Where an engine runs: what MELISMA_DEVICE asks for, whether it is there, and how much memory it has left."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ON_CPU, ON_HTTP = "cpu", "http"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(?::\d{1,3})?")
# Files of NVIDIA's driver, on Linux and in WSL: without one there is no use in asking torch, which takes seconds.
_DRIVER = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name: "cpu", "mps", "cuda" or "cuda:1"; `fault` says in one sentence why it cannot be used."""

    name: str
    fault: str | None = None

    @property
    def half(self) -> bool:
        """Whether networks run in 16-bit floats there: on a GPU, where they are exact enough and twice as fast."""
        return self.name.startswith("cuda")


def choose(wanted: str | None = None) -> Device:
    """Return the device that is asked for, by name or by the environment variable MELISMA_DEVICE; auto by default.

    Never raises: an engine that is asked to run on a device that is not there says so when it is asked what it lacks.
    """
    name = (wanted or os.environ.get("MELISMA_DEVICE") or "auto").strip().lower()
    if not _DEVICE.fullmatch(name):
        return Device(name[:40], f"{name[:40]!r} is no device: MELISMA_DEVICE is auto, cpu, mps, cuda, or cuda:1 …")
    if name == "auto":
        return Device(_best())
    if name == ON_CPU:
        return Device(name)
    return Device(name, _fault(name))


def _best() -> str:
    if not sys.platform.startswith("darwin") and not any(path.exists() for path in _DRIVER):
        return ON_CPU
    try:
        import torch
    except ImportError:
        return ON_CPU
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else ON_CPU


def _fault(name: str) -> str | None:
    """Say why a device that is no CPU cannot be used; None if it can."""
    try:
        import torch
    except ImportError:
        return None  # that is what the engine lacks, and it says so itself
    if name == "mps":
        return None if torch.backends.mps.is_available() else "there is no device mps: torch sees none here"
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_devices:
        return f"there is no device {name}: torch sees no CUDA device here"
    index = int(name.partition(":")[2] or 0)
    return None if index < n_devices else f"there is no device {name}: the last that torch sees is cuda:{n_devices - 1}"


def physical(device: str) -> str:
    """Name the piece of hardware that a device name means in this process.

    >>> physical("cpu"), physical("http")
    ('cpu', 'http')
    """
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return device
    number = int(index) if index.isdecimal() else 0
    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    return f"cuda:{visible[number] if number < len(visible) else number}"


def give_back() -> None:
    """Give the memory of a GPU back that torch only keeps for later."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def free_mb(device: str) -> int | None:
    """Return the memory that a device has left, in MB; None where nobody can tell without loading anything."""
    if device == ON_CPU:
        return _free_ram_mb()
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None and torch.cuda.is_available():
        index = device.partition(":")[2]
        visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
        number = visible.index(index) if index in visible else int(index or 0)
        return int(torch.cuda.mem_get_info(number)[0] // 2**20)
    return None


def _free_ram_mb(root: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that this process may still take: what the machine has, or what its control group allows."""
    available = _number(meminfo, r"^MemAvailable:\s*(\d+) kB")
    free = [] if available is None else [available // 1024]
    old = root / "memory"  # version 1
    for limit, used, stat, cached in (
        (root / "memory.max", root / "memory.current", root / "memory.stat", r"^inactive_file (\d+)"),
        (
            old / "memory.limit_in_bytes",
            old / "memory.usage_in_bytes",
            old / "memory.stat",
            r"^total_inactive_file (\d+)",
        ),
    ):
        most, taken = _number(limit, r"^(\d+)"), _number(used, r"^(\d+)")
        if most is not None and taken is not None:  # files that are only cached can go at any time
            free.append(max(0, most - taken + (_number(stat, cached) or 0)) // 2**20)
    return min(free) if free else None


def _number(path: Path, pattern: str) -> int | None:
    try:
        found = re.search(pattern, path.read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) if found else None
