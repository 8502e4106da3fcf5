"""A folder in which a job makes its files, gone when it ends, and swept when it could not clear up itself."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from melisma.core.errors import NoRoom, OutputError, StoreError
from melisma.server.context import Context
from melisma.store.service.files import Incoming, for_want_of_room

_ABANDONED_S = 24 * 3600  # longer than any job of ours runs
_BLOCK = 1 << 20  # bytes
_FULL = "there is no room on the service's disk"


@contextlib.contextmanager
def workplace(context: Context) -> Iterator[Path]:
    """Make a folder below the data folder; what workers that were killed have left there goes first.

    Raises
    ------
    StoreError
        If it cannot be made; NoRoom where that, or anything within the block, fails because the disk is full.
    """
    root = context.settings.data / "work"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(root)
        folder = tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True)
    except OSError as error:
        if for_want_of_room(error):
            raise NoRoom(_FULL) from error
        raise StoreError(f"the service's files cannot be written now: {error.strerror or error}") from error
    with folder as name:
        try:
            yield Path(name)
        except (OSError, OutputError) as error:
            if for_want_of_room(error):
                raise NoRoom(_FULL) from error
            raise


@contextlib.contextmanager
def copied(context: Context, path: Path) -> Iterator[Incoming]:
    """Copy a file to where it has only to be given its name; it is gone after the block unless it was kept.

    Raises
    ------
    StoreError
        If nothing can be written; NoRoom where the disk is full.
    """
    with path.open("rb") as file, context.files.incoming() as coming:
        while data := file.read(_BLOCK):
            coming.write(data)
        coming.settle()
        yield coming


def _sweep(root: Path) -> None:
    before = time.time() - _ABANDONED_S
    for path in root.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                shutil.rmtree(path, ignore_errors=True)
