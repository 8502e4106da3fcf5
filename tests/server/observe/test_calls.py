"""Request ids, access lines, and the answer to what nobody foresaw."""

from __future__ import annotations

import json
import logging

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from melisma.pipeline.log import json_lines
from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.settings import JobSettings, ServiceSettings

SONG = "0" * 32


@pytest.fixture
def app(tmp_path):
    return create_app(Context(ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0))))


@pytest.fixture
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def lines(client, capsys):
    """Return what was logged since, as records."""
    with json_lines():
        yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_id_is_made(client):
    made = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}
    assert len(made) == 3
    assert all(len(each) == 32 for each in made)


def test_a_request_id_is_taken_over(client):
    answer = client.get(f"/v1/songs/{SONG}/peaks", headers={"X-Request-ID": "from-a-caller/7"})
    assert answer.headers["X-Request-ID"] == "from-a-caller/7"
    assert answer.json()["request_id"] == "from-a-caller/7"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "caf\xe9", "a\tb", "\x7f"])
def test_a_request_id_that_is_none_is_not(client, given):
    answer = client.get("/healthz", headers={"X-Request-ID": given.encode("latin-1")})
    assert len(answer.headers["X-Request-ID"]) == 32


def test_each_call_has_one_line(client, lines):
    client.get(f"/v1/songs/{SONG}/peaks?per_second=50", headers={"X-Request-ID": "r-1"})
    [line] = lines()
    wanted = {
        "event": "call",
        "level": "info",
        "request_id": "r-1",
        "method": "GET",
        "route": "/v1/songs/{song_id}/peaks",
        "status": 404,
        "song_id": SONG,
        "problem": "not-found",
        "address": "testclient",
    }
    assert wanted.items() <= line.items()


def test_a_line_holds_nothing_that_a_caller_made_up(client, lines):
    headers = {"Authorization": "Bearer secret-1", "Cookie": "melisma_session=secret-2", "User-Agent": "secret-3"}
    client.get("/v1/secret-4?search=secret-5", headers=headers)
    client.request("SECRET6", "/healthz")
    client.post("/v1/session", json={"token": "secret-7", "lyrics": "secret-8"})
    client.get("/v1/songs/secret-9/peaks")
    found = lines()
    assert [line["route"] for line in found] == ["unmatched", "/healthz", "/v1/session", "/v1/songs/{song_id}/peaks"]
    assert "secret" not in json.dumps(found).lower()


def test_what_nobody_foresaw_is_logged_whole_and_answered_without_a_word_of_it(app, client, lines):
    @app.get("/v1/broken")
    def broken():
        raise RuntimeError("/srv/private: secret")

    answer = client.get("/v1/broken", headers={"X-Request-ID": "r-2"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "r-2"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json() == {
        "type": "/problems/internal",
        "title": "internal",
        "status": 500,
        "detail": "internal error: the service's log says more",
        "instance": "/v1/broken",
        "request_id": "r-2",
    }
    fault, call = lines()
    assert fault["request_id"] == call["request_id"] == "r-2"
    assert "RuntimeError: /srv/private: secret" in fault["exception"]
    assert call["status"] == 500
    assert call["level"] == "error"


def test_threads_of_a_call_know_its_id(app, client, lines):
    @app.get("/v1/speaks")
    def speaks():
        logging.getLogger("melisma.test").warning("something")
        return {}

    client.get("/v1/speaks", headers={"X-Request-ID": "r-3"})
    assert [(line["event"], line["request_id"]) for line in lines()] == [("something", "r-3"), ("call", "r-3")]
