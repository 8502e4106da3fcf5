"""Jobs over HTTP: listed, watched until they are over, cancelled."""

from __future__ import annotations

import json
import threading

import pytest
from made_songs import LYRICS, upload, wav

pytest.importorskip("fastapi")

from melisma.server.jobs.records import JobState
from melisma.store.service import jobs as ledger


def events(text: str) -> list[tuple[str, dict]]:
    """Read server-sent events."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_is_told_as_it_is(client, song, job):
    found = client.get(f"/v1/jobs/{job['id']}").json()
    assert found == job
    wanted = {
        "kind": "align",
        "state": "queued",
        "stage": "",
        "percent": 0.0,
        "n_attempts": 0,
        "causes": [],
        "problem": None,
        "result": None,
        "cancel_wanted": False,
        "song_id": song["id"],
        "started_at": None,
        "finished_at": None,
    }
    assert {name: found[name] for name in wanted} == wanted
    assert found["created_at"].endswith("Z")
    links = found["links"]
    assert links["song"] == song["links"]["self"]
    assert (links["transcription"], links["video"]) == (None, None)
    assert client.get(links["self"]).json() == found


def test_jobs_are_listed_by_state_and_song(client, song, job):
    other = upload(client, wav(seed=4), lyrics=LYRICS)
    second = client.post("/v1/alignments", json={"song_id": other["id"]}).json()
    client.post(f"/v1/jobs/{second['id']}/cancel")

    def ids(**query):
        return [each["id"] for each in client.get("/v1/jobs", params=query).json()["items"]]

    assert ids() == [second["id"], job["id"]]
    assert ids(state="queued") == ids(song_id=song["id"]) == ids(alignment_id=job["alignment_id"]) == [job["id"]]
    assert ids(state="cancelled") == [second["id"]]
    first = client.get("/v1/jobs?limit=1").json()
    assert ids(limit=1, cursor=first["next"]) == [job["id"]]


@pytest.mark.parametrize("query", ["state=lost", "song_id=x", "limit=0", "cursor=x"])
def test_lists_that_cannot_be_are_refused(client, query):
    assert client.get(f"/v1/jobs?{query}").status_code == 422


def test_a_job_that_waits_is_cancelled_at_once(client, job):
    cancelled = client.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json() == cancelled


@pytest.fixture
def heard(context, monkeypatch):
    """Events by stage, each set when whoever watches a job has been told of it."""
    heard, watch = {stage: threading.Event() for stage in ("", "decode", "listen")}, context.queue.watch

    async def watched(*arguments, **more):
        async for job in watch(*arguments, **more):
            yield job
            if job.stage in heard:
                heard[job.stage].set()

    monkeypatch.setattr(context.queue, "watch", watched)
    return heard


def test_who_watches_hears_of_every_change_and_then_the_end(client, context, job, heard):
    def work():
        with context.database.begin() as session:
            ledger.claim(session, job["id"], "a worker", 30.0)
        for stage, percent in (("decode", 10.0), ("listen", 60.0)):
            with context.database.begin() as session:
                ledger.report(session, job["id"], "a worker", stage, percent)
            heard[stage].wait(60)
        with context.database.begin() as session:
            ledger.finish(session, job["id"], "a worker", {"version": 1})

    thread = threading.Thread(target=work)
    thread.start()
    with client.stream("GET", job["links"]["events"]) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        told = events("".join(answer.iter_text()))
    thread.join()
    assert [name for name, _ in told[:-1]] == ["progress"] * (len(told) - 1)
    name, last = told[-1]
    assert (name, last["state"], last["result"]) == ("end", "done", {"version": 1})
    assert last == client.get(job["links"]["self"]).json()
    percents = [each["percent"] for _, each in told]
    assert percents == sorted(percents)
    assert {each["stage"] for _, each in told} >= {"decode", "listen"}


def test_who_watches_what_is_over_hears_only_that(client, job):
    client.post(f"/v1/jobs/{job['id']}/cancel")
    for headers in ({}, {"Last-Event-ID": "17"}):
        told = events(client.get(job["links"]["events"], headers=headers).text)
        assert [(name, each["state"]) for name, each in told] == [("end", "cancelled")]


def test_a_job_that_is_removed_while_it_is_watched_ends_the_stream(client, song, job, heard):
    def remove():
        heard[""].wait(60)  # of the job as it waits
        client.delete(song["links"]["self"])

    thread = threading.Thread(target=remove)
    thread.start()
    told = events(client.get(job["links"]["events"]).text)
    thread.join()
    assert told[0] == ("progress", job)
    assert all(each["id"] == job["id"] for _, each in told)
    assert client.get(job["links"]["self"]).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel")])
def test_a_job_that_is_not_there_is_said(client, method, path):
    answer = client.request(method, f"/v1/jobs/{'0' * 32}{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert client.request(method, f"/v1/jobs/x{path}").status_code == 422


def test_a_job_that_failed_says_why(client, context, job):
    with context.database.begin() as session:
        ledger.claim(session, job["id"], "a worker", 30.0)
        problem = {"type": "/problems/no-engine", "title": "no engine", "status": 503, "detail": "none"}
        ending = ledger.Ending(cause={"detail": "none"}, problem=problem)
        ledger.end_try(session, job["id"], "a worker", ending)
    found = client.get(job["links"]["self"]).json()
    assert (found["state"], found["problem"]["type"]) == (JobState.FAILED, "/problems/no-engine")
    assert len(found["causes"]) == 1
    brief = client.get(found["links"]["song"]).json()["job"]
    assert (brief["id"], brief["state"]) == (job["id"], "failed")
