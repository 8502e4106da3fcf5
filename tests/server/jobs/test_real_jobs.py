"""`melisma worker` as it is started, on real alignments that are asked for over HTTP: killed, stopped, cancelled."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from programs import NEARLY_DONE, song_of

from melisma.core.errors import Conflict
from melisma.server.context import Context
from melisma.server.jobs.records import JobState
from melisma.server.settings import JobSettings, Limits, ServiceSettings
from melisma.server.work import align
from melisma.store.service import alignments
from melisma.store.service import jobs as ledger
from melisma.store.service.tables import JobRow

PATIENCE_S = 180.0  # on a machine that has much else to do
PROGRAM = [sys.executable, "-m", "melisma.cli.main", "worker"]


@pytest.fixture(scope="session")
def sung(tmp_path_factory):
    """A made-up song of 40 seconds, and its lyrics."""
    from melisma.synth import write
    from melisma.synth.score import score_of_length

    folder = tmp_path_factory.mktemp("sung")
    write.save(score_of_length(40, "en", seed=1), folder, title="Killed")
    return (folder / "audio.wav").read_bytes(), (folder / "lyrics.txt").read_text(encoding="utf-8")


@pytest.fixture
def settings(deployment):
    jobs = JobSettings(workers=0, redis_url=deployment.jobs.redis_url, lease_s=4.0, retry_s=0.1)
    limits = Limits(requests_per_minute=0)
    return ServiceSettings(data=deployment.data, database_url=deployment.database_url, jobs=jobs, limits=limits)


@pytest.fixture
def context(settings):
    context = Context(settings)
    yield context
    context.close()


@pytest.fixture
def client(context):
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app

    with TestClient(create_app(context), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def ask(client, sung):
    """Upload the song, each time in other bytes, and ask for its alignment; return the job."""
    audio, lyrics = sung
    numbers = itertools.count()

    def ask():
        file = {"audio": ("song.wav", song_of(next(numbers), audio))}
        song = client.post("/v1/songs", files=file, data={"title": "Killed"}).json()
        wish = {"song_id": song["id"], "lyrics": {"text": lyrics}, "language": "en"}
        answer = client.post("/v1/alignments", json=wish)
        assert answer.status_code == 202, answer.text
        return answer.json()

    return ask


@pytest.fixture
def asked(ask):
    return ask()


@pytest.fixture
def work(settings):
    """Start `melisma worker`; every process that still lives is killed at the end."""
    started = []
    environ = {
        **os.environ,
        "MELISMA_DATA_DIR": str(settings.data),
        "MELISMA_DATABASE_URL": settings.database_url,
        "MELISMA_QUEUE_REDIS_URL": settings.jobs.redis_url,
        "MELISMA_JOB_LEASE_S": "4",
        "MELISMA_JOB_RETRY_S": "0.1",
    }

    def work(*options: str):
        process = subprocess.Popen([*PROGRAM, *options], env=environ, stderr=subprocess.PIPE, text=True)
        started.append(process)
        while "waits for jobs" not in (line := process.stderr.readline()):
            if not line:
                pytest.fail("the worker did not begin")
        process.drain = threading.Thread(target=process.stderr.read)
        process.drain.start()
        return process

    yield work
    for process in started:
        process.kill()
        process.wait(30)
        process.drain.join()
        process.stderr.close()


def until(client, job, wanted):
    """Wait until a job is as wanted; return it."""
    ends = time.monotonic() + PATIENCE_S
    while not wanted(now := client.get(f"/v1/jobs/{job['id']}").json()):
        if time.monotonic() > ends or JobState(now["state"]).over:
            pytest.fail(f"the job is not as it was waited for: {now}")
        time.sleep(0.01)
    return now


def begun(job) -> bool:
    return job["percent"] > 0


def caught(client, ask, process):
    """Have a job made and stop its worker amid it; return the job. One that is over sooner is asked for anew."""
    for _ in range(20):
        job = ask()
        until(client, job, begun)
        process.send_signal(signal.SIGSTOP)
        now = client.get(f"/v1/jobs/{job['id']}").json()
        if now["state"] == "running" and now["percent"] < NEARLY_DONE:
            return job
        process.send_signal(signal.SIGCONT)
        until(client, job, done)
    pytest.fail("no job was caught under way")


def done(job) -> bool:
    return job["state"] == "done"


def words(client, job) -> list[dict]:
    """Return the words of the one version that a job has made."""
    versions = client.get(f"/v1/alignments/{job['alignment_id']}/versions").json()["items"]
    assert [version["version"] for version in versions] == [1]
    return client.get(f"/v1/alignments/{job['alignment_id']}?format=json").json()["words"]


@pytest.fixture(scope="session")
def expected(sung, tmp_path_factory):
    """How many words there are, and what `melisma.align` says of them where nobody is killed."""
    import json

    import melisma

    audio, lyrics = sung
    folder = tmp_path_factory.mktemp("expected")
    (folder / "song.wav").write_bytes(audio)
    (folder / "lyrics.txt").write_text(lyrics, encoding="utf-8")
    melisma.align(folder / "song.wav", folder / "lyrics.txt", language="en").save(folder / "song.json")
    return json.loads((folder / "song.json").read_text(encoding="utf-8"))["words"]


def test_an_alignment_whose_worker_is_killed_is_made_by_another_once_and_the_same(client, ask, work, expected):
    first = work()
    asked = caught(client, ask, first)
    first.kill()
    work()
    job = until(client, asked, done)
    assert (job["n_attempts"], [cause["kind"] for cause in job["causes"]]) == (2, ["WorkerDied"])
    assert words(client, asked) == expected


def test_an_alignment_whose_worker_is_asked_to_end_is_made_by_another(client, ask, work, expected):
    first = work("--threads", "2")
    asked = caught(client, ask, first)
    first.send_signal(signal.SIGTERM)
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE_S) == 0
    now = client.get(f"/v1/jobs/{asked['id']}").json()
    assert (now["state"], now["n_attempts"]) in (("queued", 0), ("done", 1))  # or it was quick enough
    work()
    assert until(client, asked, done)["causes"] == []
    assert words(client, asked) == expected


def test_a_worker_killed_between_its_effect_and_its_result_makes_no_second_version(client, asked, context, work):
    with context.database.begin() as session:
        job = ledger.claim(session, asked["id"], "one that dies", 30.0)
    made = align.run(context, job, lambda stage, share: None)
    with context.database.begin() as session:
        session.get(JobRow, job.id).lease_until = datetime.now(UTC) - timedelta(seconds=1)
    work()
    over = until(client, asked, done)
    assert over["result"] == made
    assert over["n_attempts"] == 2
    words(client, asked)


def test_an_alignment_that_is_cancelled_leaves_no_version(client, ask, context, work):
    work()
    for _ in range(20):  # one that is done before it is cancelled is asked for anew
        asked = ask()
        until(client, asked, begun)
        client.post(f"/v1/jobs/{asked['id']}/cancel")
        ends = time.monotonic() + PATIENCE_S
        while context.queue.get(asked["id"]).state is JobState.RUNNING and time.monotonic() < ends:
            time.sleep(0.05)
        if context.queue.get(asked["id"]).state is not JobState.DONE:
            break
    assert context.queue.get(asked["id"]).state is JobState.CANCELLED
    with context.database.begin() as session:
        assert alignments.current(session, asked["alignment_id"]).version == 0
    answer = client.get(f"/v1/alignments/{asked['alignment_id']}?format=json")
    assert answer.status_code == Conflict.http_status


def test_the_service_works_in_its_own_process_and_what_it_began_is_made_by_the_next(settings, sung, expected):
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from melisma.server.app import create_app

    audio, lyrics = sung
    alone = replace(settings, jobs=replace(settings.jobs, workers=1))

    @contextlib.contextmanager
    def service():
        with TestClient(create_app(Context(alone)), base_url="http://127.0.0.1:8765") as client:
            yield client

    with service() as client:
        song = client.post("/v1/songs", files={"audio": ("song.wav", audio)}, data={"title": "Alone"}).json()
        wish = {"song_id": song["id"], "lyrics": {"text": lyrics}, "language": "en"}
        asked = client.post("/v1/alignments", json=wish).json()
        until(client, asked, begun)
    with service() as client:
        assert until(client, asked, done)["causes"] == []
        assert words(client, asked) == expected


def test_settings_that_cannot_be_are_one_sentence(tmp_path):
    environ = {**os.environ, "MELISMA_DATA_DIR": str(tmp_path), "MELISMA_QUEUE_REDIS_URL": "http://nowhere"}
    ended = subprocess.run(PROGRAM, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "MELISMA_QUEUE_REDIS_URL" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
