"""The queue as routes see it: hand work in, look how far it is, end it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from melisma.core.errors import StoreError
from melisma.server.jobs import kinds as kinds_of_jobs
from melisma.server.jobs.records import Job, JobState, NewJob
from melisma.server.jobs.transport import Transport
from melisma.store.service import jobs as ledger
from melisma.store.service.job_records import Chosen

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.server.context import Context

_WATCH_S = 0.5  # between two looks at a job that somebody watches

_log = logging.getLogger("melisma.jobs")


class Queue:
    """Jobs of one service.

    Parameters
    ----------
    context : Context
        Its parts: database and settings.
    kinds : mapping of str to str
        Which module does which kind.

    Raises
    ------
    InputError, MissingDependency
        As `Transport` does.
    """

    def __init__(self, context: Context, kinds: Mapping[str, str] = kinds_of_jobs.KINDS) -> None:
        self._context, self._kinds = context, kinds
        self.transport = Transport(context.settings.jobs.redis_url, context.settings.data)

    def submit(
        self,
        kind: str,
        request: Mapping[str, Any],
        *,
        priority: int = 0,
        owner: str = "",
        request_id: str = "",
        song_id: str | None = None,
        alignment_id: str | None = None,
    ) -> Job:
        """Hand work in.

        Parameters
        ----------
        kind : str
            Which handler does it.
        request : mapping
            What the handler is told, as JSON has it.
        priority : int
            Higher goes first.
        owner, request_id : str
            Name of the token, and X-Request-ID of the call.
        song_id, alignment_id : str, optional
            What it is about.

        Returns
        -------
        Job
            Written down: where the queue is out of reach it waits, and is announced later.

        Raises
        ------
        UnknownName, NotFound, TooManyRequests
            If there is no such kind, song or alignment; if the owner has too many jobs that are not over.
        StoreError
            If the database is out of reach.
        """
        new = NewJob(kind, request, priority, owner, request_id, song_id, alignment_id)
        with self._context.database.begin() as session:
            job = self.add(session, new)
        self.announce(job)
        return job

    def add(self, session: Session, new: NewJob) -> Job:
        """Write a job down within a transaction of the caller, who calls `announce` when it is committed."""
        from dataclasses import replace

        kinds_of_jobs.check(new.kind, self._kinds)
        return ledger.add(session, replace(new, most=self._context.settings.limits.queued_jobs))

    def announce(self, job: Job) -> None:
        """Send the number of a job that waits; where that fails the sweeper does it later."""
        try:
            self.transport.send(job.id, job.priority, job.not_before)
        except StoreError as error:
            _log.warning("job %s waits to be announced: %s", job.id, error)

    def get(self, id: str) -> Job:
        """Return a job; NotFound if there is none."""
        with self._context.database.begin(write=False) as session:
            return ledger.get(session, id)

    def page(
        self,
        *,
        state: JobState | None = None,
        song_id: str | None = None,
        alignment_id: str | None = None,
        owner: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[list[Job], str | None]:
        """List jobs, the newest first; return them and the cursor that `before` takes for those behind them."""
        chosen = Chosen(state, song_id, alignment_id, owner)
        with self._context.database.begin(write=False) as session:
            return ledger.page(session, chosen, before, limit)

    def cancel(self, id: str) -> Job:
        """End a job: at once where it waits, soon where it runs, not at all where it is over. NotFound if none."""
        with self._context.database.begin() as session:
            return ledger.cancel(session, id)

    def depth(self) -> dict[JobState, int]:
        """Count jobs by where they are."""
        with self._context.database.begin(write=False) as session:
            return ledger.depth(session)

    async def watch(
        self, id: str, every_s: float = _WATCH_S, ended: Callable[[], bool] = lambda: False
    ) -> AsyncIterator[Job]:
        """Give a job as it is, then whenever something has changed, until it is over or `ended` says so.

        Raises
        ------
        NotFound
            If there is no such job, or not any more.
        StoreError
            If the database is out of reach.
        """
        import anyio
        from anyio import to_thread

        last: Job | None = None
        while not ended() and (last is None or not last.state.over):
            job = await to_thread.run_sync(self.get, id)
            if job != last:
                yield job
            last = job
            if not job.state.over:
                await anyio.sleep(every_s)

    def close(self) -> None:
        """Let go of the connections to the queue."""
        self.transport.close()
