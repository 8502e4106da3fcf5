"""`melisma cache`, and what `melisma align` does with it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest

from melisma.cli.main import app
from melisma.core.records import Alignment, Line, Word
from melisma.store import payload
from melisma.store.database import Database
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track

NOW = datetime.now(UTC)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the cache of the test is; it is not there yet."""
    path = tmp_path / "kept" / "alignments.sqlite"
    monkeypatch.setenv("MELISMA_CACHE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture
def filled(place):
    """A cache with rows of every kind; two weeks old, but for an expired one of yesterday."""
    track = Track("a" * 64, "b" * 64)
    alignment = Alignment((Word("x", 0, 1, 2),), (Line(0, 1),), 3, engine="phone")
    database = Database(str(place))

    def put(source: Source, engine: str = "", age: int = 14, days: float | None = 90) -> None:
        key = None if source.given else ResultKey(track, "fr", engine, "1", "m", "r", "p")
        made = NOW - timedelta(days=age)
        entry = Entry(source, track, alignment, made, None if days is None else made + timedelta(days=days), key)
        database.put(entry, payload.write(entry), made)

    put(Source.CTC, "phone")
    put(Source.CTC, "mms", age=1, days=0.5)
    put(Source.WHISPER, "whisper")
    put(Source.IMPORTED)
    put(Source.USER_CORRECTED, days=None)
    database.remember_sound("f", "1", "a" * 64, NOW)
    yield database
    database.close()


def left(database: Database) -> list[tuple[str, str]]:
    return [(group.source, group.engine) for group in database.groups(NOW)]


def run(runner, *args: str):
    return runner.invoke(app, ["cache", *args])


def test_path_says_where_and_makes_nothing(runner, place):
    done = run(runner, "path")
    assert (done.exit_code, done.stdout) == (0, f"{place}\n")
    assert not place.parent.exists()


def test_path_hides_the_password(runner, monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_URL", "postgresql://me:secret@host/base")
    assert run(runner, "path").stdout == "postgresql+psycopg://me:***@host/base\n"


def test_stats_of_nothing_make_nothing(runner, place):
    done = run(runner, "stats")
    assert (done.exit_code, done.stdout) == (0, f"{place}: nothing yet\n")
    assert not place.parent.exists()


def test_stats_count_by_source_and_engine(runner, filled):
    done = run(runner, "stats")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert rows[0] == ["source", "engine", "kept", "expired", "from", "to"]
    assert ["ctc", "mms", "1", "1"] in [row[:4] for row in rows]
    assert ["user_corrected", "phone", "1", "0"] in [row[:4] for row in rows]
    assert rows[-1] == ["files", "known", "by", "their", "sound:", "1"]


def test_stats_for_programs(runner, filled, place):
    found = json.loads(run(runner, "stats", "--json").stdout)
    assert (found["name"], found["n_files"], found["exists"]) == (str(place), 1, True)
    assert sum(group["n_rows"] for group in found["groups"]) == 5
    assert found["n_bytes"] > 1000


def test_stats_say_that_redis_does_not_answer(runner, filled, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        port = taken.getsockname()[1]
        monkeypatch.setenv("MELISMA_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        assert f"Redis at 127.0.0.1:{port}: no answer" in run(runner, "stats").stdout
        done = run(runner, "clear", "--yes")
    assert done.exit_code == 0
    assert "it may serve these for 1 h more" in done.stderr


def test_clear_needs_a_yes_where_nobody_can_be_asked(runner, filled):
    done = run(runner, "clear")
    assert done.exit_code == 2
    assert done.stderr == "error: this would remove 4 alignments: say --yes\n"
    assert len(left(filled)) == 5


def test_clear_spares_what_a_user_corrected(runner, filled):
    done = run(runner, "clear", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "4 alignments removed, 1 files forgotten"
    assert left(filled) == [("user_corrected", "phone")]
    assert run(runner, "clear", "--yes", "--source", "user_corrected").exit_code == 0
    assert left(filled) == []


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--source", "whisper"], {("whisper", "whisper")}),
        (["--source", "ctc", "--source", "imported"], {("ctc", "mms"), ("ctc", "phone"), ("imported", "phone")}),
        (["--engine", "mms"], {("ctc", "mms")}),
        (["--source", "whisper", "--engine", "mms"], set()),
        (["--older-than", "1w"], {("ctc", "phone"), ("whisper", "whisper"), ("imported", "phone")}),
        (["--older-than", "30d"], set()),
        (["--older-than", "12h", "--engine", "mms"], {("ctc", "mms")}),
    ],
)
def test_clear_removes_what_the_options_choose_and_says_it(runner, filled, options, gone):
    before = set(left(filled))
    done = run(runner, "clear", "--yes", "--json", *options)
    assert done.exit_code == 0, done.output
    said = {(row["source"], row["engine"]): row["removed"] for row in json.loads(done.stdout)["removed"]}
    assert said == dict.fromkeys(gone, 1)
    assert set(left(filled)) == before - gone
    assert filled.n_files() == 1  # files are forgotten only with everything else


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "telepathy"], "no source is called 'telepathy'"),
        (["--older-than", "soon"], "--older-than is a number and one of s, m, h, d, w"),
        (["--older-than", "5"], "--older-than is a number and one of"),
    ],
)
def test_clear_refuses_what_it_does_not_understand(runner, filled, options, said):
    done = run(runner, "clear", "--yes", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(left(filled)) == 5


def test_purge_removes_what_has_expired(runner, filled):
    done = run(runner, "purge")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "1 alignments removed"
    assert ("ctc", "mms") not in left(filled)
    assert len(left(filled)) == 4


@pytest.mark.parametrize("command", [["clear", "--yes"], ["purge"]])
def test_where_nothing_is_nothing_is_made(runner, place, command):
    done = run(runner, *command)
    assert (done.exit_code, done.stdout) == (0, "0 alignments removed\n")
    assert not place.parent.exists()


def test_migrate_says_what_it_did(runner, place):
    assert run(runner, "migrate").stderr == "schema 0001, before none\n"
    assert run(runner, "migrate").stderr == "schema 0001, as it was\n"


def test_a_damaged_cache_is_said(runner, place):
    place.parent.mkdir()
    place.write_text("no database\n" * 1000)
    done = run(runner, "stats")
    assert done.exit_code == 1
    assert done.stderr == f"error: the cache {place} cannot be used: file is not a database\n"


@pytest.mark.parametrize("command", [["stats"], ["clear", "--yes"], ["purge"], ["migrate"]])
def test_a_cache_that_is_off_has_nothing_to_look_into(runner, command):
    done = run(runner, *command)
    assert done.exit_code == 2
    assert "the cache is switched off" in done.stderr


def test_path_says_that_it_is_off(runner):
    assert run(runner, "path").stdout == "off\n"


# melisma align


@pytest.fixture
def align(runner, engines, song, here, place):
    def go(*options: str):
        args = ["align", str(song.audio), str(song.lyrics), "--engine", "steady", "--language", "fr", "-o", "-"]
        return runner.invoke(app, [*args, *options])

    return go


def test_a_second_run_is_served_and_says_the_same_to_the_last_byte(align, runner):
    first = align()
    assert first.exit_code == 0, first.output
    assert "event='cache'" not in first.stderr
    second = align("-v")
    assert "event='cache'" in second.stderr
    assert "outcome='served'" in second.stderr
    assert second.stdout == first.stdout
    assert first.stderr in second.stderr  # the summary, with its warnings


def test_no_cache_neither_looks_nor_keeps(align, place):
    assert align("--no-cache").exit_code == 0
    assert not place.exists()
    align()
    again = align("--no-cache", "-v")
    assert again.exit_code == 0
    assert "event='cache'" not in again.stderr


def test_a_cache_that_cannot_be_used_is_one_warning(align, place):
    place.parent.write_text("a file where the folder should be")
    done = align()
    assert done.exit_code == 0
    assert done.stderr.count("warning: the cache") == 1
    assert "going on without it" in done.stderr
    assert json.loads(done.stdout)["word_count"] == 4
    assert "the cache" not in align("-q").stderr


def test_a_url_that_is_none_is_said_before_anything_is_done(align, monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_URL", "mysql://host/base")
    done = align()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "SQLite or PostgreSQL" in done.stderr


def test_what_is_served_can_be_written_in_every_format(align, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    names = ["--format", "json,lrc,elrc,srt,vtt,ass,ttml,textgrid,ultrastar,word-timestamps"]
    for folder in (first, second):
        done = align(*names, "-o", f"{folder}/")
        assert done.exit_code == 0, done.output
    files = sorted(path.name for path in first.iterdir())
    assert len(files) == 10
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_an_expired_entry_is_computed_anew(align, place):
    align()
    database = Database(str(place))
    with database._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alignments SET expires_at = '2020-01-01 00:00:00.000000'")
    database.close()
    assert "event='cache'" not in align("-v").stderr
    assert "event='cache'" in align("-v").stderr
