"""A removal carried out, taken back, or made final; killed at any moment it goes on from there.

ROOT/.removed/1/removal.json    what was asked and when
ROOT/.removed/1/files/…         what was taken out, at its old path
ROOT/.removed/1/new/…           what takes its place, until it does
ROOT/.removed/1/out.jsonl       the moves out of the corpus, in.jsonl those into it
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, write_atomically
from melisma.data import moves
from melisma.data.moves import Move
from melisma.data.removal import journals
from melisma.data.removal.choose import Gone, Table
from melisma.data.removal.lines import QUARANTINE
from melisma.data.removal.models import Trained
from melisma.data.removal.plan import Plan, names_of
from melisma.data.report import Problem
from melisma.models.package import REMOVED

SCHEMA = "melisma.removed/1"
_RECORD, _FILES, _NEW, _OUT, _IN, _PURGED = "removal.json", "files", "new", "out.jsonl", "in.jsonl", "purged.json"


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other removals out of a folder.

    Raises
    ------
    InputError
        If one is at work in it.
    """
    from filelock import FileLock, Timeout

    make_folder(root / QUARANTINE)
    try:
        with FileLock(root / QUARANTINE / "lock", timeout=0):
            yield
    except Timeout:
        raise InputError(f"another removal is at work in {root}") from None


def carry_out(plan: Plan) -> tuple[Path, tuple[Problem, ...]]:
    """Take out what a plan names; return the folder that undoes it, and what could not be moved.

    Raises
    ------
    OutputError
        If something cannot be written; `resume` brings what was begun to its end.
    """
    folder = _free(plan.root / QUARANTINE)
    make_folder(folder / _NEW)
    names = names_of(plan.gone, {os.path.realpath(path) for path in plan.files})
    with _as_output(folder):
        for path in plan.manifests:
            _rewrite(plan.gone.tables[path], _place(folder / _NEW, path, plan.root))
        for path in plan.journals:
            journals.copy_without(path, _place(folder / _NEW, path, plan.root), names)
        for path in plan.archives:
            journals.write_archive(path, _place(folder / _NEW, path, plan.root), plan.gone)
        for model in plan.models:
            _mark(model, _place(folder / _NEW, model.folder / REMOVED, plan.root), plan.gone)
    record = {
        "schema": SCHEMA,
        "at": _now(),
        **plan.gone.selection.as_dict(),
        "removed_sources": sorted(plan.gone.sources),
    }
    write_atomically(folder / _RECORD, (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
    going = [*plan.files, *plan.manifests, *_with_wal(plan.journals), *plan.archives]
    going += [model.folder / REMOVED for model in plan.models]
    paths = dict.fromkeys(path.relative_to(plan.root) for path in going if os.path.lexists(path))
    at = folder.relative_to(plan.root) / _FILES
    out = moves.Plan("data remove", plan.root, [Move(path, at / path) for path in paths])
    problems = moves.apply(out, folder / _OUT).problems
    problems += _bring_in(plan.root, folder)
    _clear_empty(plan.root, [plan.root / path for path in paths])
    return folder, problems


def unfinished(root: Path) -> list[Path]:
    """Return the folders of removals that were killed while they moved files."""
    return [folder for folder in _folders(root) if (folder / _OUT).exists() and not _is_done(folder)]


def resume(root: Path) -> list[Path]:
    """Bring removals that were killed to their end; return their folders.

    One that had not begun to move anything is forgotten: nothing has happened.
    """
    for folder in _folders(root):
        if not (folder / _OUT).exists() and not _is_done(folder):
            shutil.rmtree(folder)
    done = unfinished(root)
    for folder in done:
        moves.finish(folder / _OUT, [root])
        _bring_in(root, folder)
    return done


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in (root / QUARANTINE).glob("*") if path.name.isdecimal() and path.is_dir())


def _is_done(folder: Path) -> bool:
    """Whether nothing is left to do: all is moved, or was being brought back, or is purged."""
    if (folder / _PURGED).exists() or any((folder / f"{name}.undone").exists() for name in (_IN, _OUT)):
        return True
    return (folder / _IN).exists() and '"done"' in (folder / _IN).read_text(encoding="ascii")


def undo(folder: Path) -> tuple[Problem, ...]:
    """Put everything back where it was; may be called again after a crash.

    Raises
    ------
    InputError
        If it is no folder of a removal, or the removal was made final.
    """
    check(folder)
    problems: tuple[Problem, ...] = ()
    if (folder / _IN).exists():
        problems += moves.undo(folder / _IN, folders=[folder.parents[1]]).problems
    if not problems and (folder / _OUT).exists():
        problems += moves.undo(folder / _OUT, folders=[folder.parents[1]]).problems
    if not problems:
        shutil.rmtree(folder)
    return problems


def purge(folder: Path) -> tuple[int, int]:
    """Delete for good what a removal took out, and what the cache of alignments knows of it; return files and bytes.

    What stays is `purged.json`, which says what was asked and when.

    Raises
    ------
    InputError
        If it is no folder of a removal.
    """
    check(folder)
    record = json.loads((folder / _RECORD).read_bytes())
    files = [path for path in (folder / _FILES).rglob("*") if path.is_file()]
    n_bytes = sum(path.lstat().st_size for path in files)
    n_cached = _forget(files)
    with _as_output(folder):
        for name in (_FILES, _NEW):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        said = {**record, "purged_at": _now(), "files": len(files), "bytes": n_bytes, "cached_sounds": n_cached}
        write_atomically(folder / _PURGED, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))
        for name in (_OUT, _IN, _RECORD):
            (folder / name).unlink(missing_ok=True)
    return len(files), n_bytes


