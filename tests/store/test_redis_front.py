"""Redis in front: entries for an hour, nothing that cannot be read back, nothing of tracks that somebody corrected."""

from __future__ import annotations

import sys
import zlib
from dataclasses import replace

import pytest
import redis

from melisma.core.errors import CacheError, InputError, MissingDependency
from melisma.store import payload
from melisma.store.keys import Track
from melisma.store.payload import DamagedEntry
from melisma.store.redis_front import PREFIX, RedisFront


@pytest.fixture
def front(redis_url):
    made = RedisFront(redis_url, answer_s=60)
    yield made
    made.close()


@pytest.fixture
def client(redis_server):
    with redis.Redis(port=redis_server.port) as made:
        yield made


def put(front, entry) -> None:
    front.put(entry.digest, payload.write(entry))


def test_what_is_held_is_found(front, entry):
    assert front.find(entry.track, [entry.key]) is None
    put(front, entry)
    assert front.find(entry.track, [entry.key]) == entry
    other = replace(entry.key, engine="another")
    assert front.find(entry.track, [other]) is None
    assert front.find(entry.track, [other, entry.key]) == entry
    assert front.find(entry.track, []) is None


def test_everything_is_held_for_an_hour_and_bars_for_longer(front, client, entry):
    put(front, entry)
    front.remember_sound("f" * 64, "1", "a" * 64)
    front.bar(entry.track)
    ttl = {name.decode().split(":")[3]: client.ttl(name) for name in client.scan_iter()}
    assert 3590 < ttl["entry"] <= 3600
    assert 3590 < ttl["file"] <= 3600
    assert ttl["barred"] > 3600 + 3500


def test_every_key_says_of_which_schema_it_is(front, client, entry):
    put(front, entry)
    front.remember_sound("f" * 64, "1", "a" * 64)
    front.bar(entry.track)
    assert PREFIX == "melisma:1:1"
    assert [name for name in client.scan_iter() if not name.startswith(PREFIX.encode())] == []


def test_nothing_is_found_of_a_barred_track(front, entry):
    put(front, entry)
    front.bar(entry.track)
    assert front.find(entry.track, [entry.key]) is None
    put(front, entry)  # by a process that looked before the bar
    assert front.find(entry.track, [entry.key]) is None
    assert front.find(Track("c", "d"), [entry.key]) == entry  # the bar is of one track only


@pytest.mark.parametrize("junk", [b"junk", b"\x00" * 1000, b"{}", zlib.compress(b"{}")])
def test_what_is_no_entry_is_refused(front, client, entry, junk):
    client.set(f"{PREFIX}:entry:{entry.digest}", junk)
    with pytest.raises(DamagedEntry):
        front.find(entry.track, [entry.key])


def test_another_entry_under_the_key_is_refused(front, client, entry):
    other = replace(entry, key=replace(entry.key, engine="another"))
    client.set(f"{PREFIX}:entry:{entry.digest}", payload.write(other))
    with pytest.raises(DamagedEntry, match="it holds another entry"):
        front.find(entry.track, [entry.key])


def test_a_value_of_another_kind_is_a_fault_of_the_server(front, client, entry):
    client.rpush(f"{PREFIX}:entry:{entry.digest}", "x")
    with pytest.raises(CacheError, match="WRONGTYPE"):
        front.find(entry.track, [entry.key])


def test_no_more_than_an_entry_can_be_is_read(front, client, entry):
    client.set(f"{PREFIX}:entry:{entry.digest}", payload.write(entry) + b"\0" * 20_000_000)
    client.config_set("maxmemory", 0)
    before = client.info("stats")["total_net_output_bytes"]
    front.find(entry.track, [entry.key])
    assert client.info("stats")["total_net_output_bytes"] - before < 11_000_000


@pytest.mark.parametrize("junk", [b"", b"x" * 64, b"a" * 63, b"a" * 65, b"\xff" * 64])
def test_a_sound_is_64_digits_or_nothing(front, client, junk):
    front.remember_sound("f", "1", "a" * 64)
    assert front.sound_of("f", "1") == "a" * 64
    assert front.sound_of("f", "2") is None
    client.set(f"{PREFIX}:file:1:f", junk)
    assert front.sound_of("f", "1") is None


def test_what_is_dropped_is_ours_alone(front, client, entry):
    other = replace(entry, key=replace(entry.key, engine="another"))
    client.set("somebody:else", "x")
    client.set("melisma:0:9:entry:old", "x")
    put(front, entry)
    put(front, other)
    assert front.n_entries() == 2
    front.drop([entry.digest])
    front.drop([])
    assert (front.find(entry.track, [entry.key]), front.find(entry.track, [other.key])) == (None, other)
    assert front.drop_all() == 2
    assert client.keys() == [b"somebody:else"]


def test_a_url_that_is_none_is_refused():
    with pytest.raises(InputError, match="MELISMA_REDIS_URL is no URL of Redis"):
        RedisFront("http://host")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingDependency, match=r"pip install 'melisma\[redis\]'"):
        RedisFront("redis://host")


def test_a_password_is_never_shown(dead_port):
    front = RedisFront(f"redis://:secret@127.0.0.1:{dead_port}/0")
    assert front.name == f"127.0.0.1:{dead_port}"
    with pytest.raises(CacheError) as caught:
        front.n_entries()
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("hurried")
def test_a_server_that_never_answers_is_not_waited_for(silent_port):
    front = RedisFront(f"redis://127.0.0.1:{silent_port}/0")
    with pytest.raises(CacheError, match=r"[Tt]imeout|no answer"):
        front.n_entries()
