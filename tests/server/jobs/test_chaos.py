"""Workers that are killed, servers that go away and come back: no job is lost, each is done once in its effect."""

from __future__ import annotations

import os
import signal
import time

import pytest

from melisma.server.jobs.records import JobState
from melisma.store.service.tables import JobRow

ON_SERVERS = pytest.mark.parametrize("deployment", ["servers"], indirect=True)


def pids(deployment) -> list[int]:
    return [int(line.split()[1]) for line in deployment.lines("begun")]


def all_done_once(jobs, deployment) -> None:
    assert [job.state for job in jobs] == [JobState.DONE] * len(jobs)
    assert [job.result for job in jobs] == [{"made": job.id} for job in jobs]
    assert sorted(deployment.lines("made")) == sorted(job.id for job in jobs)


def test_a_worker_killed_in_the_middle_loses_no_job(submit, processes, over, until, deployment):
    jobs = [submit("make", waits=True), *(submit("make") for _ in range(5))]
    first = processes()
    until(lambda: pids(deployment))
    first.kill()
    deployment.go()
    second = processes()
    done = over(*jobs)
    all_done_once(done, deployment)
    assert done[0].n_attempts == 2
    assert [cause["kind"] for cause in done[0].causes] == ["WorkerDied"]
    assert set(pids(deployment)) == {first.pid, second.pid}


def test_workers_that_are_killed_again_and_again_lose_no_job(submit, processes, over, until, deployment):
    jobs = [submit("make", seconds=0.3) for _ in range(12)]
    jobs += [submit("make", waits=True) for _ in range(6)]  # whoever is looked at late has begun these
    for n in range(3):
        process = processes(2)
        until(lambda pid=process.pid: pids(deployment).count(pid) > 1, f"the work of worker {n}")
        process.kill()
    deployment.go()
    processes(2)
    done = over(*jobs)
    assert {job.state for job in done} <= {JobState.DONE, JobState.FAILED}
    # Who was at the front three times when its worker was killed has ended as a job that kills would.
    unlucky = [job for job in done if job.state is JobState.FAILED]
    assert all(job.n_attempts == 3 for job in unlucky)
    all_done_once([job for job in done if job.state is JobState.DONE], deployment)


def test_a_job_that_kills_its_worker_ends_after_three_tries_with_its_reason(
    submit, processes, over, until, deployment, queue
):
    job, other = submit("poison", priority=9), submit("make")
    for n in range(3):
        process = processes()
        process.popen.wait(180)
        assert len([line for line in deployment.lines("begun") if line.startswith(job.id)]) == n + 1
    last = processes()
    failed, done = over(job, other)
    assert (failed.state, failed.n_attempts) == (JobState.FAILED, 3)
    assert [(cause["attempt"], cause["kind"], cause["stage"]) for cause in failed.causes] == [
        (n, "WorkerDied", "drinking") for n in (1, 2, 3)
    ]
    assert failed.problem["type"] == "/problems/worker-died"
    assert failed.problem["detail"].startswith(
        "3 tries came to nothing, each time for this: the worker died at 'drinking'"
    )
    all_done_once([done], deployment)
    assert last.popen.poll() is None


def test_a_worker_that_is_asked_to_end_gives_its_job_back_uncounted(submit, processes, over, until, deployment, queue):
    job = submit("make", waits=True)
    first = processes()
    until(lambda: pids(deployment))
    assert first.stop() == 0
    assert (queue.get(job.id).state, queue.get(job.id).n_attempts) == (JobState.QUEUED, 0)
    deployment.go()
    processes()
    done = over(job)
    all_done_once([done], deployment)
    assert (done.n_attempts, done.causes) == (1, [])


def test_two_workers_never_have_one_device_at_once(submit, processes, over, until, deployment, monkeypatch, tmp_path):
    monkeypatch.setenv("MELISMA_LOCK_DIR", str(tmp_path / "locks"))
    workers, jobs = [processes(2), processes(2)], []

    def both_have_had_it() -> bool:
        if len(jobs) < 200 and len(deployment.lines("device")) >= 2 * len(jobs) - 8:  # four of them wait at most
            jobs.extend(submit("lock", seconds=0.1) for _ in range(8))
        return {int(line.split()[1]) for line in deployment.lines("device")} == {worker.pid for worker in workers}

    until(both_have_had_it, "the turn of both workers")
    assert {job.state for job in over(*jobs)} == {JobState.DONE}
    events = [line.split() for line in deployment.lines("device")]
    took, left = events[::2], events[1::2]
    assert [event for event, *_ in took] == ["took"] * len(jobs)
    assert [["left", *who] for _, *who in took] == left


