"""Engines switched on and off while programs run: a small file that is read again whenever it changes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, write_atomically
from melisma.pipeline.log import logger

_Stamp = tuple[int, int, int]
_LOCK_S = 5.0  # changes take milliseconds: who holds the lock for longer is stuck


class Flags:
    """The switches that one file holds: a table `engines` of names that are true or false.

    A TOML file, or JSON if its name ends in `.json`; an engine that it does not name is on, and so are all while there
    is no such file. What is broken from the beginning is an InputError; a file that is damaged later leaves the
    switches as they were, and is logged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: _Stamp | None = None
        self._switches: Mapping[str, bool] | None = None

    def off(self, name: str) -> bool:
        """Whether an engine is switched off at this moment."""
        return not self.switches().get(name, True)

    def switches(self) -> Mapping[str, bool]:
        """Return what the file says now."""
        stamp = _stamp(self.path)
        if self._switches is not None and stamp == self._stamp:
            return self._switches
        try:
            self._switches = read(self.path) if stamp else {}
        except InputError as error:
            if self._switches is None:
                raise
            logger().warning("flags", fallback_reason=f"the switches stay as they were: {error}")
        self._stamp = stamp
        return self._switches

    def switch(self, name: str, on: bool) -> None:
        """Write into the file that an engine is on or off; comments in it are lost.

        Raises
        ------
        InputError
            If the file holds something else.
        OutputError
            If it cannot be written.
        """
        path = self.path
        make_folder(path.parent)
        try:
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_S):
                switches = {**(read(path) if path.exists() else {}), name: on}
                write_atomically(path, _dumped(path, switches))
        except (OSError, Timeout) as error:
            raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


@cache
def flags_at(path: Path) -> Flags:
    """Return the switches of a file, one object in a process."""
    return Flags(path)


def read(path: Path) -> dict[str, bool]:
    """Read the switches of a file.

    Raises
    ------
    InputError
        If it is no TOML or JSON, or holds anything else.
    """
    from melisma.core.toml_files import read_tables  # not where there is no such file: it takes a while

    tables = _json(path) if path.suffix == ".json" else read_tables(path, "flags")
    strange = sorted(set(tables) - {"engines"})
    if strange:
        raise InputError(f"{path} holds {strange[0]!r}: there is only a table engines, of names that are true or false")
    switches = tables.get("engines", {})
    if not isinstance(switches, dict) or any(not isinstance(on, bool) for on in switches.values()):
        raise InputError(f"{path}: engines is a table of names that are true or false")
    return switches


def _dumped(path: Path, switches: Mapping[str, bool]) -> bytes:
    if path.suffix == ".json":
        return (json.dumps({"engines": dict(switches)}, indent=1) + "\n").encode()
    # A JSON string is a TOML string, and so are its true and false.
    rows = [f"{json.dumps(name)} = {json.dumps(on)}" for name, on in sorted(switches.items())]
    return "\n".join(["[engines]", *rows, ""]).encode()


def _json(path: Path) -> dict[str, Any]:
    try:
        tables = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read the flags {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error
    if not isinstance(tables, dict):
        raise InputError(f"{path} is no JSON object")
    return tables


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read the flags {path}: {error.strerror or error}") from error
    return status.st_mtime_ns, status.st_size, status.st_ino
