"""A service that is told to stop: whoever watches a job hears the end of the stream, not of the connection."""

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
