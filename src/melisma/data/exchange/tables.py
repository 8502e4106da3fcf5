"""Folders that are written whole or not at all, tables sorted as Kaldi wants them, and links to recordings."""

from __future__ import annotations

import heapq
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from melisma.core.errors import InputError, OutputError

_AT_ONCE = 100_000  # lines sorted in memory


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a new folder to be filled, which takes the name `out` at the end; nothing of it is left after an error.

    Raises
    ------
    InputError
        If there is something under that name already, but for an empty folder.
    OutputError
        If it cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out} is there already: remove it, or choose another folder")
    made = out.with_name(f".{out.name[:100]}.{secrets.token_hex(4)}")
    try:
        made.mkdir(parents=True)
        yield made
        os.replace(made, out)  # an empty folder gives way
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write_table(path: Path, rows: Iterable[tuple[str, str]]) -> int:
    """Write `key value` lines, sorted by the bytes of key and value, in the memory of 100,000; return how many."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".sort-") as folder, ExitStack() as opened:
        runs: list[Path] = []
        remaining = iter(rows)
        while lines := sorted(f"{key} {value}\n" for key, value in islice(remaining, _AT_ONCE)):
            runs.append(Path(folder, str(len(runs))))
            runs[-1].write_text("".join(lines), encoding="utf-8", newline="\n")
        files = [opened.enter_context(run.open(encoding="utf-8", newline="\n")) for run in runs]
        n = 0
        if files:
            with path.open("w", encoding="utf-8", newline="\n") as file:
                for line in heapq.merge(*files):
                    file.write(line)
                    n += 1
        return n


def link(recording: Path, place: Path) -> None:
    """Let a name in a folder stand for a recording that lies elsewhere; InputError if there is none."""
    if not recording.is_file():
        raise InputError(f"there is no recording {str(recording)!a}")
    place.symlink_to(os.path.realpath(recording))
