"""A service that is told to stop, or killed: streams end whole, and what is sent again is answered as before."""

from __future__ import annotations

import json
import signal

import pytest

pytest.importorskip("fastapi")
from made_songs import LYRICS, upload
from programs import PATIENCE_S, Service, ended, environment


def test_streams_of_events_end_whole(tmp_path):
    service = Service(environment(tmp_path / "data"), tmp_path / "log")
    with ended(service), service.client() as client:
        song = upload(client, lyrics=LYRICS)
        job = client.post("/v1/alignments", json={"song_id": song["id"]}).json()
        with client.stream("GET", job["links"]["events"]) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: progress"
            service.popen.send_signal(signal.SIGTERM)
            rest = list(lines)  # an answer that is cut off is an error of httpx
        assert service.popen.wait(PATIENCE_S) == 0
    assert not any(line.startswith("event: end") for line in rest)
    said = [json.loads(line) for line in service.log.read_text("utf-8").splitlines() if line.startswith("{")]
    assert [line for line in said if line["level"] not in ("info", "debug")] == []


def test_a_call_that_is_sent_again_after_a_kill_is_answered_as_before(tmp_path):
    answers, named = [], {"Idempotency-Key": "once"}
    for n in range(2):
        service = Service(environment(tmp_path / "data"), tmp_path / f"log{n}")
        with ended(service), service.client() as client:
            song = upload(client, lyrics=LYRICS)
            wish = {"song_id": song["id"], "priority": 3}
            answers.append(client.post("/v1/alignments", json=wish, headers=named))
            other = client.post("/v1/alignments", json={**wish, "priority": 4}, headers=named)
            assert other.status_code == 409, other.text
            assert len(client.get("/v1/jobs").json()["items"]) == 1
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
