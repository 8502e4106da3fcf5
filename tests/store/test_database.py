"""Rows in both databases: the same tests run on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from melisma.store import payload
from melisma.store.connect import CALM
from melisma.store.database import Chosen, Database
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track

SECOND = timedelta(seconds=1)


@pytest.fixture
def database(url):
    made = Database(url, CALM)
    yield made
    made.close()


@pytest.fixture
def put(database):
    def put(*entries: Entry) -> None:
        for each in entries:
            assert database.put(each, payload.write(each), each.created_at)

    return put


@pytest.fixture
def at(entry):
    return entry.created_at


def execute(database: Database, sql: str, **values: object) -> None:
    with database._engine.begin() as connection:
        connection.execute(sa.text(sql), values)


def test_what_is_kept_is_found(database, put, entry, at):
    assert database.find(entry.track, [entry.key], at).entry is None
    put(entry)
    found = database.find(entry.track, [entry.key], at)
    assert found.entry == entry
    assert payload.read(found.data, entry.digest) == entry


def test_any_other_key_is_a_miss(database, put, entry, at):
    put(entry)
    for name in ("language", "engine", "engine_version", "model_id", "model_revision", "pipeline", "flags"):
        assert database.find(entry.track, [replace(entry.key, **{name: "other"})], at).entry is None, name
    for track in (Track("c" * 64, entry.track.text_hash), Track(entry.track.audio_hash, "c" * 64)):
        assert database.find(track, [replace(entry.key, track=track)], at).entry is None


def test_the_keys_are_looked_for_in_their_order(database, put, entry, at):
    second = replace(entry.key, engine="another")
    other = replace(entry, key=second, source=Source.WHISPER)
    put(other, entry)
    assert database.find(entry.track, [entry.key, second], at).entry == entry
    assert database.find(entry.track, [second, entry.key], at).entry == other
    assert database.find(entry.track, [replace(second, engine="none"), second], at).entry == other


def test_what_was_brought_comes_first_whatever_the_engine(database, put, entry, brought, at):
    imported, corrected = brought(Source.IMPORTED), brought(Source.USER_CORRECTED)
    keys = [entry.key], [replace(entry.key, engine="another", flags="{}")], []
    put(entry, imported)
    for wanted in keys:
        assert database.find(entry.track, wanted, at).entry == imported
    put(corrected)
    for wanted in keys:
        assert database.find(entry.track, wanted, at).entry == corrected


def test_a_computed_row_never_takes_the_place_of_a_corrected_one(database, put, entry, brought, at):
    corrected = brought(Source.USER_CORRECTED)
    put(corrected)
    for source in (Source.CTC, Source.WHISPER, Source.PLACED):
        put(replace(entry, source=source))
    put(brought(Source.IMPORTED))
    assert database.find(entry.track, [entry.key], at + timedelta(days=36_500)).entry == corrected


def test_the_newer_of_two_takes_the_place(database, put, entry, brought, at):
    newer = replace(entry, title="La Habanera", created_at=at + SECOND)
    put(entry, newer)
    assert database.find(entry.track, [entry.key], at).entry == newer
    put(brought(Source.USER_CORRECTED), brought(Source.USER_CORRECTED, title="second"))
    assert database.find(entry.track, [entry.key], at).entry.title == "second"
    assert sum(group.n_rows for group in database.groups(at)) == 2


def test_expired_rows_are_misses(database, put, entry, brought, at):
    put(entry, replace(brought(Source.IMPORTED), expires_at=at + timedelta(days=365)))
    assert database.find(entry.track, [entry.key], at + timedelta(days=365) - SECOND).entry.source is Source.IMPORTED
    assert database.find(entry.track, [entry.key], at + timedelta(days=365)).entry is None
    late = replace(entry, expires_at=at + timedelta(days=400))
    put(late)
    assert database.find(entry.track, [entry.key], at + timedelta(days=365)).entry == late


def test_the_columns_say_how_long_a_row_holds(database, put, entry, at):
    """The document ends the life of old rows with an UPDATE."""
    put(entry)
    execute(database, "UPDATE alignments SET expires_at = :at", at=at if database.path is None else str(at)[:26])
    assert database.find(entry.track, [entry.key], at).entry is None


def test_some_expired_rows_leave_when_one_comes(database, put, entry, at):
    put(*(replace(entry, key=replace(entry.key, flags=str(k)), expires_at=at + SECOND) for k in range(5)))
    late = replace(entry, created_at=at + 2 * SECOND)
    put(late)
    assert [(group.n_rows, group.n_expired) for group in database.groups(at + 2 * SECOND)] == [(1, 0)]


def test_the_most_trusted_of_a_track_whatever_made_it(database, put, entry, brought, at):
    heard = replace(entry, source=Source.WHISPER, key=replace(entry.key, engine="another"), created_at=at + SECOND)
    newer = replace(entry, key=replace(entry.key, engine="third"), created_at=at + SECOND)
    for row, expected in [(heard, heard), (entry, entry), (newer, newer), (brought(Source.IMPORTED),) * 2]:
        put(row)
        assert database.best(entry.track, at).entry == expected
    assert database.best(Track("c", "d"), at).entry is None


def test_damaged_rows_are_passed_over_and_left_alone(database, put, entry, brought, at):
    put(entry, brought(Source.USER_CORRECTED))
    execute(database, "UPDATE alignments SET payload = :junk WHERE source = 'user_corrected'", junk=b"junk")
    found = database.find(entry.track, [entry.key], at)
    assert (found.entry, found.n_damaged) == (entry, 1)
    execute(database, "UPDATE alignments SET payload = :junk", junk=b"junk")
    found = database.find(entry.track, [entry.key], at)
    assert (found.entry, found.n_damaged) == (None, 2)
    put(entry)
    assert database.find(entry.track, [entry.key], at).entry == entry
    assert sum(group.n_rows for group in database.groups(at)) == 2


def test_a_row_under_a_foreign_digest_is_not_served(database, put, entry, at):
    other = replace(entry.key, engine="another")
    put(entry)
    execute(database, "UPDATE alignments SET digest = :digest", digest=other.digest)
    found = database.find(entry.track, [other], at)
    assert (found.entry, found.n_damaged) == (None, 1)


def test_a_source_that_only_a_newer_melisma_knows_is_no_fault(database, put, entry, at):
    put(entry)
    execute(database, "UPDATE alignments SET source = 'telepathy'")
    assert database.best(entry.track, at).entry is None
    assert [group.source for group in database.groups(at)] == ["telepathy"]


def test_names_that_a_database_cannot_hold_are_kept_in_the_payload(database, put, entry, at):
    odd = replace(entry, artist="A\0C", title="x" * 100_000)
    put(odd)
    assert database.find(entry.track, [entry.key], at).entry == odd


def test_a_file_is_known_by_its_sound_for_a_year(database, at):
    year = timedelta(days=365)
    assert database.sound_of("content", "1", at) is None
    assert database.remember_sound("content", "1", "sound", at)
    assert database.sound_of("content", "1", at + year - SECOND) == "sound"
    assert database.sound_of("content", "1", at + year) is None
    assert database.sound_of("content", "2", at) is None
    assert database.sound_of("other", "1", at) is None
    assert database.remember_sound("content", "1", "again", at)
    assert database.sound_of("content", "1", at) == "again"
    assert database.n_files() == 1
    assert database.forget_files(at) == 0
    assert database.forget_files(at + year) == 1


@pytest.fixture
def many(put, entry, brought, at):
    """Rows of every kind: two of `an-engine`, one of `another`, an imported and a corrected one."""
    other = replace(entry.key, engine="another")
    put(
        entry,
        replace(entry, key=replace(entry.key, language="de"), created_at=at + SECOND),
        replace(entry, key=other, source=Source.WHISPER, expires_at=at + SECOND),
        brought(Source.IMPORTED),
        brought(Source.USER_CORRECTED),
    )


def left(database: Database, at) -> dict[str, int]:
    return {group.source: group.n_rows for group in database.groups(at)}


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        (Chosen(), {"ctc": 2, "whisper": 1, "imported": 1}),
        (Chosen(sources=(Source.CTC,)), {"ctc": 2}),
        (Chosen(sources=(Source.USER_CORRECTED,)), {"user_corrected": 1}),
        (Chosen(engine="another"), {"whisper": 1}),
        (Chosen(sources=(Source.CTC,), engine="another"), {}),
        (Chosen(before=timedelta(0)), {}),
        (Chosen(before=SECOND), {"ctc": 1, "whisper": 1, "imported": 1}),
        (Chosen(expired=SECOND), {"whisper": 1}),
        (Chosen(expired=timedelta(0)), {}),
    ],
)
@pytest.mark.usefixtures("many")
def test_what_is_chosen_is_removed_and_nothing_else(database, at, chosen, gone):
    before = left(database, at)
    times = {name: at + getattr(chosen, name) for name in ("before", "expired") if getattr(chosen, name) is not None}
    removed = database.remove(replace(chosen, **times))
    counts: dict[str, int] = {}
    for (source, _), digests in removed.items():
        counts[source] = counts.get(source, 0) + len(digests)
    assert counts == gone
    assert left(database, at) == {name: n - gone.get(name, 0) for name, n in before.items() if n > gone.get(name, 0)}


@pytest.mark.usefixtures("many")
def test_rows_are_counted_by_source_and_engine(database, at):
    found = [(g.source, g.engine, g.n_rows, g.n_expired, g.oldest, g.newest) for g in database.groups(at + SECOND)]
    assert found == [
        ("ctc", "an-engine", 2, 0, at, at + SECOND),
        ("imported", "an-engine", 1, 0, at, at),
        ("user_corrected", "an-engine", 1, 0, at, at),
        ("whisper", "another", 1, 1, at, at),
    ]
    assert database.n_bytes() > 1000


@pytest.mark.usefixtures("many")
def test_room_is_given_back(database, at):
    database.remove(Chosen())
    database.compact()
    assert left(database, at) == {"user_corrected": 1}


WRITER = """
import sys
from datetime import UTC, datetime
from dataclasses import replace
from melisma.core.records import Alignment, Line, Word
from melisma.store import payload
from melisma.store.connect import CALM
from melisma.store.database import Database
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track
url, name = sys.argv[1:]
database, track = Database(url, CALM), Track("a", "b")
for k in range(25):
    key = ResultKey(track, "fr", name, "1", "m", "r", "p", str(k))
    words = tuple(Word(f"w{i}", 0, i, i + 1) for i in range(300))
    entry = Entry(Source.CTC, track, Alignment(words, (Line(0, 300),), 400), datetime.now(UTC), None, key)
    shared = replace(entry, key=replace(key, engine="shared", flags=str(k % 3)))
    for each in (entry, shared):
        assert database.put(each, payload.write(each), each.created_at)
        assert database.find(track, [each.key], each.created_at).entry is not None
"""


def test_many_processes_write_and_read_at_once(database, url, at):
    """From nothing: the first of them makes the SQLite file while the others want it too."""
    commands = [[sys.executable, "-c", WRITER, url, f"engine{n}"] for n in range(4)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for command in commands]
    for process in running:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
    found = {group.engine: group.n_rows for group in database.groups(at)}
    assert found == {**{f"engine{n}": 25 for n in range(4)}, "shared": 3}
    track = Track("a", "b")
    for n in range(4):
        for k in range(25):
            key = ResultKey(track, "fr", f"engine{n}", "1", "m", "r", "p", str(k))
            assert len(database.find(track, [key], at).entry.alignment.words) == 300


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_opens_connections_of_its_own(database, put, entry, at):
    put(entry)
    pid = os.fork()
    if pid == 0:
        ok = database.find(entry.track, [entry.key], at).entry == entry
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert database.find(entry.track, [entry.key], at).entry == entry
