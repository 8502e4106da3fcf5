"""Where a command writes: refused before any work is done if it cannot write there, or would write over its input."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from melisma.core.errors import InputError, OutputError


def check(read: Iterable[Path], *written: Path | None) -> None:
    """Look at the files that a command is to write.

    Parameters
    ----------
    read : iterable of Path
        What it reads; it need not be there.
    *written : Path or None
        Files that it writes; None is one that is not asked for.

    Raises
    ------
    InputError
        If one of them is what is read, or two are one file.
    OutputError
        If one of them is a folder, or lies where no folder can be.
    """
    sources = {os.path.realpath(path): path for path in read}
    seen: dict[str, Path] = {}
    for path in written:
        if path is None:
            continue
        real = os.path.realpath(path)
        source = next((name for name in sources if name == real or _same(name, real)), None)
        if os.path.isdir(real):
            raise OutputError(f"cannot write {path}: it is a folder")
        if source is not None:
            raise InputError(f"{path} is what is read: choose another output")
        if real in seen and not _is_device(real):
            raise InputError(f"{path} would be written twice: choose another file for one of the outputs")
        seen[real] = path
        _check_folder(path)


def beside(path: Path, name: str) -> Path:
    """Return a path beside a file that is to be written; OutputError if it names a folder, as `.` and `/` do."""
    if not path.name:
        raise OutputError(f"cannot write {path}: it is a folder")
    return path.with_name(name)


def _same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _is_device(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def _check_folder(path: Path) -> None:
    """Refuse a file whose folder is not there and cannot be made."""
    for folder in path.absolute().parents:
        if os.path.lexists(folder):
            if not os.path.isdir(folder):
                raise OutputError(f"cannot write {path}: {folder} is no folder")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputError(f"cannot write {path}: nothing may be written in {folder}")
            return
