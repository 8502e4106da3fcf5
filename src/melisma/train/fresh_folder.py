"""A folder that is there whole or not at all, whatever becomes of the process that fills it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from melisma.core.errors import OutputError

# Held by the process that fills a hidden folder; the system lets go of it when that process ends, by a kill too.
_LOCK = ".lock"
_RANDOM = "[a-z0-9_]{8}"  # what tempfile puts after a prefix


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """Give a hidden folder beside `out` to fill, which takes its place if all goes well and is gone if not.

    Hidden files of `out`, such as the marks of a release, are taken along. Hidden folders of earlier runs that were
    killed are cleared away; those of runs that go on are left alone.

    Raises
    ------
    OutputError
        If `out` holds anything else, at the beginning or at the end, or cannot be made.
    """
    try:
        _check_free(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_killed(out)
        folder, lock = _begin(out)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    try:
        yield folder
        _check_free(out)  # another run may have been faster
        _put_in_place(folder, out)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(not one.name.startswith(".") for one in out.iterdir())):
        raise OutputError(f"{out} is in use already: remove it, or name another folder")


def _prefix(out: Path) -> str:
    return f".{out.name}.making-"


def _begin(out: Path) -> tuple[Path, int]:
    """Make a hidden folder and lock it; return it and the descriptor that holds the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(out), dir=out.parent))
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileNotFoundError:
            continue  # another run has cleared it away before it was locked
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(folder / _LOCK)):
                return folder, lock
        except (BlockingIOError, FileNotFoundError):
            pass  # another run is clearing it away, or has done so
        except OSError:
            return folder, lock  # no locks on this file system: nobody will clear it away
        os.close(lock)


def _clear_killed(out: Path) -> None:
    """Remove the hidden folders of runs with the same aim that nobody holds."""
    ours = re.compile(re.escape(_prefix(out)) + _RANDOM)
    for folder in out.parent.iterdir():
        if not ours.fullmatch(folder.name):
            continue
        try:
            with open(folder / _LOCK, "r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)  # killed before it was locked, or while it was being cleared
        except OSError:
            continue  # held by a process that lives


def _put_in_place(folder: Path, out: Path) -> None:
    folder.chmod(0o755)
    if out.exists():
        # A run that was killed right after this function's last rename left its lock; it must not replace ours.
        (out / _LOCK).unlink(missing_ok=True)
        for one in out.iterdir():
            one.rename(folder / one.name)
        out.rmdir()
    folder.rename(out)
    (out / _LOCK).unlink()
