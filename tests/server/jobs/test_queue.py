"""The queue as routes see it, on SQLite and on PostgreSQL with Redis."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace

import pytest

from melisma.core.errors import NotFound, StoreError, TooManyRequests, UnknownName
from melisma.server.context import Context
from melisma.server.jobs import kinds
from melisma.server.jobs.records import JobState, NewJob
from melisma.server.settings import JobSettings, Limits, ServiceSettings

ON_SERVERS = pytest.mark.parametrize("deployment", ["servers"], indirect=True)


def test_a_job_is_written_down_first_and_announced_then(queue, submit):
    job = submit("make", priority=3)
    assert queue.get(job.id) == job
    assert queue.transport.waiting() == {job.id}


def test_a_job_within_a_transaction_that_fails_is_not_there(queue, context):
    with contextlib.suppress(ZeroDivisionError), context.database.begin() as session:
        job = queue.add(session, NewJob("make", {}))
        1 / 0  # noqa: B018
    with pytest.raises(NotFound):
        queue.get(job.id)
    assert queue.transport.waiting() == set()


def test_a_job_within_a_transaction_is_announced_by_who_committed_it(queue, context):
    with context.database.begin() as session:
        job = queue.add(session, NewJob("make", {"n": 1}, priority=2))
    assert queue.transport.waiting() == set()
    queue.announce(job)
    assert queue.transport.waiting() == {job.id}


def test_settings_say_how_many_jobs_of_one_token_may_wait(deployment):
    settings = ServiceSettings(data=deployment.data, database_url=deployment.database_url, jobs=deployment.jobs)
    context = Context(replace(settings, limits=Limits(queued_jobs=2)))
    for _ in range(2):
        context.queue.submit("align", {}, owner="anna")
    with pytest.raises(TooManyRequests) as refused:
        context.queue.submit("align", {}, owner="anna")
    assert refused.value.retry_s > 0
    assert context.queue.submit("align", {}, owner="bruno").state is JobState.QUEUED
    context.close()


@ON_SERVERS
def test_a_job_is_taken_while_redis_is_away(queue, submit, redis_server, caplog):
    redis_server.kill()
    with caplog.at_level(logging.WARNING, "melisma.jobs"):
        job = submit("make")
    assert queue.get(job.id).state is JobState.QUEUED
    assert f"job {job.id} waits to be announced" in caplog.text


@ON_SERVERS
def test_a_job_is_refused_while_the_database_is_away(queue, submit, postgres):
    submit("make")
    postgres.stop()
    try:
        with pytest.raises(StoreError, match="the service's database cannot be used now"):
            submit("make")
    finally:
        postgres.start()
    assert queue.depth()[JobState.QUEUED] == 1
    assert len(queue.transport.waiting()) == 1


def test_every_kind_of_the_service_has_a_handler():
    for kind in kinds.KINDS:
        assert callable(kinds.handler(kind))


def test_a_kind_that_is_none_is_named():
    with pytest.raises(UnknownName, match="no kind of job is called 'karaoke'; there are: align"):
        kinds.handler("karaoke")


def test_a_queue_in_a_folder_that_cannot_be_made_is_announced_later(tmp_path, caplog):
    (tmp_path / "file").touch()
    database = f"sqlite:///{tmp_path}/melisma.sqlite"
    context = Context(ServiceSettings(data=tmp_path / "file" / "data", database_url=database, jobs=JobSettings()))
    assert context.queue.submit("align", {}).state is JobState.QUEUED
    assert "waits to be announced" in caplog.text
    context.close()
