"""Jobs as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from melisma.server.schemas.common import Moment, Shown
from melisma.store.service.jobs import Job, JobState
from melisma.store.service.songs import JobBrief


class JobBriefOut(Shown):
    """A job in a line."""

    id: str
    kind: str = Field(examples=["align"])
    state: JobState
    stage: str = Field(description="What it is at, as `melisma.align` names it.", examples=["listen"])
    percent: float = Field(ge=0, le=100)

    @classmethod
    def of(cls, job: JobBrief) -> JobBriefOut:
        """Spell a job."""
        return cls(id=job.id, kind=job.kind, state=JobState(job.state), stage=job.stage, percent=round(job.percent, 1))


class JobLinks(Shown):
    """Where to go on from a job."""

    self: str
    events: str
    cancel: str
    song: str | None
    alignment: str | None
    transcription: str | None
    video: str | None


class JobOut(Shown):
    """A job: work that is to be done, is done, or was."""

    id: str
    kind: str = Field(examples=["align"], description="align, realign, transcribe, video or stems.")
    state: JobState
    stage: str
    percent: float = Field(ge=0, le=100)
    priority: int = Field(description="Higher goes first.")
    song_id: str | None
    alignment_id: str | None
    n_attempts: int = Field(description="How often it was tried.")
    causes: list[Any] = Field(description="Why each attempt that failed did.")
    problem: dict[str, Any] | None = Field(description="Why it failed, as a problem (RFC 9457) has it.")
    result: dict[str, Any] | None = Field(description="What came of it, once it is done.")
    cancel_wanted: bool
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> JobOut:
        """Spell a job."""
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            stage=job.stage,
            percent=round(job.percent, 1),
            priority=job.priority,
            song_id=job.song_id,
            alignment_id=job.alignment_id,
            n_attempts=job.n_attempts,
            causes=list(job.causes),
            problem=job.problem,
            result=job.result,
            cancel_wanted=job.cancel_wanted,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            links=_links(job),
        )


class JobPage(Shown):
    """A page of jobs, the newest first."""

    items: list[JobOut]
    next: str | None


def _links(job: Job) -> JobLinks:
    here = f"/v1/jobs/{job.id}"
    video = (job.result or {}).get("video_id")
    done = job.state is JobState.DONE
    return JobLinks(
        self=here,
        events=f"{here}/events",
        cancel=f"{here}/cancel",
        song=job.song_id and f"/v1/songs/{job.song_id}",
        alignment=job.alignment_id and f"/v1/alignments/{job.alignment_id}",
        transcription=f"/v1/transcriptions/{job.id}" if done and job.kind == "transcribe" else None,
        video=f"/v1/videos/{video}" if video else None,
    )
