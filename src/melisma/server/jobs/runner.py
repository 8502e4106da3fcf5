"""One job from the claim to its end: whatever a handler does, the ledger knows how it went."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from melisma.core import retries
from melisma.core.errors import MelismaError, StoreError
from melisma.server import problems
from melisma.server.jobs import kinds as kinds_of_jobs
from melisma.server.jobs.records import Cancelled, Job, Why
from melisma.store.service import jobs as ledger
from melisma.store.service.job_records import Ending

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.server.context import Context

T = TypeVar("T")

BEATS = 6  # renewals within one lease
_REPORT_S = 0.5  # between two notes of how far a job is
_PATIENCE = 2.0  # leases that a database which is out of reach is waited for at the end of a job
_WAIT_S = 2.0  # at most, between two tries to reach it

_log = logging.getLogger("melisma.jobs")


class Claim:
    """A job that this process holds; `report` is what its handler calls."""

    def __init__(self, runner: Runner, job: Job) -> None:
        self.job, self.stage = job, ""
        self._runner, self._began = runner, time.monotonic()
        self._why: Why | None = None
        self._noted = float("-inf")

    def facts(self) -> dict[str, object]:
        """Return what a line of the log says of the job beside its number."""
        duration_ms = round(1000 * (time.monotonic() - self._began))
        return {"kind": self.job.kind, "attempt": self.job.n_attempts, "duration_ms": duration_ms}

    def end(self, why: Why) -> None:
        """Have the handler end at its next report; what was said first stays."""
        self._why = self._why or why

    def heard(self, cancel_wanted: bool | None) -> None:
        """Take what the ledger said of the lease."""
        if cancel_wanted is None:
            self.end(Why.LOST)
        elif cancel_wanted:
            self.end(Why.WANTED)

    def report(self, stage: str, share: float) -> None:
        """Note how far the job is, now and then; raise Cancelled where it is to end."""
        if self._why is None and (stage != self.stage or time.monotonic() - self._noted >= _REPORT_S):
            self._noted, self.stage = time.monotonic(), stage
            with contextlib.suppress(StoreError):  # the work is worth more than the note
                self.heard(self._runner.note(self.job, stage, 100.0 * share))
        self.check()

    def check(self) -> None:
        """Raise Cancelled where the job is to end."""
        if self._why is not None:
            raise Cancelled(self._why)


class Runner:
    """Runs jobs, in as many threads as call `run`.

    Parameters
    ----------
    context : Context
        What handlers work with.
    kinds : mapping of str to str
        Which module does which kind.
    """

    def __init__(self, context: Context, kinds: Mapping[str, str] = kinds_of_jobs.KINDS) -> None:
        self._context, self._kinds = context, kinds
        self._settings = context.settings.jobs
        self._claims: dict[str, Claim] = {}  # by worker
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def alive(self) -> list[str]:
        """Names of the workers of this process that hold a job now."""
        with self._lock:
            return list(self._claims)

    def run(self, id: str) -> None:
        """Do a job, if it is still to be done and nobody else does it. Raises nothing."""
        worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        job = self._written(lambda session: ledger.claim(session, id, worker, self._settings.lease_s))
        if job is None:
            return
        claim = Claim(self, job)
        with self._lock:
            self._claims[worker] = claim
        try:
            with _named(job):
                self._do(claim)
        finally:
            with self._lock:
                self._claims.pop(worker, None)

    def beat(self) -> None:
        """Renew the leases of all jobs that run here, and hear which of them are to end."""
        with self._lock:
            claims = list(self._claims.values())
        for claim in claims:
            job = claim.job
            try:
                with self._context.database.begin() as session:
                    claim.heard(ledger.renew(session, job.id, job.worker, self._settings.lease_s))
            except StoreError as error:
                _log.warning("the lease of job %s could not be renewed: %s", job.id, error)

    def note(self, job: Job, stage: str, percent: float) -> bool | None:
        """Note how far a job is; return what the ledger says of its lease."""
        with self._context.database.begin() as session:
            return ledger.report(session, job.id, job.worker, stage, percent)

    def interrupt(self) -> None:
        """Have all handlers end at their next report; their jobs wait for another worker."""
        self._stopping.set()
        with self._lock:
            claims = list(self._claims.values())
        for claim in claims:
            claim.end(Why.STOPPING)

    def give_back(self) -> None:
        """Give back the jobs whose handlers would not end; whatever these still bring is refused."""
        with self._lock:
            claims = list(self._claims.values())
        for claim in claims:
            with contextlib.suppress(StoreError):  # then its lease ends by itself
                self._end(claim, Ending(counted=False), patient=False)

    def _do(self, claim: Claim) -> None:
        job = claim.job
        _log.info("job %s begins", job.id, extra=claim.facts())
        if self._stopping.is_set():
            claim.end(Why.STOPPING)
        try:
            claim.check()
            result = dict(kinds_of_jobs.handler(job.kind, self._kinds)(self._context, job, claim.report))
            done = self._written(lambda session: ledger.finish(session, job.id, job.worker, result))
            said = "is done" if done else "is done, and its result was not wanted or could not be written"
            _log.info("job %s %s", job.id, said, extra=claim.facts())
        except Cancelled as cancelled:
            self._cancelled(claim, cancelled.why)
        except (Exception, SystemExit) as error:
            _log.warning("job %s failed", job.id, exc_info=error, extra=claim.facts())
            self._failed(claim, error)

    def _cancelled(self, claim: Claim, why: Why) -> None:
        job = claim.job
        _log.info("job %s ends before its time: %s", job.id, why.value, extra=claim.facts())
        if why is Why.WANTED:
            self._written(lambda session: ledger.cancelled(session, job.id, job.worker))
        elif why is Why.STOPPING:
            self._end(claim, Ending(counted=False))

    def _failed(self, claim: Claim, error: BaseException) -> None:
        job, found = claim.job, problems.facts(error)
        cause = {
            "attempt": job.n_attempts,
            "kind": type(error).__name__ if isinstance(error, MelismaError) else "internal",
            "stage": claim.stage,
            "detail": found["detail"],
            "at": datetime.now(UTC).isoformat(),
        }
        if not _final(error) and job.n_attempts < self._settings.attempts:
            wait_s = self._settings.retry_s * 2 ** (job.n_attempts - 1)
            self._end(claim, Ending(cause, wait_s=wait_s))
        else:
            self._end(claim, Ending(cause, problem=given_up(found, [*job.causes, cause])))

    def _end(self, claim: Claim, ending: Ending, *, patient: bool = True) -> None:
        job = claim.job

        def write(session: Session) -> Job | None:
            return ledger.end_try(session, job.id, job.worker, ending)

        if patient:
            now = self._written(write)
        else:
            with self._context.database.begin() as session:
                now = write(session)
        if now is not None and not now.state.over:
            self._context.queue.announce(now)

    def _written(self, write: Callable[[Session], T]) -> T | None:
        """Write to the ledger, waiting a while for a database that is out of reach; None if that was not enough."""
        import stamina

        retries.into_log()

        def again(error: Exception) -> bool:
            return isinstance(error, StoreError) and not self._stopping.is_set()

        try:
            for attempt in stamina.retry_context(
                on=again, attempts=None, timeout=_PATIENCE * self._settings.lease_s, wait_initial=0.1, wait_max=_WAIT_S
            ):
                with attempt, self._context.database.begin() as session:
                    return write(session)
        except StoreError as error:
            _log.error("the ledger of jobs could not be written, the lease ends by itself: %s", error)
        return None


def given_up(problem: Mapping[str, Any], causes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the problem of a job that is not tried again: the last one, or all of them in one sentence."""
    if len(causes) == 1:
        return dict(problem)
    details = [cause["detail"] for cause in causes]
    if len(set(details)) == 1:
        return {**problem, "detail": f"{len(causes)} tries came to nothing, each time for this: {details[0]}"}
    said = "; ".join(f"{n}. {detail}" for n, detail in enumerate(details, 1))
    return {**problem, "detail": f"{len(causes)} tries came to nothing: {said}"}


def _final(error: BaseException) -> bool:
    """Whether another try cannot help: what was given is wrong, or a package is missing."""
    return isinstance(error, MelismaError) and error.lasting


@contextlib.contextmanager
def _named(job: Job) -> Iterator[None]:
    """Have every line that is logged meanwhile carry the numbers of job and request."""
    from structlog.contextvars import bound_contextvars

    with bound_contextvars(job_id=job.id, request_id=job.request_id):
        yield
