"""What is done already, and what was fetched, cleared of what goes."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError
from melisma.data.fetching.archive import Archive
from melisma.data.fetching.protocol import Fate
from melisma.data.removal.choose import Gone


def holds(path: Path, names: frozenset[str]) -> bool:
    """Tell whether a stage's journal holds an outcome of something; False for what is no journal.

    Raises
    ------
    InputError
        If a run is at work with it.
    """
    try:
        with closing(_open(path)) as file:
            return any(_is_of(key, value, names) for key, value in file.execute("select key, value from outcome"))
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise InputError(f"a run is at work with {path}: wait until it is done") from error
        return False
    except sqlite3.DatabaseError:
        return False


def copy_without(path: Path, target: Path, names: frozenset[str]) -> int:
    """Copy a journal to a new file without the outcomes of what goes; return how many those are."""
    with closing(_open(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("pragma journal_mode = delete")
        rows = copy.execute("select key, value from outcome").fetchall()
        keys = [(key,) for key, value in rows if _is_of(key, value, names)]
        copy.executemany("delete from outcome where key = ?", keys)
        copy.commit()
        copy.execute("vacuum")  # what is deleted is not in the file any more
        return len(keys)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)


def _is_of(key: str, value: str, names: frozenset[str]) -> bool:
    # Most stages call a task by the path of a recording, from a folder that nobody knows here, some with a number
    # behind: what is of another file of that name is made once more.
    called = os.path.basename(key)
    if not names.isdisjoint((key, called, called.rpartition(" ")[0])):
        return True
    try:
        return any(text in names for text in strings(json.loads(value)))
    except (ValueError, RecursionError, TypeError):
        return False


def strings(value: Any) -> Iterator[str]:
    """Yield every text in plain values, names of fields among them."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each


def archive_holds(path: Path, gone: Gone) -> bool:
    """Tell whether an archive of fetched recordings would let something be taken for fetched that goes."""
    return any(True for _ in _archived(path, gone))


def _archived(path: Path, gone: Gone) -> Iterator[tuple[int, dict[str, Any]]]:
    Archive(path)  # a damaged one is an error here, with its line
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        said = json.loads(line) if line.startswith("{") else {}
        known = {said.get("id", ""), *said.get("addresses", ())}
        if known & (gone.ids.keys() | gone.sources) and said.get("fate") != Fate.REMOVED:
            yield number, said


def write_archive(path: Path, target: Path, gone: Gone) -> int:
    """Copy an archive; what goes is remembered in it as removed, so that it is never fetched again."""
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = 0
    for number, said in _archived(path, gone):
        said = {name: value for name, value in said.items() if name in ("key", "addresses")}
        said |= {"fate": Fate.REMOVED.value, "reason": "it was removed from the corpus: melisma data remove"}
        lines[number] = json.dumps(said, ensure_ascii=False)
        changed += 1
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return changed
