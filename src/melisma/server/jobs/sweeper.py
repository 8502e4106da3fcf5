"""Looks after jobs that nobody looks after: messages that were lost, workers that died, and what is long over."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from melisma.core.errors import StoreError
from melisma.server.jobs.records import Job
from melisma.server.jobs.runner import given_up
from melisma.store.service import jobs as ledger
from melisma.store.service.job_records import Ending

if TYPE_CHECKING:
    from melisma.server.context import Context

_GAP = 0.5  # leases between two looks, after which the leases that are over prove nothing
_PRUNE_S = 3600.0  # between two looks for what is long over

_log = logging.getLogger("melisma.jobs")


class Sweeper:
    """Sweeps the ledger now and then; any number of processes may.

    Parameters
    ----------
    context : Context
        Its database, queue and settings.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._settings = context, context.settings.jobs
        self._looked, self._blind_until = time.monotonic(), float("-inf")
        self._pruned = float("-inf")

    def sweep(self, alive: Collection[str] = ()) -> None:
        """Do what is due; what is out of reach now is done by a later call.

        Parameters
        ----------
        alive : collection of str
            Workers of this very process, which is alive whatever their leases say.
        """
        try:
            self._bury(alive)
            self._announce()
            self._prune()
        except StoreError as error:
            _log.warning("the ledger of jobs could not be swept: %s", error)

    def _bury(self, alive: Collection[str]) -> None:
        again: list[Job] = []
        with self._context.database.begin() as session:
            overdue = ledger.overdue(session, alive)
            if self._was_blind():
                return
            for job in overdue:
                now = ledger.end_try(session, job.id, job.worker, self._ending(job))
                if now is not None:
                    _log.warning("job %s: its worker %s gives no sign of life any more", job.id, job.worker)
                    again += [] if now.state.over else [now]
        for job in again:
            self._context.queue.announce(job)

    def _was_blind(self) -> bool:
        """Whether the ledger was out of reach lately, or this process stood still.

        Then others may not have been able to renew their leases either: those who live do so first.
        """
        now = time.monotonic()
        if now - self._looked > self._settings.lease_s * _GAP:
            self._blind_until = now + self._settings.lease_s
        self._looked = now
        return now < self._blind_until

    def _ending(self, job: Job) -> Ending:
        where = f" at {job.stage!r}" if job.stage else ""
        cause: dict[str, Any] = {
            "attempt": job.n_attempts,
            "kind": "WorkerDied",
            "stage": job.stage,
            "detail": f"the worker died{where}: it gave no sign of life for {self._settings.lease_s:g} s",
            "at": datetime.now(UTC).isoformat(),
        }
        if job.n_attempts < self._settings.attempts:
            return Ending(cause)
        problem = {
            "type": "/problems/worker-died",
            "title": "worker died",
            "status": 500,
            "detail": cause["detail"],
        }
        return Ending(cause, problem=given_up(problem, [*job.causes, cause]))

    def _announce(self) -> None:
        with self._context.database.begin(write=False) as session:
            due = ledger.due(session)
        if not due:
            return
        try:
            transport = self._context.queue.transport
            waiting = transport.waiting()
            for job in due:
                if job.id not in waiting:
                    transport.send(job.id, job.priority)
        except StoreError as error:  # the ledger was well: no reason to look away from the leases
            _log.warning("jobs wait to be announced: %s", error)

    def _prune(self) -> None:
        if time.monotonic() - self._pruned < _PRUNE_S:
            return
        with self._context.database.begin() as session:
            n = ledger.prune(session, self._settings.keep_days)
        self._pruned = time.monotonic()
        if n:
            _log.info("%d jobs that were long over are gone", n)
