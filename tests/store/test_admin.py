"""The cache in its owner's hands, on both databases and with Redis in front."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from melisma.core.errors import CacheError
from melisma.store.admin import Admin
from melisma.store.cache import Cache
from melisma.store.database import Chosen
from melisma.store.entries import Source
from melisma.store.settings import CacheSettings


@pytest.fixture
def settings(url, redis_url):
    return CacheSettings(url, redis_url)


@pytest.fixture
def cache(settings, entry):
    """A cache with one row of an engine, one of another, and one that a user corrected of another track."""
    other = replace(entry.key, engine="another")
    track = replace(entry.track, text_hash="c" * 64)
    with Cache(settings, pytest.fail, lambda: entry.created_at) as made:
        made.keep(entry.source, entry.track, entry.alignment, entry.key)
        made.keep(entry.source, entry.track, entry.alignment, other)
        made.keep(Source.USER_CORRECTED, track, entry.alignment)
        made.remember_sound("f" * 64, "1", "a" * 64)
        yield made


@pytest.fixture
def admin(settings, cache):
    with Admin(settings) as made:
        yield made


def test_stats_count_rows_files_and_what_redis_holds(admin, entry):
    found = admin.stats(entry.created_at)
    assert [(group.source, group.engine, group.n_rows) for group in found.groups] == [
        ("ctc", "an-engine", 1),
        ("ctc", "another", 1),
        ("user_corrected", "an-engine", 1),
    ]
    assert (found.exists, found.n_files, found.n_held) == (True, 1, 2)
    assert found.n_bytes > 1000
    assert found.redis.startswith("127.0.0.1:")


def test_what_is_cleared_is_cleared_in_redis_too(admin, cache, entry):
    other = replace(entry.key, engine="another")
    removed = admin.clear(Chosen(engine="another"))
    assert removed.rows == {("ctc", "another"): 1}
    assert (removed.n_rows, removed.n_files, removed.warning) == (1, 0, "")
    assert cache.find(entry.track, [other]) is None
    assert cache.find(entry.track, [entry.key]) is not None


def test_everything_is_cleared_with_the_files(admin, cache, entry):
    removed = admin.clear(Chosen(), files=True)
    assert (removed.n_rows, removed.n_files) == (2, 1)
    assert cache.find(entry.track, [entry.key]) is None
    assert cache.sound_of("f" * 64, "1") is None
    assert [group.source for group in admin.stats(entry.created_at).groups] == ["user_corrected"]


def test_purging_takes_what_has_expired_of_every_source(admin, entry):
    assert admin.purge(entry.created_at + timedelta(days=89)).n_rows == 0
    removed = admin.purge(entry.created_at + timedelta(days=366))
    assert (removed.n_rows, removed.n_files) == (2, 1)
    assert [group.source for group in admin.stats(entry.created_at).groups] == ["user_corrected"]


def test_a_redis_that_is_dead_is_said(admin, redis_server, entry):
    redis_server.kill()
    removed = admin.clear(Chosen())
    assert removed.n_rows == 2
    assert "it may serve these for 1 h more" in removed.warning
    assert admin.stats(entry.created_at).n_held is None


def test_a_server_that_is_dead_is_an_error(dead_port, entry):
    with Admin(CacheSettings(f"postgresql://me:secret@127.0.0.1:{dead_port}/base")) as admin:
        with pytest.raises(CacheError, match="cannot be used: connection") as caught:
            admin.stats(entry.created_at)
        assert "secret" not in str(caught.value)


def test_a_database_without_tables_says_what_to_do_and_can_be_migrated(postgres, entry):
    with Admin(CacheSettings(postgres.new())) as admin:
        with pytest.raises(CacheError, match="run melisma cache migrate"):
            admin.stats(entry.created_at)
        assert admin.migrate() == (None, "0001")
        assert admin.stats(entry.created_at).groups == ()
