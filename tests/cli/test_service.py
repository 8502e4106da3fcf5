"""`melisma service`: tables, tokens, copies, files and whether everything works, as its owner types it."""

from __future__ import annotations

import json
import sqlite3

import pytest

from melisma.cli.main import app
from melisma.server.settings import hash_token, read_tokens


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_tables_are_brought_up_to_date(runner, data, tmp_path, monkeypatch):
    done = runner.invoke(app, ["service", "migrate"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{data}/melisma.sqlite: schema 0001, before none\n"
    assert runner.invoke(app, ["service", "migrate"]).stderr.endswith("schema 0001, as it was\n")
    monkeypatch.setenv("MELISMA_CACHE_URL", f"sqlite:///{tmp_path}/cache.sqlite")
    done = runner.invoke(app, ["service", "migrate"])
    assert done.stderr.splitlines()[1] == f"cache {tmp_path}/cache.sqlite: schema 0001, before none"


def test_one_postgresql_holds_the_tables_of_both(runner, data, postgres, monkeypatch):
    monkeypatch.setenv("MELISMA_DATABASE_URL", postgres.new())
    monkeypatch.setenv("MELISMA_CACHE_URL", "")
    done = runner.invoke(app, ["service", "migrate"])
    assert done.exit_code == 0
    assert [line.rpartition(": ")[2] for line in done.stderr.splitlines()] == ["schema 0001, before none"] * 2
    found = runner.invoke(app, ["service", "check", "--json"])
    assert json.loads(found.stdout)["checks"][0] == {"name": "database", "ok": True, "detail": ""}


def test_a_database_that_is_out_of_reach_is_one_sentence(runner, data, dead_port, monkeypatch):
    monkeypatch.setenv("MELISMA_DATABASE_URL", f"postgresql://melisma:hidden@127.0.0.1:{dead_port}/melisma")
    done = runner.invoke(app, ["service", "migrate"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: the service's database cannot be used now: ")
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr


def test_a_token_is_printed_once_and_its_hash_goes_to_the_file(runner):
    made = [runner.invoke(app, ["service", "token", "new", "ann"]) for _ in range(2)]
    tokens = [each.stdout.strip() for each in made]
    assert tokens[0] != tokens[1]
    assert all(len(token) == 43 for token in tokens)
    lines = [each.stderr.strip().rpartition(": ")[2] for each in made]
    assert read_tokens(lines, "the file") == {hash_token(token): "ann" for token in tokens}
    assert tokens[0] not in made[0].stderr


@pytest.mark.parametrize("name", ["two words", "a,b", "a:b", "x" * 65])
def test_a_name_that_could_not_be_read_back_gets_no_token(runner, name):
    done = runner.invoke(app, ["service", "token", "new", name])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the name has no blanks, colons or commas" in done.stderr


def test_a_copy_can_be_started_on(runner, data, tmp_path, monkeypatch):
    assert runner.invoke(app, ["service", "migrate"]).exit_code == 0
    done = runner.invoke(app, ["service", "backup", str(tmp_path / "copy")])
    assert (done.exit_code, done.stderr) == (0, "melisma.sqlite, 0 files, 0.0 MB\n")
    monkeypatch.setenv("MELISMA_DATA_DIR", str(tmp_path / "copy"))
    assert runner.invoke(app, ["service", "check"]).exit_code == 0
    again = runner.invoke(app, ["service", "backup", str(tmp_path / "copy")])
    assert again.exit_code == 2
    assert "is not empty: a backup takes a new folder" in again.stderr


def test_a_copy_of_nothing_says_so(runner, data, tmp_path):
    done = runner.invoke(app, ["service", "backup", str(tmp_path / "copy"), "--json"])
    assert json.loads(done.stdout) == {"databases": [], "n_files": 0, "n_bytes": 0, "missing": []}


def test_what_gathers_dust_is_counted(runner, data):
    done = runner.invoke(app, ["service", "sweep"])
    assert done.stderr == "removed: 0 files, 0 uploads, 0 derived files (0.0 MB), 0 jobs, 0 receipts\n"
    counts = json.loads(runner.invoke(app, ["service", "sweep", "--json"]).stdout)
    assert counts == dict.fromkeys(("n_files", "n_uploads", "n_derived", "n_jobs", "n_receipts", "n_bytes"), 0)


def test_a_service_that_can_work_is_told_from_one_that_cannot(runner, data, dead_port, monkeypatch):
    done = runner.invoke(app, ["service", "check"])
    assert done.exit_code == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        [name, "ok"] for name in ("database", "files", "queue", "engine")
    ]
    monkeypatch.setenv("MELISMA_QUEUE_REDIS_URL", f"redis://:hidden@127.0.0.1:{dead_port}/1")
    done = runner.invoke(app, ["service", "check"])
    assert done.exit_code == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("queue"))
    assert "the queue of jobs cannot be reached now" in line
    assert "hidden" not in done.output
    quiet = runner.invoke(app, ["service", "check", "--quiet"])
    assert (quiet.exit_code, quiet.output) == (1, "")


def test_a_database_of_a_newer_version_is_told(runner, data):
    assert runner.invoke(app, ["service", "migrate"]).exit_code == 0
    with sqlite3.connect(data / "melisma.sqlite") as connection:
        connection.execute("UPDATE service_alembic_version SET version_num = '9999'")
    connection.close()
    done = runner.invoke(app, ["service", "migrate"])
    assert done.exit_code == 1
    assert "was made by a newer Melisma (schema 9999" in done.stderr
