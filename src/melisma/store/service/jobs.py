"""The ledger of jobs: what is to be done, who does it, and how it ended.

The row is the truth, a message of the queue only says that it is worth a look. Whoever works holds a *lease*, which it
renews while it lives; every change by a worker is refused where its lease went to somebody else meanwhile. On
PostgreSQL the moments are those of the server, so that the clocks of several machines need not agree.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from melisma.core.errors import NotFound, TooManyRequests
from melisma.store.service.job_records import Chosen, Ending, Job, JobState, NewJob

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.store.service.tables import JobRow

__all__ = [
    "Chosen",
    "Ending",
    "Job",
    "JobState",
    "NewJob",
    "add",
    "cancel",
    "cancelled",
    "claim",
    "depth",
    "due",
    "end_try",
    "finish",
    "get",
    "now",
    "overdue",
    "page",
    "prune",
    "record",
    "renew",
    "report",
]

_STAGE = 32  # characters of a stage's name that are kept
_SWEPT = 500  # rows that one look takes
_FULL_RETRY_S = 30.0  # after which some of very many jobs may be done


def now(session: Session) -> datetime:
    """Return the moment by the clock that all workers share."""
    from sqlalchemy import func, select

    if session.get_bind().dialect.name != "postgresql":
        return datetime.now(UTC)
    moment = session.scalar(select(func.clock_timestamp()))
    if not isinstance(moment, datetime):
        raise TypeError(f"the database's clock says {moment!r}")
    return moment.astimezone(UTC)


def add(session: Session, new: NewJob) -> Job:
    """Write a job down.

    Raises
    ------
    NotFound
        If the song or the alignment is not there.
    TooManyRequests
        If its owner has too many that are not over.
    """
    import uuid

    from sqlalchemy import func, select
    from sqlalchemy.exc import IntegrityError

    from melisma.store.service.tables import JobRow

    open_states = [JobState.QUEUED.value, JobState.RUNNING.value]
    theirs = select(func.count()).where(JobRow.state.in_(open_states), JobRow.owner == new.owner)
    if (session.scalar(theirs) or 0) >= new.most:
        raise TooManyRequests(f"{new.most} jobs wait already: come again when some are done", _FULL_RETRY_S)
    row = JobRow(
        id=uuid.uuid4().hex,
        kind=new.kind,
        state=JobState.QUEUED.value,
        priority=new.priority,
        owner=new.owner,
        request_id=new.request_id[:128],
        song_id=new.song_id,
        alignment_id=new.alignment_id,
        request=_spelt(new.request),
        result="",
        problem="",
        stage="",
        percent=0.0,
        n_attempts=0,
        causes="[]",
        worker="",
        lease_until=None,
        not_before=None,
        cancel_wanted=False,
        created_at=now(session),
        started_at=None,
        finished_at=None,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:  # it points to what is not there, or not any more
        kind, name = ("alignment", new.alignment_id) if new.alignment_id else ("song", new.song_id)
        raise NotFound(kind, str(name)) from error
    return record(row)


def get(session: Session, id: str) -> Job:
    """Return a job; NotFound if there is none."""
    from melisma.store.service.tables import JobRow

    row = session.get(JobRow, id)
    if row is None:
        raise NotFound("job", id)
    return record(row)


def page(session: Session, chosen: Chosen, cursor: str | None, limit: int) -> tuple[list[Job], str | None]:
    """List jobs, the newest first, from behind a cursor on; return them and the cursor of the next page."""
    from sqlalchemy import select

    from melisma.store.service import pages
    from melisma.store.service.tables import JobRow

    statement = select(JobRow)
    for column, wanted in (
        (JobRow.state, None if chosen.state is None else chosen.state.value),
        (JobRow.song_id, chosen.song_id),
        (JobRow.alignment_id, chosen.alignment_id),
        (JobRow.owner, chosen.owner),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    found = pages.fetch(session, pages.behind(statement, JobRow, cursor), limit, lambda row: record(row[0]))
    return list(found.items), found.next


def claim(session: Session, id: str, worker: str, lease_s: float) -> Job | None:
    """Take a job that waits, if nobody else has and its time has come; None otherwise."""
    row = _locked(session, id)
    moment = now(session)
    if row is None or row.state != JobState.QUEUED or (row.not_before is not None and row.not_before > moment):
        return None
    row.state, row.worker, row.lease_until = JobState.RUNNING.value, worker, moment + timedelta(seconds=lease_s)
    row.n_attempts += 1
    row.started_at = row.started_at or moment
    row.stage, row.percent, row.not_before = "", 0.0, None
    return record(row)


def renew(session: Session, id: str, worker: str, lease_s: float) -> bool | None:
    """Renew a lease; return whether a cancel is wanted, None if somebody else has the job or nobody any more."""
    row = _mine(session, id, worker)
    if row is None:
        return None
    row.lease_until = now(session) + timedelta(seconds=lease_s)
    return row.cancel_wanted


def report(session: Session, id: str, worker: str, stage: str, percent: float) -> bool | None:
    """Note how far a job is; return as `renew` does. The lease stays as it is: a heart of its own renews it."""
    row = _mine(session, id, worker)
    if row is None:
        return None
    row.stage, row.percent = stage[:_STAGE], min(100.0, max(0.0, percent))
    return row.cancel_wanted


def finish(session: Session, id: str, worker: str, result: Mapping[str, Any]) -> bool:
    """Write a result; False if the lease went to somebody else."""
    row = _mine(session, id, worker)
    if row is None:
        return False
    row.result, row.percent = _spelt(result), 100.0
    _close(session, row, JobState.DONE)
    return True


def cancelled(session: Session, id: str, worker: str) -> bool:
    """Note that a job ended because somebody wanted it; False if the lease went to somebody else."""
    row = _mine(session, id, worker)
    if row is None:
        return False
    _close(session, row, JobState.CANCELLED)
    return True


def end_try(session: Session, id: str, worker: str, ending: Ending) -> Job | None:
    """End a try without a result: the job waits for another one, fails, or is cancelled if somebody wanted that.

    Returns
    -------
    Job or None
        As it is now; None if the lease went to somebody else.
    """
    row = _mine(session, id, worker)
    if row is None:
        return None
    if ending.cause is not None:
        row.causes = _spelt([*json.loads(row.causes), dict(ending.cause)])
    if row.cancel_wanted:
        _close(session, row, JobState.CANCELLED)
    elif ending.problem is not None:
        row.problem = _spelt(ending.problem)
        _close(session, row, JobState.FAILED)
    else:
        _back(row, now(session) + timedelta(seconds=ending.wait_s) if ending.wait_s > 0 else None)
        row.n_attempts -= 0 if ending.counted else 1
    return record(row)


def cancel(session: Session, id: str) -> Job:
    """End a job that waits, have one that runs end soon, and leave one that is over; NotFound if there is none."""
    row = _locked(session, id)
    if row is None:
        raise NotFound("job", id)
    if row.state == JobState.QUEUED:
        row.cancel_wanted = True
        _close(session, row, JobState.CANCELLED)
    elif row.state == JobState.RUNNING:
        row.cancel_wanted = True
    return record(row)


def due(session: Session) -> list[Job]:
    """Return jobs that wait and could be taken now, those that go first at the front; not all where there are many."""
    from sqlalchemy import or_, select

    from melisma.store.service.tables import JobRow

    ready = or_(JobRow.not_before.is_(None), JobRow.not_before <= now(session))
    statement = select(JobRow).where(JobRow.state == JobState.QUEUED.value, ready)
    statement = statement.order_by(JobRow.priority.desc(), JobRow.created_at, JobRow.id).limit(_SWEPT)
    return [record(row) for row in session.scalars(statement)]


def overdue(session: Session, alive: Collection[str] = ()) -> list[Job]:
    """Return jobs whose lease is over and whose worker is none of these; rows that others look at are passed over."""
    from sqlalchemy import select

    from melisma.store.service.tables import JobRow

    statement = select(JobRow).where(JobRow.state == JobState.RUNNING.value, JobRow.lease_until < now(session))
    if alive:
        statement = statement.where(JobRow.worker.not_in(alive))
    return [record(row) for row in session.scalars(statement.limit(_SWEPT).with_for_update(skip_locked=True))]


def depth(session: Session) -> dict[JobState, int]:
    """Count jobs by where they are."""
    from sqlalchemy import func, select

    from melisma.store.service.tables import JobRow

    found = dict.fromkeys(JobState, 0)
    for state, n in session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)):
        found[JobState(state)] = n
    return found


def prune(session: Session, keep_days: float) -> int:
    """Remove jobs that have been over for longer; return how many."""
    from sqlalchemy import delete

    from melisma.store.service.tables import JobRow

    over = [state.value for state in JobState if state.over]
    before = now(session) - timedelta(days=keep_days)
    gone = session.execute(delete(JobRow).where(JobRow.state.in_(over), JobRow.finished_at < before))
    return int(getattr(gone, "rowcount", 0))


def record(row: JobRow) -> Job:
    """Turn a row into a record."""
    return Job(
        row.id,
        row.kind,
        JobState(row.state),
        row.stage,
        row.percent,
        row.priority,
        row.owner,
        row.request_id,
        row.song_id,
        row.alignment_id,
        json.loads(row.request),
        json.loads(row.result) if row.result else None,
        json.loads(row.problem) if row.problem else None,
        row.n_attempts,
        json.loads(row.causes),
        row.worker,
        row.cancel_wanted,
        row.created_at,
        row.started_at,
        row.finished_at,
        row.not_before,
    )


def _locked(session: Session, id: str) -> JobRow | None:
    from melisma.store.service.tables import JobRow

    return session.get(JobRow, id, with_for_update=True)  # SQLite has its one lock for the whole transaction


def _mine(session: Session, id: str, worker: str) -> JobRow | None:
    row = _locked(session, id)
    return row if row is not None and row.state == JobState.RUNNING and row.worker == worker else None


def _back(row: JobRow, not_before: datetime | None) -> None:
    row.state, row.worker, row.lease_until, row.not_before = JobState.QUEUED.value, "", None, not_before
    row.stage, row.percent = "", 0.0


def _close(session: Session, row: JobRow, state: JobState) -> None:
    row.state, row.lease_until, row.not_before, row.finished_at = state.value, None, None, now(session)


def _spelt(value: Any) -> str:
    return json.dumps(value if isinstance(value, list) else dict(value), ensure_ascii=False, allow_nan=False)
