"""`melisma serve` and `melisma worker` as people start them: processes that can be killed, stopped and started anew."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

PATIENCE_S = 120.0  # on a machine that has much else to do; nothing waits so long unless it has failed
NEARLY_DONE = 95.0  # percent: what is left is to write the result down
MELISMA = (sys.executable, "-m", "melisma.cli.main")


def until(found, what: str, seconds: float = PATIENCE_S):
    """Wait for something to be so; return it."""
    ends = time.monotonic() + seconds
    while not (said := found()):
        if time.monotonic() > ends:
            pytest.fail(f"{what} did not come")
        time.sleep(0.03)
    return said


class Program:
    """A process of ours whose log lies in a file.

    Parameters
    ----------
    arguments : tuple of str
        Behind `melisma`.
    environ : dict of str to str
        Beside the environment of the tests.
    log : Path
        Where its output goes.
    before : tuple of str
        What stands in front of the command, as nsenter does.
    """

    said = re.compile("")  # what it says when it is ready

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str], log: Path, before: tuple[str, ...] = ()):
        self.log = log
        given = {**os.environ, "PYTHONUNBUFFERED": "1", **environ}
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                [*before, *MELISMA, *arguments], env=given, stdout=output, stderr=subprocess.STDOUT
            )

    def ready(self) -> re.Match[str]:
        """Wait until it has said that it is ready; return what it said."""

        def spoken() -> re.Match[str] | None:
            found = self.said.search(self.log.read_text("utf-8", "replace"))
            if found is None and self.popen.poll() is not None:
                pytest.fail(f"it did not begin: {self.log.read_text('utf-8', 'replace')[-3000:]}")
            return found

        return until(spoken, "the start of a process")

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(60)

    def pause(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None


class Worker(Program):
    said = re.compile(r"a worker waits for jobs in .+\n")

    def __init__(self, environ: dict[str, str], log: Path, before: tuple[str, ...] = ()) -> None:
        super().__init__(("worker",), environ, log, before)


class Service(Program):
    said = re.compile(r"Melisma is at (http://127\.0\.0\.1:(\d+))/studio/\n")

    def __init__(self, environ: dict[str, str], log: Path, before: tuple[str, ...] = (), port: int = 0) -> None:
        super().__init__(("serve", "--workers", "0", "--port", str(port)), environ, log, before)

    @property
    def address(self) -> str:
        return self.ready()[1]

    @property
    def port(self) -> int:
        return int(self.ready()[2])

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=PATIENCE_S, trust_env=False)


def environment(data: Path, **more: str) -> dict[str, str]:
    """Return the settings of a service and its workers that nobody else is to reach."""
    # Calls are counted, in Redis where there is one, and none is one too many.
    said = {"MELISMA_DATA_DIR": str(data), "MELISMA_REQUESTS_PER_MINUTE": "100000", "MELISMA_LOG": "json"}
    return {**said, "MELISMA_JOB_LEASE_S": "4", "MELISMA_JOB_RETRY_S": "0.2", **more}


@contextlib.contextmanager
def ended(*programs: Program):
    """Kill what is left of processes behind the block."""
    try:
        yield
    finally:
        for program in programs:
            program.kill()


def over(client: httpx.Client, job_id: str) -> dict:
    """Wait for the end of a job; return it."""

    def found() -> dict | None:
        job = client.get(f"/v1/jobs/{job_id}").json()
        return job if job.get("state") in ("done", "failed", "cancelled") else None

    return until(found, f"the end of the job {job_id}")


def caught(client: httpx.Client, worker: Worker, ask: Callable[[], dict], free: Callable[[str], bool]) -> dict:
    """Have a job made and stop its worker amid it; return the job. One that is over sooner is asked for anew.

    `free` says of a job's id whether the worker stands without a lock that others need.
    """
    for _ in range(40):
        job = ask()

        def now(id: str = job["id"]) -> dict:
            return client.get(f"/v1/jobs/{id}").json()

        def begun(now: Callable[[], dict] = now) -> bool:
            return (found := now())["state"] not in ("queued", "running") or found["percent"] > 0

        until(begun, "the begin of a job")
        worker.pause()
        found = now()
        if found["state"] == "running" and found["percent"] < NEARLY_DONE and free(job["id"]):
            return job
        worker.go_on()
        over(client, job["id"])
    pytest.fail("no job was caught under way")


def versions(client: httpx.Client, alignment_id: str) -> list[dict]:
    """Return all versions of an alignment, the first one first."""
    found: list[dict] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = client.get(f"/v1/alignments/{alignment_id}/versions", params=query).json()
        found, cursor = found + page["items"], page["next"]
    return found[::-1]


def song_of(n: int, audio: bytes) -> bytes:
    """Return a WAV file of other bytes and the same sound: with a chunk behind it that no decoder reads."""
    body = audio + b"note" + (8).to_bytes(4, "little") + n.to_bytes(8, "little")
    return body[:4] + (len(body) - 8).to_bytes(4, "little") + body[8:]
