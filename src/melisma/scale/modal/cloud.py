"""Who does orders and keeps files: what is asked of Modal, and of the rehearsal of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from melisma.core.errors import MelismaError
from melisma.scale.modal.orders import Order, Report


class CallLost(Exception):
    """A container ended before its call did; the message says how."""


class CallTimedOut(CallLost):
    """A call took longer than it was given."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What containers of a stage are given.

    Parameters
    ----------
    cpus : float
        Cores.
    memory_mb : int, optional
        Memory.
    gpu : str, optional
        Kind of GPU.
    timeout_s : float
        When a call is ended, in seconds.
    workers : int
        How many containers there are at most.
    """

    cpus: float
    memory_mb: int | None
    gpu: str | None
    timeout_s: float
    workers: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a volume: its path there, bytes, and when it was written in seconds since 1970."""

    path: str
    size: int
    mtime: float


class Store(Protocol):
    """A volume as it is seen from outside: what is committed."""

    def upload(self, files: Sequence[tuple[Path | bytes, str]]) -> None:
        """Write files, or bytes, to paths of the volume, in place of what is there; visible when it returns."""

    def files(self, folder: str) -> Iterator[Entry]:
        """Yield the files in a folder and those in it; none if there is no such folder."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield what a file holds; FileNotFoundError if there is none."""

    def remove(self, path: str) -> None:
        """Remove a file or folder, if it is there."""


class Call(Protocol):
    """An order under way."""

    @property
    def id(self) -> str:
        """What it is found by again."""

    def result(self) -> Report:
        """Wait for it; CallLost or CallTimedOut if it ended without one."""

    def cancel(self) -> None:
        """End it."""


class Cloud(Protocol):
    """Does orders."""

    @property
    def same_disk(self) -> bool:
        """Whether containers see the files of this machine beside the volume."""

    @property
    def mount(self) -> str:
        """Where containers see the volume."""

    @property
    def store(self) -> Store:
        """The volume."""

    def start(self, order: Order, needs: Needs) -> Call:
        """Have an order done."""

    def attach(self, id: str) -> Call:
        """Return a call that was started before, by whomever."""

    def close(self) -> None:
        """Let go of everything; calls that were not cancelled go on where they can."""


class CloudError(MelismaError):
    """Modal cannot be used: it is out of reach, does not know the caller, or has no such app."""