def test_a_device_is_free_again_when_its_holder_was_killed(
    submit, processes, over, until, deployment, monkeypatch, tmp_path
):
    monkeypatch.setenv("MELISMA_LOCK_DIR", str(tmp_path / "locks"))
    jobs = [submit("lock", seconds=3.0), submit("lock", seconds=0.1)]
    first = processes()
    until(lambda: deployment.lines("device"))
    first.kill()
    processes()
    assert {job.state for job in over(*jobs)} == {JobState.DONE}


def test_a_worker_that_stands_still_for_longer_than_its_lease_writes_no_second_result(
    submit, processes, over, until, deployment, queue
):
    job = submit("make", waits=True)
    first = processes()
    until(lambda: pids(deployment))
    os.kill(first.pid, signal.SIGSTOP)
    second = processes()
    until(lambda: second.pid in pids(deployment), "the work of the second one")
    deployment.go()
    done = over(job)
    os.kill(first.pid, signal.SIGCONT)
    last = submit("make")
    over(last)
    time.sleep(1.0)  # in which the first one would write
    assert queue.get(job.id) == done
    all_done_once([queue.get(job.id), queue.get(last.id)], deployment)


@ON_SERVERS
def test_redis_goes_and_comes_back_under_submissions(submit, processes, over, redis_server, deployment):
    process = processes(2)
    jobs = [submit("make", seconds=0.1) for _ in range(10)]
    redis_server.kill()
    jobs += [submit("make") for _ in range(10)]  # each is taken, though nobody can be told of it
    redis_server.start()  # empty: it kept nothing
    jobs += [submit("make") for _ in range(10)]
    all_done_once(over(*jobs), deployment)
    assert process.popen.poll() is None


@ON_SERVERS
def test_redis_is_away_when_a_worker_begins(submit, processes, over, redis_server, deployment):
    redis_server.kill()
    job = submit("make")
    processes()
    redis_server.start()
    all_done_once([over(job)], deployment)


@ON_SERVERS
def test_postgresql_goes_and_comes_back_while_a_job_ends(
    submit, processes, over, until, postgres, deployment, queue, context
):
    job = submit("deaf")
    process = processes()
    until(lambda: pids(deployment))
    postgres.stop()
    try:
        (deployment.effects / "go").touch()
        until(lambda: deployment.lines("made"))
        time.sleep(2.0)  # the worker has something to write and nowhere to
    finally:
        postgres.start()
    done = over(job)
    all_done_once([done], deployment)
    assert (done.n_attempts, done.causes) == (1, [])
    assert process.popen.poll() is None


@ON_SERVERS
def test_postgresql_goes_and_comes_back_under_load(submit, processes, over, until, postgres, deployment):
    jobs = [submit("make", seconds=0.2) for _ in range(30)]
    workers = [processes(2), processes(2)]
    until(lambda: len(deployment.lines("made")) > 3)
    postgres.kill()
    try:
        time.sleep(2.0)
    finally:
        postgres.start()
    jobs += [submit("make") for _ in range(5)]
    all_done_once(over(*jobs), deployment)
    assert [worker.popen.poll() for worker in workers] == [None, None]


@ON_SERVERS
def test_postgresql_is_away_for_longer_than_a_lease(submit, processes, over, until, postgres, deployment, context):
    job = submit("make", seconds=deployment.jobs.lease_s * 3)
    first = processes()
    second = processes()
    until(lambda: pids(deployment))
    postgres.stop()
    try:
        time.sleep(deployment.jobs.lease_s * 1.5)
    finally:
        postgres.start()
    done = over(job)
    all_done_once([done], deployment)
    assert (done.n_attempts, done.causes) == (1, [])  # who lives keeps its job
    assert [worker.popen.poll() for worker in (first, second)] == [None, None]


@ON_SERVERS
def test_postgresql_hangs_for_longer_than_a_lease(submit, processes, over, until, postgres, deployment):
    job = submit("make", seconds=deployment.jobs.lease_s * 3)
    workers = [processes(), processes()]
    until(lambda: pids(deployment))
    with postgres.frozen():
        time.sleep(deployment.jobs.lease_s * 1.5)
    done = over(job)
    all_done_once([done], deployment)
    assert (done.n_attempts, done.causes) == (1, [])
    assert [worker.popen.poll() for worker in workers] == [None, None]


@ON_SERVERS
def test_redis_hangs_under_submissions(submit, processes, over, redis_server, deployment):
    processes()
    jobs = [submit("make")]
    with redis_server.frozen():
        jobs.append(submit("make"))
    jobs.append(submit("make"))
    all_done_once(over(*jobs), deployment)


def test_the_ledger_keeps_nothing_of_those_who_worked(submit, processes, over, context):
    jobs = [submit("make") for _ in range(3)]
    processes()
    over(*jobs)
    with context.database.begin() as session:
        rows = [session.get(JobRow, job.id) for job in jobs]
    assert [row.lease_until for row in rows] == [None] * 3
