"""The file of SQLite: told from damaged ones, moved aside, never deleted."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from melisma.store import sqlite_file


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,) for _ in range(200)])
    connection.close()
    return path


def damage(path) -> None:
    """Overwrite pages in the middle: the head still looks like a database."""
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 40_000)


def errors_of(path):
    connection = sqlite3.connect(path)
    try:
        connection.execute("SELECT count(*), max(x) FROM t").fetchall()
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    return None


def test_damage_is_told_from_other_faults(good, tmp_path):
    damage(good)
    (tmp_path / "text").write_text("this is no database at all, and long enough to be looked at\n" * 100)
    assert sqlite_file.is_damage(errors_of(good))
    assert sqlite_file.is_damage(errors_of(tmp_path / "text"))
    assert not sqlite_file.is_damage(errors_of(tmp_path / "empty"))  # there is no such table
    assert not sqlite_file.is_damage(None)
    assert not sqlite_file.is_damage(ValueError())


def test_a_damaged_file_is_moved_with_what_lies_beside_it(good):
    damage(good)
    content = good.read_bytes()
    wal = good.with_name("a.sqlite-wal")
    wal.write_bytes(b"wal")
    aside = sqlite_file.move_aside(good)
    assert not good.exists()
    assert not wal.exists()
    assert aside.read_bytes() == content
    assert aside.name.startswith("a.sqlite.damaged-")
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == b"wal"


def test_a_good_file_stays_where_it_is(good):
    """Another process has been here: what it has begun anew must not be moved too."""
    assert sqlite_file.move_aside(good) is None
    assert errors_of(good) is None


def test_nothing_is_moved_where_nothing_is(tmp_path):
    assert sqlite_file.move_aside(tmp_path / "missing.sqlite") is None


def test_of_many_processes_one_moves(good):
    damage(good)
    code = f"""
from pathlib import Path
from melisma.store import sqlite_file
print(sqlite_file.move_aside(Path({str(good)!r})))
"""
    commands = [[sys.executable, "-c", code] for _ in range(4)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    said = [process.communicate(timeout=120)[0].strip() for process in running]
    assert sorted(one == "None" for one in said) == [False, True, True, True]


def test_a_new_folder_is_the_users_own(tmp_path):
    sqlite_file.make_folder(tmp_path / "data" / "a.sqlite")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
