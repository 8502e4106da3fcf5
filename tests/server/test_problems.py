"""What of an error leaves: the sentence for people, and nothing of where the service keeps what."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from melisma.core.errors import NoRoom, StoreError
from melisma.server import problems
from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.settings import ServiceSettings


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            StoreError(
                'the service\'s database cannot be used now: connection to server at "10.1.2.3", port 5432 failed: '
                'FATAL:  password authentication failed for user "melisma"'
            ),
            "the service's database cannot be used now",
        ),
        (
            NoRoom("there is no room for the service's database: database or disk is full"),
            "there is no room for the service's database",
        ),
        (StoreError("somebody sends the same recording just now"), "somebody sends the same recording just now"),
    ],
)
def test_what_drivers_say_of_servers_and_accounts_is_for_the_log(error, detail):
    assert problems.facts(error)["detail"] == detail


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [
        ("GET", "/v1/songs/abc", None, "path.song_id is no id: those have 32 hexadecimal digits"),
        ("POST", "/v1/alignments", {"song_id": "0" * 32, "speed": 2}, "speed is not known here"),
        ("GET", "/v1/song", None, "there is nothing at '/v1/song': /v1/openapi.json lists what there is"),
        ("PUT", "/v1/songs", None, "'/v1/songs' takes no PUT: /v1/openapi.json lists what it takes"),
        ("POST", f"/v1/alignments/{'0' * 32}/restore", {"version": 1}, "to is missing"),
    ],
)
def test_what_a_call_has_wrong_is_said_without_the_words_of_a_library(tmp_path, method, path, body, detail):
    context = Context(ServiceSettings(data=tmp_path))
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        answer = client.request(method, path, json=body)
    assert 400 <= answer.status_code < 500
    assert detail in answer.json()["detail"]
