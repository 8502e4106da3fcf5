"""The commands that stand in the deployment's files, run as processes on loopback: no Docker engine runs here.

They are parsed out of Dockerfile and compose.yaml, and run under the environment that stands there, with PostgreSQL and
Redis that are real and lie elsewhere. What a container adds (its user, its volumes, tini) is not run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from melisma.synth import write
from melisma.synth.score import score_of_length

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
TOKEN = "a-token-that-is-long"
PATIENCE_S = 180.0  # on a machine that has much else to do


def of_image(name: str) -> str:
    """Return the last value of an instruction of the Dockerfile."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return [line.partition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")][-1]


def command_of(service: str) -> list[str]:
    """Return what a container of a service runs, without tini, by the interpreter of the tests."""
    entry = json.loads(of_image("ENTRYPOINT"))
    assert entry[:2] == ["tini", "--"]
    program, *rest = [*entry[2:], *SERVICES[service].get("command", json.loads(of_image("CMD")))]
    assert program == "melisma"
    return [sys.executable, "-m", "melisma.cli.main", *map(str, rest)]


@pytest.fixture
def environ(tmp_path, postgres, redis_server):
    """What the containers' processes see, but for where the servers and the data are."""
    image = dict(part.split("=", 1) for part in of_image("ENV").split())
    said = {name: str(value) for name, value in SERVICES["service"]["environment"].items()}
    said = {name: value for name, value in {**image, **said}.items() if name != "PATH"}
    base = postgres.new().rpartition("/")[2]
    for name, value in said.items():
        value = value.replace("postgres:5432/melisma", f"127.0.0.1:{postgres.port}/{base}")
        value = value.replace("redis:6379", f"127.0.0.1:{redis_server.port}")
        said[name] = re.sub(r"^/(data|cache)", rf"{tmp_path}/\1", value)
    assert said["MELISMA_HOST"] == "0.0.0.0"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MELISMA_")}
    # Nobody but this machine is to reach a test, and two tests may not want one port.
    return {**ours, **said, "MELISMA_HOST": "127.0.0.1", "MELISMA_PORT": "0", "MELISMA_API_TOKENS": f"ann:{TOKEN}"}


@contextlib.contextmanager
def running(command: list[str], environ: dict[str, str], log: Path):
    """Start a process whose errors go to a file; it is told to stop behind the block, as Docker tells it."""
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(said, seconds: float = PATIENCE_S):
    """Wait for something to be said."""
    ends = time.monotonic() + seconds
    while not (found := said()):
        if time.monotonic() > ends:
            pytest.fail("nothing came of it in time")
        time.sleep(0.1)
    return found


def ready(client: httpx.Client) -> bool | None:
    """Return whether a service says that it can work; what it asks has seconds to answer, which may be too few once."""
    answer = client.get("/readyz")
    return answer.json()["ready"] if answer.status_code == 200 else None


@pytest.fixture
def deployed(environ, tmp_path):
    """The service and a worker, started as compose.yaml starts them: migrate first, then both."""
    done = subprocess.run(command_of("migrate"), env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (
        running(command_of("service"), environ, tmp_path / "service.log") as service,
        running(command_of("worker"), environ, tmp_path / "worker.log"),
    ):
        line = service.stdout.readline()
        found = re.fullmatch(r"Melisma is at (http://127\.0\.0\.1:\d+)/studio/\n", line)
        assert found, (line, (tmp_path / "service.log").read_text())
        with httpx.Client(
            base_url=found[1], headers={"Authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE_S, trust_env=False
        ) as client:
            yield client


def test_a_song_is_aligned_by_what_compose_starts(deployed, environ, tmp_path):
    assert deployed.get("/healthz").status_code == 200
    assert until(lambda: ready(deployed)) is True
    assert deployed.get("/v1/songs", headers={"Authorization": ""}).status_code == 401
    assert deployed.get("/studio/").status_code == 200

    write.save(score_of_length(25, "en", seed=21), tmp_path / "song", title="Test")
    lyrics = (tmp_path / "song" / "lyrics.txt").read_text(encoding="utf-8")
    with (tmp_path / "song" / "audio.wav").open("rb") as audio:
        asked = deployed.post(
            "/v1/alignments",
            files={"audio": ("song.wav", audio, "audio/wav")},
            data={"lyrics": lyrics, "language": "en"},
        )
    assert asked.status_code == 202, asked.text
    job = asked.json()

    def over():
        found = deployed.get(f"/v1/jobs/{job['id']}").json()
        return found if found["state"] in ("done", "failed", "cancelled") else None

    ended = until(over)
    assert ended["state"] == "done", ended
    aligned = deployed.get(f"/v1/alignments/{job['alignment_id']}")
    assert aligned.status_code == 200
    words = aligned.json()["words"]
    assert [word["text"] for word in words] == lyrics.split()
    assert sum(word["start_ms"] is not None for word in words) >= 0.8 * len(words)


def test_the_checks_of_the_containers_tell_well_from_ill(deployed, environ):
    """The HEALTHCHECK of the image and those of compose.yaml, run beside what they look at."""
    port = str(deployed.base_url.port)
    image = json.loads(of_image("HEALTHCHECK").partition("CMD ")[2])
    service = SERVICES["service"]["healthcheck"]["test"][1:]
    for test in (image, service):
        assert test[0].startswith("python")
        code = test[2].replace(":8765/", f":{port}/")

        def well(at, code=code):
            run = [sys.executable, "-c", code.replace(f":{port}/", f":{at}/")]
            return subprocess.run(run, env={**environ, "MELISMA_PORT": at}, capture_output=True, check=False)

        until(lambda well=well: well(port).returncode == 0)  # it has seconds: a busy machine gets more than one try
        assert well("1").returncode != 0
    worker = SERVICES["worker"]["healthcheck"]["test"]
    assert worker[:2] == ["CMD", "melisma"]
    check = [sys.executable, "-m", "melisma.cli.main", *worker[2:]]
    until(lambda: subprocess.run(check, env=environ, capture_output=True, check=False).returncode == 0)
    ill = {**environ, "MELISMA_QUEUE_REDIS_URL": "redis://127.0.0.1:1/1"}
    assert subprocess.run(check, env=ill, capture_output=True, check=False).returncode == 1


def test_the_image_alone_needs_no_server(environ, tmp_path):
    """`docker run` of the image: SQLite on its volume, and a thread of the service that works."""
    alone = {name: value for name, value in environ.items() if not re.fullmatch(r"MELISMA_.*(URL|WORKERS)", name)}
    alone.pop("MELISMA_DATA_DIR")
    command = [sys.executable, "-m", "melisma.cli.main", *json.loads(of_image("CMD"))]
    with running(command, alone, tmp_path / "log") as service:
        found = re.search(r"http://127\.0\.0\.1:\d+", service.stdout.readline())
        assert found, (tmp_path / "log").read_text()
        with httpx.Client(base_url=found[0], timeout=PATIENCE_S, trust_env=False) as client:
            assert until(lambda: ready(client)) is True
    assert (tmp_path / "data" / "melisma" / "service" / "melisma.sqlite").exists()


def test_the_image_alone_lets_nobody_in_without_a_token(environ, tmp_path):
    told = {**environ, "MELISMA_HOST": "0.0.0.0", "MELISMA_API_TOKENS": ""}
    done = subprocess.run(command_of("service"), env=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "where others can reach it, without a token" in done.stderr