def check(folder: Path) -> None:
    """Refuse what is no folder of a removal.

    Raises
    ------
    InputError
        With what it is instead.
    """
    if (folder / _PURGED).exists():
        raise InputError(f"{folder} was purged: what it held is gone for good")
    if folder.parent.name != QUARANTINE or not (folder / _RECORD).is_file():
        raise InputError(f"{folder} is no removal: name the folder that `data remove --apply` printed")


def _bring_in(root: Path, folder: Path) -> tuple[Problem, ...]:
    """Move what takes the place of what was taken out."""
    if (folder / _IN).exists():
        return moves.finish(folder / _IN, [root]).problems
    new = folder / _NEW
    found = sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file())
    at = new.relative_to(root)
    return moves.apply(
        moves.Plan("data remove", root, [Move(at / path, path) for path in found]), folder / _IN
    ).problems


def _rewrite(table: Table, target: Path) -> None:
    """Write a manifest without what goes; the lines that stay are the same to the byte."""
    with table.manifest.open("rb") as source, target.open("xb") as file:
        lines = (raw for raw in source if raw.strip())
        for raw, goes in zip(lines, table.going, strict=True):  # it has as many lines as when it was looked at
            if not goes:
                file.write(raw if raw.endswith(b"\n") else raw + b"\n")


def _mark(model: Trained, target: Path, gone: Gone) -> None:
    """Write beside a model that it was trained on what is not there any more; earlier marks stay."""
    earlier: list[Any] = []
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        kept = json.loads((model.folder / REMOVED).read_bytes()).get("removals")
        earlier = kept if isinstance(kept, list) else []
    said = {"at": _now(), **gone.selection.as_dict(), "sources": sorted(gone.sources), "why": model.why}
    text = json.dumps({"schema": SCHEMA, "removals": [*earlier, said]}, ensure_ascii=False, indent=1) + "\n"
    target.write_text(text, encoding="utf-8")


def _forget(files: list[Path]) -> int:
    """Have the cache of alignments forget recordings; return how many it knew."""
    from melisma.audio.decode import SOUND_VERSION
    from melisma.store.cache import open_cache
    from melisma.store.keys import mark_file

    cache = open_cache()
    if cache is None:
        return 0
    known = 0
    with cache:
        for mark in (mark for path in files if (mark := mark_file(path)) is not None):
            sound = cache.sound_of(mark.content, SOUND_VERSION)
            if sound:
                cache.forget(mark.content, SOUND_VERSION, [sound])
                known += 1
    return known


def _free(folder: Path) -> Path:
    number = 1
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)


def _place(new: Path, path: Path, root: Path) -> Path:
    target = new / path.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _with_wal(found: list[Path]) -> list[Path]:
    return [Path(f"{path}{end}") for path in found for end in ("", "-wal", "-shm")]


def _clear_empty(root: Path, paths: list[Path]) -> None:
    for folder in sorted({path.parent for path in paths}, reverse=True):
        with suppress(OSError):
            while folder != root:
                folder.rmdir()
                folder = folder.parent


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _as_output(folder: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InputError(f"a manifest changed while it was read: nothing was moved ({error})") from error
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror or error}") from error
