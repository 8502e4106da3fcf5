"""Checkpoints of a Whisper training: folders that are whole or not there, listed with the hashes of their files.

`checkpoint-N` holds what transformers and accelerate need to go on after step N (weights or adapters, optimiser,
scheduler, scaler, random states) and `progress.json`, what only this loop knows. It is written under another name,
flushed to the disk, and renamed; older ones go after that. So a kill at any moment leaves the last whole one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, sha256_of, write_atomically

FOLDER, PROGRESS, LISTED = "checkpoints", "progress.json", "files.json"
_NAME = re.compile(r"checkpoint-(\d{1,12})")
_PARTIAL, _OLD = ".partial-", ".old-"
_LARGEST = 1 << 26  # bytes of a list or of what a training knows


def path_of(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step lies."""
    return run / FOLDER / f"checkpoint-{step}"


def partial_of(run: Path, step: int) -> Path:
    """Return where the checkpoint of a step is written before it is whole."""
    return run / FOLDER / f"{_PARTIAL}{step}"


def found(run: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints of a training by step, whole or damaged; those that were being written are none."""
    folder = run / FOLDER
    named = [(_NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*") if path.is_dir()]
    return sorted((int(match[1]), path) for match, path in named if match)


def begin(run: Path, step: int) -> Path:
    """Return an empty folder to write the checkpoint of a step into.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    partial = partial_of(run, step)
    _remove(partial)
    make_folder(partial)
    return partial


def finish(run: Path, step: int, progress: dict[str, Any]) -> Path:
    """Make what was written a checkpoint: list its files, flush all of it, and give it its name.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    partial, final = partial_of(run, step), path_of(run, step)
    try:
        _write(partial / PROGRESS, progress)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        listed = {
            path.relative_to(partial).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            for path in files
        }
        _write(partial / LISTED, {"step": step, "files": listed})
        for path in (*files, partial / LISTED, partial):
            _flush(path)
        if final.exists():  # a damaged one of a step that was taken again
            old = final.with_name(f"{_OLD}{step}")
            _remove(old)
            os.rename(final, old)
        os.rename(partial, final)
        _flush(final.parent)
    except OSError as error:
        raise OutputError(f"cannot write the checkpoint {final}: {error.strerror or error}") from error
    _remove(final.with_name(f"{_OLD}{step}"))
    return final


def prune(run: Path, keep: int, best: int) -> None:
    """Remove older checkpoints, but not the best one, and what a killed training had half written."""
    older = [path for step, path in found(run)[:-keep] if step != best]
    for path in (*older, *(run / FOLDER).glob(f"{_PARTIAL}*"), *(run / FOLDER).glob(f"{_OLD}*")):
        _remove(path)


def last(run: Path, tell: Callable[[str], None] = lambda _: None) -> tuple[int, Path] | None:
    """Return the last whole checkpoint; None if there is none at all.

    Parameters
    ----------
    run : Path
        Folder of the training.
    tell : callable
        Told of one that is passed over because it is damaged.

    Raises
    ------
    InputError
        If there are some and all are damaged.
    """
    damaged = ""
    for step, path in reversed(found(run)):
        why = fault(path)
        if not why:
            return step, path
        damaged = damaged or f"{path}: {why}"
        tell(f"{path.name} is damaged ({why}): going back to an earlier one")
    if damaged:
        raise InputError(f"no checkpoint of {run} is whole; of the last one, {damaged}")
    return None


def fault(path: Path) -> str:
    """Say what is wrong with a checkpoint by its list; empty if nothing is."""
    try:
        files = read(path / LISTED)["files"]
        for name, facts in files.items():
            file = path / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                return "its list names files of other folders"
            if not file.is_file() or file.stat().st_size != int(facts["bytes"]):
                return f"{name} is not whole"
            if sha256_of(file) != facts["sha256"]:
                return f"{name} is not what was written"
    except InputError as error:
        return str(error)
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return "it has no list of its files"
    return "" if PROGRESS in files else f"it has no {PROGRESS}"


def read(path: Path) -> dict[str, Any]:
    """Read a JSON object that a training has written.

    Raises
    ------
    InputError
        If it is not there or holds something else.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path} is too large to be what a training wrote")
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it is no JSON") from error
    if not isinstance(said, dict):
        raise InputError(f"{path} is damaged: it holds no JSON object")
    return said


def _write(path: Path, said: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))


def _flush(path: Path) -> None:
    """Have a file or the names in a folder on the disk, where the system can."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    """Remove a folder so that a kill in between leaves none that looks whole."""
    if not path.exists():
        return
    hidden = path if path.name.startswith(".") else path.with_name(f"{_OLD}{path.name}")
    if hidden != path:
        shutil.rmtree(hidden, ignore_errors=True)
        os.rename(path, hidden)
    shutil.rmtree(hidden, ignore_errors=True)
