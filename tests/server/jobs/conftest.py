"""Both ways to run the service: everything in SQLite files, or PostgreSQL with Redis; and worker processes."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import job_handlers  # noqa: E402

from melisma.server.context import Context  # noqa: E402
from melisma.server.jobs.queue import Queue  # noqa: E402
from melisma.server.settings import JobSettings, ServiceSettings  # noqa: E402
from melisma.server.worker import Worker  # noqa: E402

PATIENCE_S = 180.0  # on a machine that has much else to do
LEASE_S = 4.0


@dataclass(frozen=True)
class Deployment:
    """Where the parts of a service are."""

    name: str
    data: Path
    database_url: str
    jobs: JobSettings

    @property
    def effects(self) -> Path:
        """The folder in which handlers leave what they did."""
        return self.data / "effects"

    def context(self) -> Context:
        context = Context(ServiceSettings(data=self.data, database_url=self.database_url, jobs=self.jobs))
        context.__dict__["queue"] = Queue(context, job_handlers.KINDS)
        return context

    def go(self) -> None:
        """Let the jobs go on that wait for that."""
        (self.effects / "go").touch()

    def lines(self, name: str) -> list[str]:
        """What handlers wrote into a file, a line at a time."""
        path = self.effects / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(params=["sqlite", "servers"])
def deployment(request, tmp_path):
    jobs = {"lease_s": LEASE_S, "retry_s": 0.1}
    url = ""
    if request.param == "servers":
        url = request.getfixturevalue("postgres").new("served")
        jobs["redis_url"] = request.getfixturevalue("redis_url")
    made = Deployment(request.param, tmp_path / "data", url, JobSettings(**jobs))
    made.effects.mkdir(parents=True)
    return made


@pytest.fixture
def context(deployment):
    context = deployment.context()
    yield context
    context.close()


@pytest.fixture
def queue(context):
    return context.queue


@pytest.fixture
def submit(queue, deployment):
    """Submit a job that leaves its effects in the deployment's folder."""

    def submit(kind: str, *, priority: int = 0, **request):
        return queue.submit(kind, {"folder": str(deployment.effects), **request}, priority=priority)

    return submit


@pytest.fixture
def working(context):
    """Work in threads of this process."""

    @contextlib.contextmanager
    def working(n_threads: int = 1):
        with Worker(context, n_threads, job_handlers.KINDS) as worker:
            yield worker

    return working


@pytest.fixture
def until(queue):
    """Wait for something to be so."""

    def until(found, what: str = "what was waited for"):
        ends = time.monotonic() + PATIENCE_S
        while not found():
            if time.monotonic() > ends:
                listed = "\n".join(map(str, queue.page()[0]))
                pytest.fail(f"{what} did not come:\n{listed}")
            time.sleep(0.05)

    return until


@pytest.fixture
def over(queue, until):
    """Wait for jobs to be over; return them as they are then."""

    def over(*jobs):
        until(lambda: all(queue.get(job.id).state.over for job in jobs), "the end of these jobs")
        found = [queue.get(job.id) for job in jobs]
        return found[0] if len(found) == 1 else found

    return over


class Process:
    """A worker in a process of its own."""

    def __init__(self, deployment: Deployment, n_threads: int) -> None:
        self.log = deployment.data / f"worker-{time.monotonic_ns()}.log"
        given = {
            "data": str(deployment.data),
            "database_url": deployment.database_url,
            "jobs": asdict(deployment.jobs),
            "n_threads": n_threads,
        }
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(
                [sys.executable, str(HERE / "worker_process.py"), json.dumps(given)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        said = self.popen.stdout.readline()
        if said != "working\n":
            self.popen.kill()
            pytest.fail(f"the worker did not begin: {self.log.read_text()}")

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(PATIENCE_S)

    def stop(self) -> int:
        """Ask the process to end as a container's engine does; return its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(PATIENCE_S)

    def close(self) -> None:
        if self.popen.poll() is None:
            self.kill()
        self.popen.stdout.close()


@pytest.fixture
def processes(deployment):
    """Start workers in processes of their own."""
    started = []

    def start(n_threads: int = 1) -> Process:
        started.append(Process(deployment, n_threads))
        return started[-1]

    yield start
    for process in started:
        process.close()
