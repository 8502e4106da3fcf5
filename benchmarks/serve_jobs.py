"""What a job costs that does nothing: `python benchmarks/serve_jobs.py [--postgresql URL --redis URL]`.

Some hundred empty jobs are handed in, then worked off by workers in processes of their own: jobs handed in a second,
jobs done a second. Then single jobs are handed in to an idle worker, one after the other: how long each waits until it
begins. First on SQLite files; then on PostgreSQL and Redis, where both URLs are given. The PostgreSQL database has to
be migrated (`melisma service migrate`) and without jobs, the Redis empty; what is put in is taken out again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from melisma.server.context import Context
from melisma.server.jobs.queue import Queue
from melisma.server.jobs.records import Job, JobState
from melisma.server.settings import JobSettings, Limits, ServiceSettings
from melisma.server.worker import serve
from melisma.store.service.tables import JobRow

N_JOBS, N_SINGLE = 500, 60
PAUSE_S = 0.3  # between two single jobs, so that the worker has nothing to do
LIMIT_S = 120.0  # for all jobs of one line
KINDS: Mapping[str, str] = {"empty": "__main__"}


def run(context: Context, job: Job, report: object) -> dict[str, object]:
    return {}


def context_of(data: Path, database_url: str, redis_url: str) -> Context:
    jobs, limits = JobSettings(redis_url=redis_url), Limits(queued_jobs=10 * N_JOBS)
    context = Context(ServiceSettings(data=data, database_url=database_url, jobs=jobs, limits=limits))
    context.__dict__["queue"] = Queue(context, KINDS)
    return context


@contextmanager
def workers(n_processes: int, n_threads: int, *where: str) -> Iterator[None]:
    command = [sys.executable, __file__, "--work", json.dumps([n_threads, *where])]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(n_processes)]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.communicate(timeout=30)


def until_done(queue: Queue, n: int) -> None:
    ends = time.monotonic() + LIMIT_S
    while queue.depth()[JobState.DONE] < n:
        if time.monotonic() > ends:
            sys.exit(f"not done after {LIMIT_S:g} s: {queue.depth()}")
        time.sleep(0.05)


def measure(name: str, n_processes: int, n_threads: int, *where: str) -> None:
    from sqlalchemy import delete, func, select

    context = context_of(Path(where[0]), *where[1:])
    queue = context.queue
    queue.transport.ping()
    before = time.perf_counter()
    for _ in range(N_JOBS):
        queue.submit("empty", {})
    in_s = (time.perf_counter() - before) / N_JOBS
    with workers(n_processes, n_threads, *where):
        until_done(queue, N_JOBS)
        with context.database.begin() as session:
            first, last = session.execute(select(func.min(JobRow.started_at), func.max(JobRow.finished_at))).one()
        waits = []
        for n in range(N_SINGLE):
            time.sleep(PAUSE_S)
            job = queue.submit("empty", {})
            until_done(queue, N_JOBS + n + 1)
            done = queue.get(job.id)
            assert done.started_at is not None
            waits.append((done.started_at - done.created_at).total_seconds() * 1000)
    with context.database.begin() as session:
        session.execute(delete(JobRow).where(JobRow.kind == "empty"))
    context.close()
    rate = N_JOBS / (last - first).total_seconds()
    middle, high = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
    print(
        f"| {name} | {n_processes} × {n_threads} | {1 / in_s:.0f} | {rate:.0f} | {middle:.0f} | {high:.0f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--postgresql", default="")
    parser.add_argument("--redis", default="")
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.work:
        n_threads, data, *urls = json.loads(said.work)
        serve(context_of(Path(data), *urls), n_threads, lambda: print("working", flush=True), KINDS)
        return
    print(f"load {os.getloadavg()[0]:.1f}, {N_JOBS} jobs\n")
    print(
        "| queue | processes × threads | in, 1/s | done, 1/s | wait, ms (median) | (95 %) |\n|---|---|---|---|---|---|"
    )
    for shape in ((1, 1), (1, 4), (2, 1)):
        with tempfile.TemporaryDirectory() as folder:
            measure("SQLite", *shape, folder, "", "")
            if said.postgresql and said.redis:
                measure("PostgreSQL, Redis", *shape, folder, said.postgresql, said.redis)


if __name__ == "__main__":
    main()
