"""Files set aside, so that they can be put back: a plan that is written down whole before the first file is moved.

    {"schema": "melisma.moves/1", "command": "data dedupe", "root": ".."}
    {"from": "a/song (1).mp3", "to": "duplicates/a/song (1).mp3"}
    {"done": true}

Paths are relative to the root, the root to the journal's folder: both may be moved together. A run that was killed has
no last line; `finish` does the rest, `undo` takes back what was done. Nothing is ever written over.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import InputError, OutputError
from melisma.core.files import make_folder, write_atomically
from melisma.data.report import Problem
from melisma.scale.protocol import Progress

SCHEMA = "melisma.moves/1"
PATTERN = "moves-*.jsonl"


@dataclass(frozen=True, slots=True)
class Move:
    """A file and where it goes, both relative to the root of the plan."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Files of one folder that are set aside within it.

    Parameters
    ----------
    command : str
        Who sets them aside.
    root : Path
        The folder that holds all sources and targets.
    moves : sequence of Move
    """

    command: str
    root: Path
    moves: Sequence[Move]


@dataclass(frozen=True, slots=True)
class Done:
    """How many files were moved, and what could not be: gone, or somebody else's file in its place."""

    n_moved: int
    problems: tuple[Problem, ...] = ()


class _Head(BaseModel):
    model_config = ConfigDict(extra="ignore")

    schema_: Literal["melisma.moves/1"] = Field(alias="schema")
    command: str = ""
    root: str


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")

    source: str = Field(alias="from")
    target: str = Field(alias="to")


def free_journal(folder: Path) -> Path:
    """Return a path in a folder for the next journal: `moves-1.jsonl`, then `moves-2.jsonl`."""
    number = 1
    while any((folder / f"moves-{number}.jsonl{end}").exists() for end in ("", ".undone")):
        number += 1
    return folder / f"moves-{number}.jsonl"


def journals(folder: Path) -> list[Path]:
    """Return the journals in a folder that were not undone, the oldest first."""
    found = [path for path in folder.glob(PATTERN) if path.stem.removeprefix("moves-").isdecimal()]
    return sorted(found, key=lambda path: int(path.stem.removeprefix("moves-")))


def apply(plan: Plan, journal: Path, progress: Progress | None = None) -> Done:
    """Write a plan down, then move its files.

    Parameters
    ----------
    plan : Plan
    journal : Path
        A new file; `undo` takes it.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If a file is missing, a place is taken or named twice, a path leads out of the root, or the journal exists;
        nothing has been moved then.
    OutputError
        If the journal cannot be written.
    """
    _check(plan)
    if journal.exists():
        raise InputError(f"{journal} is there already: it tells how to put files back, and is not written over")
    make_folder(journal.parent)
    root = os.path.relpath(os.path.realpath(plan.root), os.path.realpath(journal.parent))
    head: dict[str, Any] = {"schema": SCHEMA, "command": plan.command, "root": root}
    lines = [head, *({"from": str(move.source), "to": str(move.target)} for move in plan.moves)]
    # ASCII: a name that is not UTF-8 comes back as it was.
    write_atomically(journal, "".join(json.dumps(line) + "\n" for line in lines).encode("ascii"))
    _settle(journal)
    return _carry_out(plan, journal, progress)


def read(journal: Path) -> Plan:
    """Read a plan back.

    Raises
    ------
    InputError
        If it is no such journal, or a path in it leads out of its root.
    """
    return _read(journal)[0]


def finish(journal: Path, folders: Iterable[Path], progress: Progress | None = None) -> Done:
    """Do what a run that was killed has left of its plan; nothing where it was done.

    Parameters
    ----------
    journal : Path
        Nobody has named it: it lay where the next run looks, and may have come with a corpus of strangers.
    folders : iterable of Path
        Where files may be taken from and put.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If it is no such journal, or names a file in none of the folders; nothing has been moved then.
    """
    plan, done = _read(journal)
    if done:
        return Done(0)
    _check_among(plan, journal, folders)
    return _carry_out(plan, journal, progress)


def undo(journal: Path, progress: Progress | None = None, *, folders: Iterable[Path] | None = None) -> Done:
    """Put files back where they came from; the journal is called `….undone` afterwards if all are back.

    May be called again after a crash, or after a place that was taken has been freed.

    Raises
    ------
    InputError
        If it is no such journal, or `folders` are given and it names a file in none of them.
    """
    plan, _ = _read(journal)
    if folders is not None:
        _check_among(plan, journal, folders)
    back = [Move(move.target, move.source) for move in reversed(plan.moves)]
    done = _move_all(Plan(plan.command, plan.root, back), progress)
    if not done.problems:
        os.replace(journal, journal.with_name(f"{journal.name}.undone"))
    for folder in sorted({plan.root / move.target.parent for move in plan.moves}, reverse=True):
        _remove_empty(folder, plan.root)
    return done


