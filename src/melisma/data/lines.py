"""Files written line by line, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from melisma.core.errors import OutputError

_ENDING = re.compile(r"[0-9a-f]{8}")


def partial_of(target: Path) -> Path:
    """Return where a file is written until it is whole, and clear away what runs that were killed have left there.

    What `hold` marks is left alone: the run that writes it is alive.

    Raises
    ------
    OSError
        If its folder cannot be read.
    """
    stem = f".{target.name[:100]}."
    with os.scandir(target.parent) as there:
        for each in there:
            if each.name.startswith(stem) and _ENDING.fullmatch(each.name[len(stem) :]):
                with suppress(OSError), open(each.path, "rb") as left:  # held, or gone
                    fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    Path(each.path).unlink(missing_ok=True)
    return target.with_name(stem + secrets.token_hex(4))


def hold(file: IO[Any]) -> None:
    """Mark a file as one that is being written, until it is closed or its process ends."""
    with suppress(OSError):  # where the file system knows no locks
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


@contextmanager
def writing(path: Path) -> Iterator[Callable[[str], object]]:
    """Offer a function that adds a line to a file, which is there once the block has ended without an error.

    Raises
    ------
    OutputError
        If it cannot be written; what stood there before stays then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = Path(os.path.realpath(path))
        partial = partial_of(target)
        file = partial.open("x", encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        with file:
            hold(file)
            yield lambda line: _write(file.write, line + "\n", path)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        if error.filename in (str(partial), None):
            raise _refusal(path, error) from error
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write(write: Callable[[str], int], text: str, path: Path) -> None:
    try:
        write(text)
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")
