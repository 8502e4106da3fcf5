"""What jobs are, for handlers, routes and workers alike."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from melisma.store.service.job_records import Job, JobState, NewJob

if TYPE_CHECKING:
    from melisma.server.context import Context

__all__ = ["Cancelled", "Handler", "Job", "JobState", "NewJob", "Report", "Why"]


class Why(StrEnum):
    """Why a handler has to end before its work is done."""

    WANTED = "wanted"  # somebody cancelled the job
    LOST = "lost"  # the lease is over, somebody else has the job
    STOPPING = "stopping"  # this worker ends; another one does the job


class Cancelled(BaseException):
    """Ends a handler from within `report`; a BaseException, so that no engine's `except Exception` swallows it."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Report(Protocol):
    """Says how far a job is."""

    def __call__(self, stage: str, share: float) -> None:
        """Note a stage and how much of the whole job is done, from 0 to 1; raises Cancelled where it is to end."""


class Handler(Protocol):
    """Does the jobs of one kind. It may run twice for one job, and has to come to the same."""

    def __call__(self, context: Context, job: Job, report: Report) -> Mapping[str, Any]:
        """Do the work; return the result, as JSON has it."""