def _carry_out(plan: Plan, journal: Path, progress: Progress | None) -> Done:
    done = _move_all(plan, progress)
    try:
        with journal.open("ab") as file:
            file.write(b'{"done": true}\n')
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"cannot write {journal}: {error.strerror or error}") from error
    return done


def _read(journal: Path) -> tuple[Plan, bool]:
    try:
        rows = [line for line in journal.read_text(encoding="ascii").splitlines() if line.strip()]
        head = _Head.model_validate(json.loads(rows[0]))
        said = [json.loads(row) for row in rows[1:]]
        done = bool(said) and "done" in said[-1]
        moves = [_Line.model_validate(each) for each in said if "done" not in each]
    except OSError as error:
        raise InputError(f"{journal}: {error.strerror or error}") from error
    except (ValueError, ValidationError, IndexError, TypeError, RecursionError) as error:
        raise InputError(f"{journal} is no journal of files that were moved") from error
    root = Path(os.path.normpath(journal.parent / head.root))
    plan = Plan(head.command, root, [Move(Path(each.source), Path(each.target)) for each in moves])
    for move in plan.moves:
        _check_inside(move.source, journal)
        _check_inside(move.target, journal)
    return plan, done


def _check_among(plan: Plan, journal: Path, folders: Iterable[Path]) -> None:
    known = {os.path.realpath(folder) for folder in folders}
    for move in plan.moves:
        for path in (plan.root / move.source, plan.root / move.target):
            parent = Path(os.path.realpath(path.parent))
            if known.isdisjoint(map(str, (parent, *parent.parents))):
                raise InputError(f"{journal} would move {path}, which is no file of this corpus: delete the journal")


def _check(plan: Plan) -> None:
    seen: set[Path] = set()
    root = os.path.realpath(plan.root)
    for move in plan.moves:
        for path in (move.source, move.target):
            _check_inside(path, plan.root)
            parent = os.path.realpath((plan.root / path).parent)  # a link among its folders may lead anywhere
            if os.path.commonpath([parent, root]) != root:
                raise InputError(f"{plan.root}: {str(path)!r} leads out of the folder")
        if not (plan.root / move.source).is_file():
            raise InputError(f"{plan.root / move.source} cannot be moved: there is no such file")
        if os.path.lexists(plan.root / move.target):
            raise InputError(f"{plan.root / move.target} is there already: nothing is written over")
        if move.source in seen or move.target in seen:
            raise InputError(f"{move.source} or {move.target} is named twice")
        seen |= {move.source, move.target}


def _check_inside(path: Path, where: Path) -> None:
    normal = os.path.normpath(path)
    if os.path.isabs(normal) or normal.split(os.sep)[0] == os.pardir or "\0" in normal:
        raise InputError(f"{where}: {str(path)!r} leads out of the folder")


def _move_all(plan: Plan, progress: Progress | None) -> Done:
    n_moved = 0
    problems = []
    for number, move in enumerate(plan.moves, 1):
        try:
            n_moved += _moved(plan.root / move.source, plan.root / move.target)
        except FileNotFoundError:
            problems.append(Problem(str(move.source), "gone", "it is neither at its old place nor at its new one"))
        except OSError as error:
            problems.append(Problem(str(move.source), "not moved", f"{move.target}: {error.strerror or error}"))
        if progress is not None:
            progress("move", number / len(plan.moves))
    for folder in {path.parent for move in plan.moves for path in (plan.root / move.source, plan.root / move.target)}:
        _settle(folder)
    return Done(n_moved, tuple(problems))


def _moved(source: Path, target: Path) -> bool:
    """Move a file without writing over another; tell whether there was something to do."""
    if not os.path.lexists(source):
        if os.path.lexists(target):
            return False  # done by the run that was killed
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)  # fails where something is there, which a rename does not
    except FileExistsError:
        if not os.path.samestat(source.lstat(), target.lstat()):
            raise
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        _copied(source, target)
    source.unlink()
    return True


def _copied(source: Path, target: Path) -> None:
    """Copy where a file cannot have two names: another file system, or one without links."""
    if os.path.lexists(target):
        if target.is_file() and target.stat().st_size == source.stat().st_size and _same(source, target):
            return  # by the run that was killed
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    partial = target.with_name(f".melisma-{secrets.token_hex(8)}")
    try:
        shutil.copy2(source, partial, follow_symlinks=False)
        if not partial.is_symlink():
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        os.rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as a, other.open("rb") as b:
        return all(x == y for x, y in zip(_blocks(a), _blocks(b), strict=True))


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block


def _settle(folder: Path) -> None:
    """Have the system write what stands in a folder, where it can."""
    with suppress(OSError):
        opened = os.open(folder if folder.is_dir() else folder.parent, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _remove_empty(folder: Path, root: Path) -> None:
    with suppress(OSError):
        while folder != root and root in folder.parents:
            folder.rmdir()
            folder = folder.parent
