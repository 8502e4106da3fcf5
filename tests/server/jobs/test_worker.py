"""A worker in threads of this process, as `melisma serve` has it, on SQLite and on PostgreSQL with Redis."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from melisma.core.errors import NotFound, UnknownName
from melisma.server.jobs.records import JobState
from melisma.server.jobs.runner import given_up
from melisma.store.service import jobs as ledger
from melisma.store.service.tables import JobRow


def begun(deployment) -> list[str]:
    return [line.split()[0] for line in deployment.lines("begun")]


def test_jobs_are_done_and_their_results_kept(submit, working, over, deployment):
    jobs = [submit("make", name=f"n{n}") for n in range(20)]
    with working(3):
        done = over(*jobs)
    assert [(job.state, job.result, job.percent, job.n_attempts) for job in done] == [
        (JobState.DONE, {"made": job.id}, 100.0, 1) for job in jobs
    ]
    assert sorted(deployment.lines("made")) == sorted(job.id for job in jobs)


def test_what_has_priority_goes_first_and_what_came_first_goes_before_its_equals(submit, working, over, deployment):
    jobs = [submit("make", priority=priority) for priority in (0, 0, 5, -5, 5)]
    with working():
        over(*jobs)
    assert begun(deployment) == [jobs[n].id for n in (2, 4, 0, 1, 3)]


def test_progress_is_seen_while_a_job_runs(submit, working, queue, until, over, deployment):
    job = submit("make", waits=True)
    with working():
        until(lambda: queue.get(job.id).percent > 0)
        now = queue.get(job.id)
        assert (now.state, now.stage) == (JobState.RUNNING, "making")
        assert now.percent < 100
        deployment.go()
        assert over(job).state is JobState.DONE


def test_a_kind_that_is_not_there_is_refused(queue):
    with pytest.raises(UnknownName, match="no kind of job is called 'nonsense'; there are: deaf, lock, make"):
        queue.submit("nonsense", {})
    assert queue.depth()[JobState.QUEUED] == 0


def test_a_job_that_was_cancelled_before_its_turn_never_begins(submit, working, queue, over, deployment):
    cancelled, other = submit("make", priority=9), submit("make")
    assert queue.cancel(cancelled.id).state is JobState.CANCELLED
    with working():
        over(other)
    assert begun(deployment) == [other.id]


def test_a_cancelled_job_ends_whatever_its_handler_catches(submit, working, queue, until, over, deployment):
    job, next_one = submit("swallow"), submit("make")
    with working():
        until(lambda: begun(deployment))
        assert queue.cancel(job.id).cancel_wanted
        assert over(job).state is JobState.CANCELLED
        assert over(next_one).state is JobState.DONE
    assert deployment.lines("swallowed") == []


@pytest.mark.parametrize("error", ["engine", "unfetched", "unknown", "exit"])
def test_what_may_pass_is_tried_again_and_each_cause_is_kept(submit, working, over, error):
    job = submit("stumble", times=2, error=error)
    with working():
        done = over(job)
    assert (done.state, done.result, done.n_attempts, done.problem) == (JobState.DONE, {"tries": 3}, 3, None)
    assert [cause["attempt"] for cause in done.causes] == [1, 2]
    assert {cause["stage"] for cause in done.causes} == {"stumbling"}


def test_the_third_failure_is_the_last_and_says_all_of_them(submit, working, over):
    job = submit("stumble", times=9, error="engine")
    with working():
        failed = over(job)
    assert (failed.state, failed.n_attempts, len(failed.causes)) == (JobState.FAILED, 3, 3)
    assert (failed.problem["type"], failed.problem["status"]) == ("/problems/engine-failed", 502)
    said = "the server gave no usable answer"
    assert failed.problem["detail"] == f"3 tries came to nothing, each time for this: {said}"


def test_the_causes_of_all_tries_are_said_where_they_differ():
    problem = {"status": 502, "detail": "the last"}
    said = given_up(problem, [{"detail": "the first"}, {"detail": "the last"}])
    assert said == {"status": 502, "detail": "2 tries came to nothing: 1. the first; 2. the last"}
    assert given_up(problem, [{"detail": "the last"}]) == problem


def test_what_an_unknown_fault_says_stays_in_the_log(submit, working, over, caplog):
    job = submit("stumble", times=9, error="unknown")
    with working():
        failed = over(job)
    assert "secret" not in str((failed.problem, failed.causes))
    assert "/secret/path fell over" in caplog.text


@pytest.mark.parametrize(("error", "status"), [("input", 422), ("missing", 501), ("engine missing", 501)])
def test_what_cannot_pass_is_not_tried_again(submit, working, over, error, status):
    job = submit("stumble", times=9, error=error)
    with working():
        failed = over(job)
    assert (failed.state, failed.n_attempts, failed.problem["status"]) == (JobState.FAILED, 1, status)


def test_a_result_that_is_no_json_is_a_failure(submit, working, over):
    job = submit("numbers")
    with working():
        assert over(job).state is JobState.FAILED


def test_a_message_that_comes_often_is_one_job(submit, working, over, queue, deployment):
    job, last = submit("make", seconds=0.2), submit("make", priority=-1)
    for _ in range(10):
        queue.transport.send(job.id)
    with working(3):
        over(job, last)
    assert sorted(begun(deployment)) == sorted([job.id, last.id])


def test_a_message_that_was_lost_is_sent_again(submit, working, over, queue):
    job = submit("make")
    assert queue.transport.take().id == job.id
    with working():
        assert over(job).state is JobState.DONE


def test_a_message_of_no_job_and_one_that_is_none_are_passed_over(submit, working, over, queue):
    queue.transport.send("f" * 32, priority=9)
    with queue.transport._meaning() as (huey, _):
        for data in (b"\x80\x05.", b"{}", b'{"job": "../..", "priority": 0}', b"[1]" * 1000, b"\xff"):
            huey.storage.enqueue(data, 9)
    job = submit("make")
    with working():
        assert over(job).state is JobState.DONE


def test_a_worker_that_stops_finishes_what_is_nearly_done(submit, working, queue, until, deployment):
    job = submit("make", seconds=0.5)
    with working():
        until(lambda: begun(deployment))
    assert queue.get(job.id).state is JobState.DONE


def test_a_worker_that_stops_gives_back_what_is_not(submit, working, queue, until, over, deployment):
    job = submit("make", seconds=60.0)
    with working() as worker:
        until(lambda: begun(deployment))
        worker.stop(finish_s=0.1)
    back = queue.get(job.id)
    assert (back.state, back.n_attempts, back.causes, back.worker) == (JobState.QUEUED, 0, [], "")
    assert job.id in queue.transport.waiting()


def test_a_handler_that_hears_nothing_loses_its_job_when_its_worker_stops(
    submit, working, queue, until, over, deployment
):
    job = submit("deaf")
    with working() as worker:
        until(lambda: begun(deployment))
        worker.stop(finish_s=0.1, end_s=0.1)
    assert (queue.get(job.id).state, queue.get(job.id).n_attempts) == (JobState.QUEUED, 0)
    (deployment.effects / "go").touch()
    until(lambda: deployment.lines("made"))
    time.sleep(0.2)  # in which the thread that was given up would write its result
    assert queue.get(job.id).state is JobState.QUEUED
    with working():
        assert over(job).result == {"made": job.id}


def test_a_worker_whose_job_went_to_another_ends_it_without_a_trace(submit, working, context, until, deployment, queue):
    job = submit("make", seconds=60.0)
    with working():
        until(lambda: begun(deployment))
        with context.database.begin() as session:
            row = session.get(JobRow, job.id)
            row.worker, row.lease_until = "another", datetime.now(UTC) + timedelta(hours=1)
        next_one = submit("make")
        until(lambda: queue.get(next_one.id).state.over)
    now = queue.get(job.id)
    assert (now.state, now.worker) == (JobState.RUNNING, "another")


def test_a_lease_that_is_over_is_anothers_and_the_dead_worker_counts_as_a_try(submit, working, context, over, queue):
    job = submit("make")
    with context.database.begin() as session:
        ledger.claim(session, job.id, "a dead one", 30.0)
        ledger.report(session, job.id, "a dead one", "listening", 50.0)
        session.get(JobRow, job.id).lease_until = datetime.now(UTC) - timedelta(seconds=1)
    with working():
        done = over(job)
    assert (done.state, done.n_attempts) == (JobState.DONE, 2)
    assert [(cause["kind"], cause["stage"]) for cause in done.causes] == [("WorkerDied", "listening")]
    assert done.causes[0]["detail"].startswith("the worker died at 'listening'")


def test_a_job_that_is_cancelled_while_its_worker_is_dead_is_cancelled(submit, working, context, over, queue):
    job = submit("make")
    with context.database.begin() as session:
        ledger.claim(session, job.id, "a dead one", 30.0)
        session.get(JobRow, job.id).lease_until = datetime.now(UTC) - timedelta(seconds=1)
    queue.cancel(job.id)
    with working():
        assert over(job).state is JobState.CANCELLED


def test_a_worker_of_no_threads_only_sweeps(submit, working, context, until, queue, deployment):
    job = submit("make")
    assert queue.transport.take().id == job.id
    with working(0):
        until(lambda: job.id in queue.transport.waiting())
    assert begun(deployment) == []


def test_a_job_that_is_removed_while_it_runs_ends(submit, working, context, until, deployment, queue):
    job = submit("make", seconds=60.0)
    with working():
        until(lambda: begun(deployment))
        with context.database.begin() as session:
            session.delete(session.get(JobRow, job.id))
        next_one = submit("make")
        until(lambda: queue.get(next_one.id).state.over)
    with pytest.raises(NotFound):
        queue.get(job.id)


async def _watched(queue, id: str, deployment) -> list:
    seen = []
    async for job in queue.watch(id, every_s=0.05):
        seen.append(job)
        if job.percent > 0:
            deployment.go()
    return seen


def test_who_watches_a_job_sees_it_to_its_end(submit, working, queue, deployment):
    import asyncio

    job = submit("make", waits=True)
    with working():
        seen = asyncio.run(_watched(queue, job.id, deployment))
    assert seen[-1].state is JobState.DONE
    assert JobState.RUNNING in {job.state for job in seen}
    assert all(one != other for one, other in itertools.pairwise(seen))
