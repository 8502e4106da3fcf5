"""Stages for tests of executors: a module that processes of theirs can import."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError
from melisma.core.files import sha256_of, write_atomically

PATIENCE_S = 300.0  # for what another process is to do


class Named:
    """A stage's name, and a configuration that says nothing."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    def configuration(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Sleep(Named):
    """Sleeps as long as an item says, in milliseconds, or a millisecond for each byte of a file; notes that it did."""

    told: str

    def __call__(self, item: object) -> int:
        if item == "bad":
            raise InputError("a bad item")
        ms = item if isinstance(item, int) else Path(str(item)).stat().st_size
        time.sleep(ms / 1000)
        with Path(self.told).open("a", encoding="utf-8") as file:
            file.write(f"{item}\n")
        return 2 * ms


@dataclass(frozen=True, slots=True)
class Broken(Named):
    """Fails by a fault of the program."""

    def __call__(self, item: str) -> float:
        return float(item)


@dataclass(frozen=True, slots=True)
class Shout(Named):
    """Writes a text file in capital letters to a folder; tells where, and the file's hash.

    Whatever it begins is noted in `told`, which lies on the disk that all share. A text that says "wait" is written in
    halves; between them it waits for the file `go` beside `told`.
    """

    out: str
    told: str

    def configuration(self) -> str:
        return self.out

    def __call__(self, item: str) -> dict[str, str]:
        text = Path(item).read_text(encoding="utf-8").upper()
        target = Path(self.out, Path(item).name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if "WAIT" in text:
            target.write_text(text[: len(text) // 2], encoding="utf-8")
        note(self.told, Path(item).name)
        if "WAIT" in text:
            wait_for(Path(self.told).with_name("go"))
        if "REFUSE" in text:
            raise InputError(f"{item} is refused")
        write_atomically(target, text.encode())
        return {"path": str(target), "sha256": sha256_of(target), "name": target.name}


def note(path: str, line: str) -> None:
    """Add a line to a file that others write, too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def noted(path: Path) -> list[str]:
    """Return the lines of such a file; none if nobody wrote one."""
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def wait_for(path: Path) -> None:
    """Wait until somebody makes a file."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"nobody made {path}")
        time.sleep(0.02)
