"""Connections that are held open for their own sake, on a real server."""

from __future__ import annotations

import contextlib
import threading

import pytest

pytest.importorskip("fastapi")
from live import PATIENCE_S, connected, everything, listening

from melisma.server.guard import door, wire
from melisma.server.settings import JobSettings, Limits, ServiceSettings


def settings(folder, body_s):
    limits = Limits(body_s=body_s, body_bytes=1000, upload_bytes=2000, lyrics_chars=100)
    return ServiceSettings(data=folder / "data", limits=limits, jobs=JobSettings(workers=0))


@pytest.fixture
def port(tmp_path):
    """Of a service that waits for nobody."""
    with listening(settings(tmp_path, 1.5)) as port:
        yield port


@pytest.fixture
def patient_port(tmp_path):
    """Of one that does, so that a busy machine is nobody's fault."""
    with listening(settings(tmp_path, PATIENCE_S)) as port:
        yield port


HEAD = b"POST /v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "]
)
def test_a_call_that_never_ends_its_headers_is_cut_off(port, sent):
    with connected(port) as connection:
        connection.sendall(sent)
        assert everything(connection) == b""


def test_so_is_one_that_does_so_on_a_connection_that_was_used(port):
    with connected(port) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"status":"alive"}'):
            answer += (came := connection.recv(65536))
            assert came, answer
        connection.sendall(b"GET /healthz HT")
        assert everything(connection) == b""


def test_headers_that_are_huge_are_refused(patient_port):
    with connected(patient_port) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + door.HEAD_BYTES * b"a")
        assert everything(connection).startswith(b"HTTP/1.1 400")


def test_a_body_that_stops_coming_is_answered_408(port):
    with connected(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"/problems/too-slow"' in answer
    assert b"connection: close" in answer.lower()


def test_a_body_that_trickles_is_answered_408(port):
    """Each byte comes in time, and the whole would take for ever."""
    with connected(port) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        stop = threading.Event()

        def trickle():
            with contextlib.suppress(OSError):
                while not stop.wait(0.05):
                    connection.sendall(b"1\r\n \r\n")

        thread = threading.Thread(target=trickle)
        thread.start()
        answer = everything(connection)
        stop.set()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_whose_length_is_too_large_is_refused_before_it_comes(patient_port):
    with connected(patient_port) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n")
        assert b"HTTP/1.1 413" in everything(connection)


def test_a_body_that_is_larger_than_anybody_said_is_refused(patient_port):
    with connected(patient_port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 20 * (b"40\r\n" + 64 * b" " + b"\r\n"))
            connection.sendall(b"0\r\n\r\n")
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"/problems/too-large"' in answer


def test_one_address_holds_so_many_connections(patient_port, monkeypatch):
    monkeypatch.setattr(wire, "FROM_ONE", 5)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(patient_port)) for _ in range(8)]
        held[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
        assert everything(held[-1]) == b""


def test_a_call_in_time_is_answered_after_all(patient_port):
    """What was refused has left nothing behind."""
    for _ in range(3):
        with connected(patient_port) as connection:
            connection.sendall(HEAD + b"Content-Length: 16\r\n\r\n" + b'{"token": "abc"}')
            assert connection.recv(65536).startswith(b"HTTP/1.1 204")
