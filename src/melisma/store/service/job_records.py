"""Records of jobs: as they are, as they are asked for, and as a try of them ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is to be done, is done, or was.

    `percent` runs from 0 to 100, higher `priority` goes first, `causes` says of each try that failed why, `worker` is
    who holds the lease, `cancel_wanted` that somebody wants it to end.
    """

    id: str
    kind: str
    state: JobState
    stage: str
    percent: float
    priority: int
    owner: str
    request_id: str
    song_id: str | None
    alignment_id: str | None
    request: dict[str, Any]
    result: dict[str, Any] | None
    problem: dict[str, Any] | None
    n_attempts: int
    causes: list[dict[str, Any]]
    worker: str
    cancel_wanted: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is asked for.

    Parameters
    ----------
    kind : str
        Which handler does it.
    request : mapping
        What the handler is told; JSON.
    priority : int
        Higher goes first.
    owner, request_id : str
        Name of the token, and X-Request-ID of the call.
    song_id, alignment_id : str or None
        What it is about; the job goes when that is removed.
    most : int
        Jobs of this owner that may wait or run at once.
    """

    kind: str
    request: Mapping[str, Any]
    priority: int = 0
    owner: str = ""
    request_id: str = ""
    song_id: str | None = None
    alignment_id: str | None = None
    most: int = 1000


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which jobs to list; None for whatever it is."""

    state: JobState | None = None
    song_id: str | None = None
    alignment_id: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended that gave no result.

    Parameters
    ----------
    cause : mapping or None
        Why; kept with the job. None where it is nobody's fault.
    counted : bool
        Whether it counts as a try.
    wait_s : float
        How long the job waits before the next try.
    problem : mapping or None
        As RFC 9457, where it was the last try; None for another one.
    """

    cause: Mapping[str, Any] | None = None
    counted: bool = True
    wait_s: float = 0.0
    problem: Mapping[str, Any] | None = None
