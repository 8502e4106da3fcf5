"""A copy of everything that the service keeps, taken while it runs: the databases first, then the files they name."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core.errors import InputError, MissingDependency, OutputError, StoreError
from melisma.store import connect
from melisma.store.service import upkeep
from melisma.store.service.database import ServiceDatabase

if TYPE_CHECKING:
    from sqlalchemy import URL

DUMP = "melisma.dump"  # of pg_dump, in its own format
_PAGES = 1000  # of a SQLite file between two looks at who else wants it


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be copied.

    Parameters
    ----------
    database, cache : str
        URLs; the cache's is empty where there is none, or where it lies in the same database.
    data : Path
        The data folder.
    """

    database: str
    cache: str
    data: Path


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was copied: names of databases, number and bytes of files, and those that rows name and nobody has."""

    databases: tuple[str, ...]
    n_files: int
    n_bytes: int
    missing: tuple[str, ...]


def back_up(source: Source, folder: Path) -> BackedUp:
    """Copy databases and files; for SQLite the copy is a data folder that the service can be started on.

    Parameters
    ----------
    source : Source
        What is to be copied.
    folder : Path
        Not there yet, or empty. It appears when all of it is written.

    Raises
    ------
    InputError
        If the folder holds something.
    MissingDependency
        If pg_dump is wanted and not installed.
    OutputError
        If something cannot be written.
    StoreError
        If a database cannot be read.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: a backup takes a new folder")
    if folder.resolve().is_relative_to((source.data / upkeep.FILES).resolve()):
        raise InputError(f"{folder} lies among the files that are to be copied")
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        made = _copy(source, part)
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"the backup cannot be written to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _copy(source: Source, part: Path) -> BackedUp:
    names = [_copy_database(connect.parse(url), part) for url in (source.database, source.cache) if url]
    n_files = n_bytes = 0
    for path in sorted((source.data / upkeep.FILES).glob("??/??/*")):
        target = part / path.relative_to(source.data)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # its song was deleted meanwhile
            n_bytes += _copy_file(path, target)
            n_files += 1
    return BackedUp(tuple(filter(None, names)), n_files, n_bytes, _missing(source, part))


def _copy_file(path: Path, target: Path) -> int:
    """Link a file, which never changes, or copy it where the backup lies on another disk."""
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, target)
    return target.stat().st_size


def _missing(source: Source, part: Path) -> tuple[str, ...]:
    """Return the files that rows name and the copy lacks."""
    from melisma.store.service.files import FileStore

    store = FileStore(part / upkeep.FILES)
    copy = next((path for path in part.glob("*.sqlite") if _is_service(path)), None)
    database = ServiceDatabase(f"sqlite:///{copy}" if copy is not None else source.database)
    try:
        with database.begin(write=False) as session:
            named = upkeep.files_named(session)
    finally:
        database.close()
    return tuple(
        sorted(f"{content}{suffix}" for content, suffix in named.items() if not store.path(content, suffix).is_file())
    )


def _is_service(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        asked = "SELECT 1 FROM sqlite_master WHERE name = 'service_songs'"
        return connection.execute(asked).fetchone() is not None


def _copy_database(url: URL, part: Path) -> str:
    """Copy a database; return the name of the copy, empty where there is nothing to copy yet."""
    path = connect.sqlite_path(url)
    if path is None:
        _dump(url, part / DUMP)
        return DUMP
    if not path.exists():
        return ""
    name = f"cache-{path.name}" if (part / path.name).exists() else path.name
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as old,
            contextlib.closing(sqlite3.connect(part / name)) as new,
        ):
            old.backup(new, pages=_PAGES)
            new.execute("PRAGMA journal_mode=DELETE").close()  # one file, with nothing beside it
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be copied: {error}") from error
    return name


def _dump(url: URL, path: Path) -> None:
    """Have pg_dump write a database in its own format; the password goes by the environment, unseen."""
    program = _program("pg_dump")
    if program is None:
        raise MissingDependency("a backup of PostgreSQL needs pg_dump: install postgresql-client")
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environ = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    command = [program, "--format=custom", f"--file={path}", "--no-password", f"--dbname={plain}"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise StoreError(f"pg_dump could not copy the service's database: {said[:200]}")


def _program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; Debian keeps the newest one's on the path, not always all."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name)
