"""The whole service over HTTP while its servers go and come back, and while it is killed: nothing that it said is lost.

The processes are those that people start, PostgreSQL and Redis are real, the calls are bounded and stay on loopback.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")
import httpx
from load import DATABASE_AWAY, Load
from made_songs import wav
from programs import PATIENCE_S, Service, Worker, caught, ended, environment, over, song_of, until, versions

N_USERS, N_ROUNDS, N_EDITORS = 4, 10, 8
KINDS = {"upload", "read", "correct", "look"}  # that a user goes on with; `ask` ends by itself


@pytest.fixture(scope="module")
def sung(tmp_path_factory):
    """Made-up songs of 12 and 40 seconds, each with its lyrics."""
    from melisma.synth import write
    from melisma.synth.score import score_of_length

    found = []
    for seconds in (12, 40):
        folder = tmp_path_factory.mktemp("sung")
        write.save(score_of_length(seconds, "en", seed=1), folder, title="Chaos")
        found.append(((folder / "audio.wav").read_bytes(), (folder / "lyrics.txt").read_text(encoding="utf-8")))
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory, postgres, redis_process):
    """The settings of a service on PostgreSQL and Redis, with its cache in the database."""
    from melisma.store.database import Database

    if redis_process.process.poll() is not None:
        redis_process.start()
    url = postgres.new("served")
    cache = Database(url)
    cache.migrate()
    cache.close()
    redis_url = f"redis://127.0.0.1:{redis_process.port}/5"
    folder = tmp_path_factory.mktemp("served")
    said = {"MELISMA_DATABASE_URL": url, "MELISMA_QUEUE_REDIS_URL": redis_url, "MELISMA_CACHE_URL": ""}
    return folder, environment(folder / "data", **said)


@pytest.fixture(scope="module")
def on_servers(served):
    """Service and worker on PostgreSQL and Redis, for all tests that leave them as they were."""
    folder, environ = served
    service, worker = Service(environ, folder / "service.log"), Worker(environ, folder / "worker.log")
    with ended(service, worker):
        service.ready()
        worker.ready()
        yield service, worker


@pytest.fixture(scope="module")
def on_files(tmp_path_factory):
    """A service on SQLite files, and a worker beside it."""
    folder = tmp_path_factory.mktemp("files")
    environ = environment(folder / "data")
    service, worker = Service(environ, folder / "service.log"), Worker(environ, folder / "worker.log")
    with ended(service, worker):
        service.ready()
        worker.ready()
        yield service, worker


def asked(client: httpx.Client, n: int, audio: bytes, lyrics: str, **more: str) -> dict:
    """Bring a song and have it aligned; return the job."""
    form = {"lyrics": lyrics, "language": "en", **more}
    answer = client.post("/v1/alignments", files={"audio": ("song.wav", song_of(n, audio))}, data=form)
    assert answer.status_code == 202, answer.text
    return answer.json()


def aligned(client: httpx.Client, numbers: range, audio: bytes, lyrics: str) -> list[str]:
    """Return alignments of that many songs, each at its first version."""
    jobs = [asked(client, n, audio, lyrics) for n in numbers]
    assert [over(client, job["id"])["state"] for job in jobs] == ["done"] * len(jobs)
    return [job["alignment_id"] for job in jobs]


def everything_is_there(client: httpx.Client, load: Load) -> None:
    """Check that all that users were told is so, once, and that every job has ended well."""
    for user in load.users:
        for song_id, title in user.songs.items():
            assert client.get(f"/v1/songs/{song_id}").json()["title"] == title
        listed = client.get("/v1/songs", params={"search": user.name, "limit": 200}).json()
        assert [song["id"] for song in listed["items"]] == list(user.songs)[::-1][:200]
        for job_id, alignment_id in user.jobs.items():
            job = over(client, job_id)
            assert (job["state"], job["alignment_id"]) == ("done", alignment_id), job
            assert [each["version"] for each in versions(client, alignment_id)] == [1]
            jobs = client.get("/v1/jobs", params={"song_id": job["song_id"]}).json()["items"]
            assert [each["id"] for each in jobs] == [job_id]
        history = versions(client, user.alignment_id)
        assert [each["version"] for each in history] == list(range(1, len(history) + 1))
        assert {each["version"]: each["summary"] for each in history[1:]} == user.saved
        assert [each["parent"] for each in history[1:]] == [each["version"] for each in history[:-1]]


def reached(load: Load, phase: str, kinds: set[str], *statuses: int) -> None:
    """Wait until calls of these kinds were answered so in a phase."""

    def found() -> bool:
        if load.fault() is not None:
            raise load.fault()
        return kinds <= set(load.count(phase, *statuses))

    until(found, f"{statuses} of {kinds} {phase}")


@contextlib.contextmanager
def under_load(service: Service, number: int, alignment_ids: list[str], audio: bytes, lyrics: str):
    """Have users at work during the block, and their work held to what they were told behind it."""
    load = Load(service, number)
    load.begin(alignment_ids, audio, lyrics)
    try:
        yield load
        reached(load, "after", KINDS, 200, 201)
    finally:
        load.end()
    assert load.fault() is None, load.fault()


class Watcher(threading.Thread):
    """Somebody who watches a job; `events` are their names with the jobs."""

    def __init__(self, service: Service, job_id: str) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[str, dict]] = []
        self._client, self._path = service.client(), f"/v1/jobs/{job_id}/events"
        self.start()

    def run(self) -> None:
        name = ""
        with self._client as client, client.stream("GET", self._path) as stream:
            for line in stream.iter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    self.events.append((name, json.loads(value)))

    def finished(self) -> list[tuple[str, dict]]:
        self.join(PATIENCE_S)
        assert not self.is_alive(), self.events
        return self.events


def test_redis_goes_and_comes_back_under_calls_and_nobody_notices(on_servers, sung, redis_process):
    service, _ = on_servers
    with service.client() as client:
        ids = aligned(client, range(N_USERS), *sung[0])
        with under_load(service, 1, ids, *sung[0]) as load:
            reached(load, "before", KINDS, 200, 201)
            redis_process.stop()
            try:
                load.phase = "away"
                job = asked(client, 100, *sung[0])
                reached(load, "away", KINDS, 200, 201)
                ready = until(
                    lambda: (found := client.get("/readyz")).status_code == 503 and found.json(), "that it is known"
                )
            finally:
                redis_process.start()
            load.phase = "after"
        told = {check["name"]: (check["ok"], check["detail"]) for check in ready["checks"]}
        assert told["queue"] == (False, "the queue does not answer")
        assert told["database"] == (True, "")
        assert {status for user in load.users for *_, status in user.calls} <= {200, 201, 202}
        assert over(client, job["id"])["state"] == "done"
        everything_is_there(client, load)
        with redis_process.frozen():  # which takes connections and answers nothing
            job = asked(client, 101, *sung[0])
        assert over(client, job["id"])["state"] == "done"


def test_postgresql_goes_and_comes_back_under_calls_and_nothing_is_lost(on_servers, sung, postgres):
    service, worker = on_servers
    with service.client() as client:
        ids = aligned(client, range(200, 200 + N_USERS), *sung[0])
        with under_load(service, 2, ids, *sung[0]) as load:
            reached(load, "before", {*KINDS, "ask"}, 200, 201, 202)
            worker.pause()  # so that what is watched is not over before PostgreSQL goes
            try:
                watcher = Watcher(service, asked(client, 300, *sung[1], priority="-10")["id"])
                until(lambda: watcher.events, "the first event")
                postgres.stop()
            finally:
                worker.go_on()
            try:
                load.phase = "away"
                until(lambda: sum(load.count("away", 503).values()) >= 5 * N_USERS or load.fault(), "a refusal")
                refused = client.get(f"/v1/alignments/{ids[0]}")
                alive, ready = client.get("/healthz"), client.get("/readyz")
            finally:
                postgres.start()
            load.phase = "after"
        assert refused.json()["detail"] == DATABASE_AWAY
        assert (alive.status_code, ready.status_code) == (200, 503)
        assert {status for user in load.users for *_, status in user.calls} <= {200, 201, 202, 409, 503}
        everything_is_there(client, load)
        events = watcher.finished()
        assert ([name for name, _ in events][-1], events[-1][1]["state"]) == ("end", "done"), events
        assert worker.alive


def test_calls_wait_for_a_postgresql_that_hangs_and_are_answered_then(on_servers, sung, postgres):
    service, _ = on_servers
    with service.client() as client, ThreadPoolExecutor(4) as pool:
        (alignment_id,) = aligned(client, range(350, 351), *sung[0])
        save = {"version": 1, "edits": [{"op": "confirm", "words": [0, 1]}], "summary": "while it hangs"}
        with postgres.frozen():
            waiting = [pool.submit(client.get, f"/v1/alignments/{alignment_id}") for _ in range(3)]
            waiting.append(pool.submit(client.patch, f"/v1/alignments/{alignment_id}/words", json=save))
            assert client.get("/healthz").status_code == 200
            assert not any(call.done() for call in waiting)
        assert [call.result().status_code for call in waiting] == [200] * 4
        assert [each["version"] for each in versions(client, alignment_id)] == [1, 2]


@pytest.mark.parametrize("where", ["on_files", "on_servers"])
def test_of_editors_who_save_at_once_one_wins_each_round_and_the_others_are_told(where, sung, request):
    service, _ = request.getfixturevalue(where)
    with contextlib.ExitStack() as stack:
        editors = [stack.enter_context(service.client()) for _ in range(N_EDITORS)]
        (alignment_id,) = aligned(editors[0], range(400, 401), *sung[0])
        start = threading.Barrier(N_EDITORS)

        def save(n: int, version: int) -> httpx.Response:
            edits = [{"op": "retype", "word": 0, "text": f"la{n}"}]
            body = {"version": version, "edits": edits, "summary": f"{version} by {n}"}
            start.wait(PATIENCE_S)
            return editors[n].patch(f"/v1/alignments/{alignment_id}/words", json=body)

        won: list[int] = []
        with ThreadPoolExecutor(N_EDITORS) as pool:
            for version in range(1, N_ROUNDS + 1):
                answers = list(pool.map(save, range(N_EDITORS), [version] * N_EDITORS))
                statuses = [answer.status_code for answer in answers]
                assert sorted(statuses) == [200] + [409] * (N_EDITORS - 1)
                won.append(statuses.index(200))
                assert answers[won[-1]].json()["version"] == version + 1
                for answer in answers:
                    if answer.status_code == 409:
                        assert answer.json()["type"] == "/problems/version-conflict"
                        assert answer.json()["detail"] == (
                            f"this alignment is at version {version + 1} by now, the change was made on version "
                            f"{version}: load it anew and make the change there"
                        )
        history = versions(editors[0], alignment_id)
        assert [each["version"] for each in history] == list(range(1, N_ROUNDS + 2))
        assert [each["parent"] for each in history] == list(range(N_ROUNDS + 1))
        assert [each["summary"] for each in history[1:]] == [f"{n + 1} by {who}" for n, who in enumerate(won)]
        for version, who in enumerate(won, 2):
            found = editors[0].get(f"/v1/alignments/{alignment_id}/versions/{version}").json()
            assert found["words"][0]["text"] == f"la{who}"


def test_who_watches_a_job_whose_worker_stands_still_sees_another_one_end_it(on_servers, served, sung):
    import psycopg

    service, first = on_servers
    folder, environ = served
    with service.client() as client, contextlib.ExitStack() as stack:
        job = asked(client, 500, *sung[1])
        over(client, job["id"])
        watchers: list[Watcher] = []
        n_before = 0

        def ask() -> dict:
            nonlocal n_before
            n_before = len(versions(client, job["alignment_id"]))
            again = client.post(f"/v1/alignments/{job['alignment_id']}/regenerate", json={"engine": "phone"}).json()
            watchers.append(Watcher(service, again["id"]))
            return again

        def free(id: str) -> bool:
            with psycopg.connect(environ["MELISMA_DATABASE_URL"]) as connection:
                try:
                    connection.execute("SELECT id FROM service_jobs WHERE id = %s FOR UPDATE NOWAIT", (id,))
                except psycopg.errors.LockNotAvailable:
                    return False
            return True

        stack.callback(first.go_on)
        again = caught(client, first, ask, free)
        watcher = watchers[-1]
        second = Worker(environ, folder / "second.log")
        stack.enter_context(ended(second))
        events = watcher.finished()
        first.go_on()
        name, last = events[-1]
        assert (name, last["state"], last["n_attempts"]) == ("end", "done", 2)
        assert [cause["kind"] for cause in last["causes"]] == ["WorkerDied"]
        assert {name for name, _ in events[:-1]} == {"progress"}
        until(lambda: f"job {again['id']} ends before its time" in first.log.read_text("utf-8", "replace"), "its end")
        assert len(versions(client, job["alignment_id"])) == n_before + 1
        assert client.get(f"/v1/jobs/{again['id']}").json() == last


@contextlib.contextmanager
def half_sent(service: Service, body: bytes, boundary: str, key: str):
    """Send a part of an upload, and keep the connection."""
    head = [
        "POST /v1/songs HTTP/1.1",
        f"Host: 127.0.0.1:{service.port}",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        f"Content-Length: {len(body)}",
        f"Idempotency-Key: {key}",
    ]
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body[: len(body) // 2])
        yield connection


@pytest.mark.parametrize("deployment", ["files", "servers"])
def test_a_service_killed_during_uploads_and_corrections_leaves_nothing_half(deployment, tmp_path, sung, request):
    said = {}
    if deployment == "servers":
        said["MELISMA_DATABASE_URL"] = request.getfixturevalue("postgres").new("served")
        said["MELISMA_QUEUE_REDIS_URL"] = request.getfixturevalue("redis_url")
    environ = environment(tmp_path / "data", **said)
    incoming = tmp_path / "data" / "files" / "incoming"
    (audio, lyrics), recording = sung[0], wav(30.0, seed=9)
    request = httpx.Request("POST", "http://x/", files={"audio": ("half.wav", recording)})
    boundary, body = request.headers["Content-Type"].partition("boundary=")[2], request.read()
    first = Service(environ, tmp_path / "first.log")
    worker = Worker(environ, tmp_path / "worker.log")
    with ended(first, worker):
        worker.ready()
        with first.client() as client:
            (alignment_id,) = aligned(client, range(1), audio, lyrics)
        saved, asks = {1: "by phone"}, []

        def correct() -> None:
            with first.client() as client, contextlib.suppress(httpx.TransportError):
                for version in range(1, 200):
                    said = {"version": version, "edits": [{"op": "confirm", "words": [0, 1]}], "summary": str(version)}
                    answer = client.patch(f"/v1/alignments/{alignment_id}/words", json=said)
                    assert answer.status_code == 200, answer.text
                    saved[version + 1] = str(version)

        def ask() -> None:
            with first.client() as client, contextlib.suppress(httpx.TransportError):
                for n in range(100, 130):
                    asks.append(n)
                    form = {"files": {"audio": ("a.wav", song_of(n, audio))}, "data": {"lyrics": lyrics}}
                    answer = client.post("/v1/alignments", headers={"Idempotency-Key": f"ask-{n}"}, **form)
                    assert answer.status_code == 202, answer.text

        with half_sent(first, body, boundary, "half"), ThreadPoolExecutor(2) as pool:
            users = [pool.submit(correct), pool.submit(ask)]
            waits = lambda: any(path.stat().st_size > 100_000 for path in incoming.glob("*"))  # noqa: E731
            until(lambda: len(saved) > 3 and len(asks) > 2 and waits(), "work to be killed in")
            first.kill()
        for user in users:
            user.result()
    assert list(incoming.iterdir())  # what was half there
    second = Service(environ, tmp_path / "second.log")
    with ended(second), second.client() as client:
        assert list(incoming.iterdir()) == []
        assert client.get("/v1/songs", params={"search": "half"}).json()["items"] == []
        history = versions(client, alignment_id)
        assert [each["version"] for each in history] == list(range(1, len(history) + 1))
        assert len(history) in (len(saved), len(saved) + 1)  # the last answer may have been on its way
        assert {each["version"]: each["summary"] for each in history[1 : len(saved)]} == {
            version: summary for version, summary in saved.items() if version > 1
        }
        for n in asks[-2:]:  # one that was answered, and the one that was not, both sent again, twice
            form = {"files": {"audio": ("a.wav", song_of(n, audio))}, "data": {"lyrics": lyrics}}
            again = [client.post("/v1/alignments", headers={"Idempotency-Key": f"ask-{n}"}, **form) for _ in range(2)]
            assert [answer.status_code for answer in again] == [202, 202]
            assert again[0].json()["id"] == again[1].json()["id"]
            assert again[1].headers["Idempotency-Replayed"] == "true"
            job = again[0].json()
            listed = client.get("/v1/jobs", params={"song_id": job["song_id"]}).json()["items"]
            assert [each["id"] for each in listed] == [job["id"]]
        headers = {"Idempotency-Key": "half", "Content-Type": request.headers["Content-Type"]}
        again = [client.post("/v1/songs", content=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in again] == [201, 201]
        assert again[0].json()["id"] == again[1].json()["id"]
        assert len(client.get("/v1/songs", params={"search": "half"}).json()["items"]) == 1
        kept = client.get(f"/v1/songs/{again[0].json()['id']}/audio")
        assert kept.content == recording
