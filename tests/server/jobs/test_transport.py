from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from melisma.core.errors import InputError, StoreError
from melisma.server.jobs.transport import Transport

IDS = [f"{n:032x}" for n in range(10)]


@pytest.fixture(params=["sqlite", "redis"])
def transport(request, tmp_path):
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    transport = Transport(url, tmp_path / "data")
    yield transport
    transport.close()


def taken(transport: Transport) -> list[str]:
    found = []
    while (task := transport.take()) is not None:
        found.append(task.id)
    return found


def test_the_highest_priority_comes_first_and_equals_in_their_order(transport):
    for id, priority in zip(IDS, (0, 0, 5, -5, 5, 0), strict=False):
        transport.send(id, priority)
    assert taken(transport) == [IDS[n] for n in (2, 4, 0, 1, 5, 3)]
    assert taken(transport) == []


def test_a_message_is_taken_once(transport):
    for id in IDS:
        transport.send(id)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(taken(transport))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == IDS


def test_a_message_that_waits_for_its_moment_is_put_off_and_then_brought(transport):
    transport.send(IDS[0], 3, datetime.now(UTC) + timedelta(hours=1))
    transport.send(IDS[1], 0, datetime.now(UTC) - timedelta(hours=1))
    assert transport.waiting() == set(IDS[:2])
    late = transport.take()
    assert transport.put_off(late)
    assert transport.waiting() == set(IDS[:2])
    transport.bring_due()
    now = transport.take()
    assert now.id == IDS[1]
    assert not transport.put_off(now)
    assert (late.id, late.priority) == (IDS[0], 3)
    assert taken(transport) == []
    with transport._meaning() as (huey, _):
        due = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=2)
        assert [task.id for task in huey.read_schedule(due)] == [IDS[0]]


HOSTILE = {
    "a pickle": b"\x80\x05\x8c\x02os\x94.",
    "nothing": b"",
    "no object": b"[]",
    "no number": b'{"priority": 0, "at": null}',
    "a path": b'{"job": "../../../../etc/passwd..........", "priority": 0, "at": null}',
    "no priority": b'{"job": "%032x", "at": null}' % 1,
    "a priority that is a word": b'{"job": "%032x", "priority": "high", "at": null}' % 1,
    "no moment": b'{"job": "%032x", "priority": 0, "at": 12}' % 1,
    "a moment that is none": b'{"job": "%032x", "priority": 0, "at": "noon"}' % 1,
    "a moment elsewhere": b'{"job": "%032x", "priority": 0, "at": "2026-05-04T03:02:01+02:00"}' % 1,
    "too much": b'{"job": "%032x", "priority": 0, "at": "%s"}' % (1, b"9" * 400),
    "deep": b"[" * 390,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_message_is_thrown_away_and_never_run(transport, data):
    with transport._meaning() as (huey, _):
        huey.storage.enqueue(data, 9)
    transport.send(IDS[0])
    assert transport.waiting() == {IDS[0]}
    with pytest.raises(StoreError, match="something else than jobs"):
        transport.take()
    assert taken(transport) == [IDS[0]]


def test_two_processes_share_one_file(tmp_path):
    one, other = Transport("", tmp_path), Transport("", tmp_path)
    one.send(IDS[0])
    assert taken(other) == [IDS[0]]
    one.close()
    other.close()


def test_a_transport_that_was_closed_opens_again(transport):
    transport.send(IDS[0])
    transport.close()
    assert taken(transport) == [IDS[0]]


def test_a_redis_that_does_not_answer_is_an_error_of_the_store(dead_port, tmp_path):
    transport = Transport(f"redis://127.0.0.1:{dead_port}/0", tmp_path)
    for ask in (transport.ping, transport.take, transport.waiting, lambda: transport.send(IDS[0])):
        with pytest.raises(StoreError, match="the queue of jobs cannot be reached now"):
            ask()


def test_a_redis_that_was_restarted_is_found_again(redis_server, redis_url, tmp_path):
    transport = Transport(redis_url, tmp_path)
    transport.ping()
    redis_server.kill()
    with pytest.raises(StoreError):
        transport.ping()
    redis_server.start()
    transport.send(IDS[0])
    assert taken(transport) == [IDS[0]]
    transport.close()


def test_a_redis_that_hangs_holds_nobody_up_for_good(redis_server, redis_url, tmp_path):
    transport = Transport(redis_url, tmp_path)
    transport.ping()
    with redis_server.frozen(), pytest.raises(StoreError):
        transport.send(IDS[0])
    transport.close()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be reached now"):
        Transport("", tmp_path / "file" / "below").ping()


def test_a_url_that_is_none_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="none of Redis"):
        Transport("http://127.0.0.1", tmp_path)
