"""The door of the cache: what it finds, and that nothing behind it can break an alignment."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from melisma.core.errors import InputError
from melisma.store.cache import Cache, open_cache
from melisma.store.entries import Source
from melisma.store.settings import CacheSettings

REST_S = 3600.0  # longer than any test: what rests does not wake by itself


class Clock:
    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def said():
    return []


@pytest.fixture
def opened(said, entry):
    """Make caches with one clock, and close them at the end."""
    made: list[Cache] = []
    clock = Clock(entry.created_at)

    def make(url: str, redis_url: str = "", rest_s: float = REST_S) -> Cache:
        cache = Cache(CacheSettings(url, redis_url, rest_s=rest_s), said.append, clock)
        cache.clock = clock
        made.append(cache)
        return cache

    yield make
    for cache in made:
        cache.close()


@pytest.fixture
def cache(opened, url):
    return opened(url)


@pytest.fixture
def fronted(opened, url, redis_url):
    return opened(url, redis_url)


def keep(cache: Cache, entry) -> bool:
    return cache.keep(entry.source, entry.track, entry.alignment, entry.key, artist=entry.artist, title=entry.title)


def test_what_is_kept_is_found_until_its_time_is_over(cache, entry, said):
    assert cache.find(entry.track, [entry.key]) is None
    assert keep(cache, entry)
    assert cache.find(entry.track, [entry.key]) == entry
    cache.clock.now += timedelta(days=90) - timedelta(seconds=1)
    assert cache.find(entry.track, [entry.key]) == entry
    cache.clock.now += timedelta(seconds=1)
    assert cache.find(entry.track, [entry.key]) is None
    assert said == []


@pytest.mark.parametrize(("source", "days"), [(Source.IMPORTED, 365), (Source.WHISPER, 90), (Source.PLACED, 90)])
def test_every_source_has_its_time(cache, entry, source, days):
    key = None if source.given else entry.key
    cache.keep(source, entry.track, entry.alignment, key)
    assert cache.find(entry.track, [entry.key]).expires_at == entry.created_at + timedelta(days=days)


def test_what_a_user_corrected_holds_for_ever_against_every_engine(cache, entry):
    cache.keep(Source.USER_CORRECTED, entry.track, entry.alignment)
    keep(cache, entry)
    cache.clock.now += timedelta(days=36_500)
    keep(cache, entry)
    found = cache.find(entry.track, [entry.key])
    assert (found.source, found.expires_at) == (Source.USER_CORRECTED, None)
    assert cache.find(entry.track, [replace(entry.key, engine="another")]) == found
    assert cache.best(entry.track) == found


def test_sounds_of_files_are_remembered(fronted, said):
    assert fronted.sound_of("f", "1") is None
    fronted.remember_sound("f", "1", "a" * 64)
    assert fronted.sound_of("f", "1") == "a" * 64
    assert said == []


def test_a_recording_is_forgotten_with_every_alignment_of_it(fronted, entry, key, brought):
    sound, other = entry.track.audio_hash, replace(entry.track, audio_hash="c" * 64)
    fronted.keep(entry.source, entry.track, entry.alignment, entry.key)
    corrected = brought(Source.USER_CORRECTED)
    fronted.keep(corrected.source, replace(entry.track, text_hash="d" * 64), corrected.alignment)
    fronted.keep(entry.source, other, entry.alignment, replace(key, track=other))
    for content in ("1" * 64, "2" * 64):
        fronted.remember_sound(content, "1", sound)
    fronted.forget("1" * 64, "1", {sound})
    assert fronted.find(entry.track, [key]) is None
    assert fronted.best(replace(entry.track, text_hash="d" * 64)) is None
    assert fronted.sound_of("1" * 64, "1") is None
    assert fronted.sound_of("2" * 64, "1") == sound
    assert fronted.find(other, [replace(key, track=other)]) is not None


def test_of_a_track_only_what_was_brought_can_be_forgotten(cache, entry, key):
    cache.keep(entry.source, entry.track, entry.alignment, entry.key)
    cache.keep(Source.USER_CORRECTED, entry.track, entry.alignment)
    cache.forget_track(entry.track, (Source.USER_CORRECTED,))
    assert cache.find(entry.track, [key]).source is entry.source
    cache.forget_track(entry.track)
    assert cache.find(entry.track, [key]) is None


def test_what_cannot_be_kept_is_said_and_no_reason_to_rest(cache, entry, said):
    broken = replace(entry.alignment, warnings=("\ud800",))
    assert not keep(cache, replace(entry, alignment=broken))
    assert said == ["this alignment cannot be kept: it would come back changed"]
    assert keep(cache, entry)


def test_a_cache_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_URL", "OFF")
    assert open_cache() is None


def test_what_is_wrong_with_the_settings_is_no_fault_of_a_server(monkeypatch):
    monkeypatch.setenv("MELISMA_CACHE_URL", "mysql://host/base")
    with pytest.raises(InputError, match="SQLite or PostgreSQL"):
        open_cache()


# With Redis in front.


def rows(cache: Cache, sql: str) -> None:
    import sqlalchemy as sa

    with cache._database._engine.begin() as connection:
        connection.execute(sa.text(sql))


def test_a_second_look_needs_no_database(fronted, entry, said):
    keep(fronted, entry)
    rows(fronted, "DELETE FROM alignments")
    assert fronted.find(entry.track, [entry.key]) == entry
    assert said == []


def test_what_the_database_has_is_put_in_front(opened, url, redis_url, entry):
    keep(opened(url), entry)
    fronted = opened(url, redis_url)
    assert fronted.find(entry.track, [entry.key]) == entry
    rows(fronted, "DELETE FROM alignments")
    assert fronted.find(entry.track, [entry.key]) == entry


def test_redis_does_not_serve_what_is_over(fronted, entry):
    keep(fronted, entry)
    fronted.clock.now += timedelta(days=90)
    assert fronted.find(entry.track, [entry.key]) is None


def test_a_correction_is_served_at_once_in_spite_of_redis(opened, url, redis_url, entry):
    one, other = opened(url, redis_url), opened(url, redis_url)
    keep(one, entry)
    assert other.find(entry.track, [entry.key]) == entry
    assert one.keep(Source.USER_CORRECTED, entry.track, entry.alignment)
    assert other.find(entry.track, [entry.key]).source is Source.USER_CORRECTED
    keep(other, entry)  # an engine that was still at work
    assert one.find(entry.track, [entry.key]).source is Source.USER_CORRECTED
    assert other.find(entry.track, [entry.key]).source is Source.USER_CORRECTED


def test_a_correction_that_redis_never_heard_of_bars_the_track_when_it_is_found(opened, url, redis_url, entry):
    opened(url).keep(Source.USER_CORRECTED, entry.track, entry.alignment)
    fronted = opened(url, redis_url)
    assert fronted.find(entry.track, [entry.key]).source is Source.USER_CORRECTED
    keep(fronted, entry)
    assert fronted.find(entry.track, [entry.key]).source is Source.USER_CORRECTED


def test_junk_in_redis_is_passed_over(fronted, entry, redis_server, said):
    import redis

    keep(fronted, entry)
    with redis.Redis(port=redis_server.port) as client:
        (name,) = client.keys("melisma:*:entry:*")
        client.set(name, b"junk")
    assert fronted.find(entry.track, [entry.key]) == entry
    assert len(said) == 1
    assert "holds something else than entries" in said[0]


# Servers that die.


def test_a_redis_that_is_killed_is_done_without(fronted, entry, redis_server, said):
    keep(fronted, entry)
    redis_server.kill()
    for _ in range(3):
        assert fronted.find(entry.track, [entry.key]) == entry
        assert keep(fronted, entry)
    assert len(said) == 1
    assert said[0].startswith(f"the Redis at 127.0.0.1:{redis_server.port} does not answer")


def test_a_redis_that_comes_back_is_used_again(opened, url, redis_url, redis_server, entry, said):
    fronted = opened(url, redis_url, rest_s=0.0)
    redis_server.kill()
    assert keep(fronted, entry)
    redis_server.start()
    assert fronted.find(entry.track, [entry.key]) == entry
    rows(fronted, "DELETE FROM alignments")
    assert fronted.find(entry.track, [entry.key]) == entry
    assert len(said) == 1


@pytest.mark.usefixtures("hurried")
def test_a_redis_that_freezes_is_done_without(fronted, entry, redis_server, said):
    keep(fronted, entry)
    with redis_server.frozen():
        assert fronted.find(entry.track, [entry.key]) == entry
        assert keep(fronted, entry)
    assert len(said) == 1


@pytest.mark.usefixtures("hurried")
def test_a_port_that_never_answers_is_no_redis(opened, url, silent_port, entry, said):
    fronted = opened(url, f"redis://127.0.0.1:{silent_port}/0")
    assert keep(fronted, entry)
    assert fronted.find(entry.track, [entry.key]) == entry
    assert len(said) == 1


@pytest.fixture
def own_postgres(postgres):
    """The shared server, which a test may kill: it is running again afterwards."""
    yield postgres
    if postgres.process.poll() is not None:
        postgres.start()


def test_a_postgresql_that_is_killed_is_done_without(opened, own_postgres, entry, said):
    cache = opened(own_postgres.new("migrated"))
    assert keep(cache, entry)
    own_postgres.kill()
    for _ in range(3):
        assert cache.find(entry.track, [entry.key]) is None
        assert not keep(cache, entry)
    assert len(said) == 1
    assert said[0].startswith("the cache postgresql+psycopg://melisma@127.0.0.1")


def test_a_postgresql_that_restarts_is_used_again_at_once(opened, own_postgres, entry, said):
    """A connection that broke meanwhile is no failure: the pool opens another."""
    cache = opened(own_postgres.new("migrated"))
    assert keep(cache, entry)
    own_postgres.stop()
    own_postgres.start()
    assert cache.find(entry.track, [entry.key]) == entry
    assert said == []


@pytest.mark.usefixtures("hurried")
def test_a_postgresql_that_freezes_is_done_without(opened, own_postgres, entry, said):
    cache = opened(own_postgres.new("migrated"))
    assert keep(cache, entry)
    with own_postgres.frozen():
        assert cache.find(entry.track, [entry.key]) is None
        assert not keep(cache, entry)
    assert len(said) == 1
    assert "no answer within 5 s" in said[0]


def test_redis_serves_while_postgresql_is_dead(opened, own_postgres, redis_url, entry, said):
    cache = opened(own_postgres.new("migrated"), redis_url)
    keep(cache, entry)
    own_postgres.kill()
    assert cache.find(entry.track, [entry.key]) == entry
    assert said == []


@pytest.mark.usefixtures("hurried")
def test_a_port_that_never_answers_is_no_postgresql(opened, silent_port, entry, said):
    cache = opened(f"postgresql://melisma@127.0.0.1:{silent_port}/cache")
    assert cache.find(entry.track, [entry.key]) is None
    assert not keep(cache, entry)
    assert len(said) == 1


def test_a_port_where_nobody_listens_is_no_postgresql(opened, dead_port, entry, said):
    cache = opened(f"postgresql://melisma:secret@127.0.0.1:{dead_port}/cache")
    assert cache.find(entry.track, [entry.key]) is None
    assert not keep(cache, entry)
    assert len(said) == 1
    assert "secret" not in said[0]


def test_a_postgresql_without_tables_is_done_without_and_says_what_to_do(opened, postgres, entry, said):
    cache = opened(postgres.new())
    assert cache.find(entry.track, [entry.key]) is None
    assert len(said) == 1
    assert "has no tables yet: run melisma cache migrate" in said[0]


# Files that cannot be used.


@pytest.fixture
def file(sqlite) -> Path:
    return Path(sqlite.removeprefix("sqlite:///"))


NO_DATABASES = [b"this is no database, but somebody's notes\n" * 200, b"SQLite format 3\0" + b"\xff" * 9000]


@pytest.mark.parametrize("content", NO_DATABASES)
def test_a_file_that_is_no_database_is_moved_aside(opened, sqlite, file, entry, said, content):
    file.parent.mkdir()
    file.write_bytes(content)
    cache = opened(sqlite)
    assert cache.find(entry.track, [entry.key]) is None
    assert keep(cache, entry)
    assert cache.find(entry.track, [entry.key]) == entry
    (aside,) = file.parent.glob("alignments.sqlite.damaged-*")
    assert aside.read_bytes() == content
    assert len(said) == 1
    assert f"it was moved to {aside}, a new one begins" in said[0]


def test_a_file_that_is_damaged_while_it_is_used_is_moved_aside(opened, sqlite, file, entry, said):
    cache = opened(sqlite)
    for k in range(200):
        keep(cache, replace(entry, key=replace(entry.key, flags=str(k))))
    cache._database.compact()
    cache.close()
    with file.open("r+b") as opened_file:
        opened_file.seek(4096)
        opened_file.write(b"\xff" * (file.stat().st_size - 4096))
    assert cache.find(entry.track, [entry.key]) is None
    assert keep(cache, entry)
    assert cache.find(entry.track, [entry.key]) == entry
    assert len(list(file.parent.glob("alignments.sqlite.damaged-*Z"))) == 1
    assert len(said) == 1


@pytest.mark.usefixtures("hurried")
def test_a_locked_file_is_done_without(opened, sqlite, file, entry, said):
    cache = opened(sqlite)
    keep(cache, entry)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert cache.find(entry.track, [entry.key]) == entry  # who reads does not wait for who writes
    assert not keep(cache, entry)
    assert len(said) == 1
    assert "database is locked" in said[0]
    holder.execute("ROLLBACK")
    holder.close()


def test_a_folder_that_cannot_be_made_is_done_without(opened, tmp_path, entry, said):
    (tmp_path / "file").write_text("x")
    cache = opened(f"sqlite:///{tmp_path}/file/alignments.sqlite")
    assert cache.find(entry.track, [entry.key]) is None
    assert not keep(cache, entry)
    assert len(said) == 1
    assert "cannot make the folder" in said[0]


OTHERWISE = """
import resource, sys
from datetime import UTC, datetime
from melisma.core.records import Alignment, Line, Word
from melisma.store.cache import Cache
from melisma.store.entries import Source
from melisma.store.keys import ResultKey, Track
from melisma.store.settings import CacheSettings
{before}
track = Track("a", "b")
words = tuple(Word(f"w{{i}}", 0, i, i + 1) for i in range(3000))
with Cache(CacheSettings(sys.argv[1]), print) as cache:
    print(cache.find(track, [ResultKey(track, *"cdefgh")]))
    print(cache.keep(Source.CTC, track, Alignment(words, (Line(0, 3000),), 4000), ResultKey(track, *"cdefgh")))
"""


def run(prefix: list[str], url: str, before: str = "") -> list[str]:
    command = [*prefix, sys.executable, "-c", OTHERWISE.format(before=before), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_is_done_without(opened, sqlite, entry):
    """The limit on the size of a file stops SQLite in the middle of a write, as a full disk does."""
    cache = opened(sqlite)
    keep(cache, entry)
    cache.close()
    lines = run([], sqlite, "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))")
    said = [line for line in lines if "going on without it" in line]
    assert len(said) == 1
    assert lines == ["None", *said, "False"] or lines == [*said, "None", "False"]
    assert cache.find(entry.track, [entry.key]) == entry  # what was there before is whole


def test_a_folder_that_may_not_be_written_to_is_done_without(opened, tmp_path, unprivileged_command, entry):
    folder = tmp_path / "shared"
    url = f"sqlite:///{folder}/alignments.sqlite"
    keep(opened(url), entry)
    for path in (folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode & 0o555 | 0o055)
    try:
        lines = run(unprivileged_command, url)
    finally:
        folder.chmod(0o755)
    said = [line for line in lines if "going on without it" in line]
    assert len(said) == 1
    assert lines[-1] == "False"


@pytest.fixture
def unprivileged_command(tmp_path):
    """What to put in front of a command so that permissions bind it; root reads and writes everything."""
    if os.geteuid() != 0:
        return []
    for folder in tmp_path.parents:  # pytest's folders are root's own
        if folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    reads = subprocess.run([*command, sys.executable, "-c", "import melisma"], capture_output=True, check=False)
    if reads.returncode:
        pytest.skip("a user without privileges may not read this environment")
    return command
