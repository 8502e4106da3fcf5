"""Jobs: how far they are, told as it happens, and cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated

from anyio import Event, sleep, to_thread
from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from melisma.core.errors import NotFound, StoreError
from melisma.server.context import Context
from melisma.server.deps import Shared
from melisma.server.jobs.records import Job, JobState
from melisma.server.openapi import ID_PATTERN, Cursor, JobId, Limit, errors
from melisma.server.schemas.jobs import JobOut, JobPage

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_PING_S = 15  # comments that keep a quiet connection open
_END_S = 3.0  # that a stream has to end when the service stops, before it is cut off
_AGAIN_S = 1.0  # between two looks for a database that is out of reach
_EVENTS = {
    "description": "Events `progress` with the job whenever something changes, then one `end`, and no more. "
    "Lines that begin with a colon keep the connection open.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "required": ["event", "data"],
                "properties": {
                    "event": {"type": "string", "enum": ["progress", "end"]},
                    "data": {"type": "string", "contentMediaType": "application/json", "description": "The job."},
                },
            },
            "example": 'event: progress\r\ndata: {"id": "…", "state": "running", "stage": "listen", "percent": 40.0}'
            '\r\n\r\nevent: end\r\ndata: {"id": "…", "state": "done", "percent": 100.0}\r\n\r\n',
        }
    },
}


@router.get("", summary="List jobs", response_model=JobPage, responses=errors())
def list_jobs(
    context: Shared,
    state: Annotated[JobState | None, Query(description="Only those that are so.")] = None,
    song_id: Annotated[str | None, Query(pattern=ID_PATTERN, description="Only those of a song.")] = None,
    alignment_id: Annotated[str | None, Query(pattern=ID_PATTERN, description="Only those of an alignment.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """List jobs, the newest first."""
    found, more = context.queue.page(
        state=state, song_id=song_id, alignment_id=alignment_id, before=cursor, limit=limit
    )
    return JobPage(items=[JobOut.of(job) for job in found], next=more)


@router.get("/{job_id}", summary="Get a job", response_model=JobOut, responses=errors(404))
def get_job(context: Shared, job_id: JobId) -> JobOut:
    """Get a job as it is now."""
    return JobOut.of(context.queue.get(job_id))


@router.get(
    "/{job_id}/events",
    summary="Watch a job",
    response_class=EventSourceResponse,
    responses={**errors(404), 200: _EVENTS},
)
async def watch_job(context: Shared, job_id: JobId) -> EventSourceResponse:
    """Tell of a job as it goes on, as server-sent events, until it is over.

    Whoever comes back begins with the job as it is then; the header Last-Event-ID changes nothing. While the database
    is out of reach nothing is told, and the stream goes on when it is back.
    """
    first = await to_thread.run_sync(context.queue.get, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stopping = Event()
    return EventSourceResponse(
        _events(context, first, stopping.is_set),
        headers=headers,
        ping=_PING_S,
        shutdown_event=stopping,
        shutdown_grace_period=_END_S,
    )


@router.post("/{job_id}/cancel", summary="Cancel a job", response_model=JobOut, responses=errors(404))
def cancel_job(context: Shared, job_id: JobId) -> JobOut:
    """End a job: at once where it waits, at its next step where it runs, not at all where it is over."""
    return JobOut.of(context.queue.cancel(job_id))


async def _events(context: Context, first: Job, stopping: Callable[[], bool]) -> AsyncIterator[ServerSentEvent]:
    last, told = first, None
    while not last.state.over:
        if stopping():  # the stream ends whole, and browsers come back
            return
        try:
            async for last in context.queue.watch(first.id, ended=stopping):
                if not last.state.over and last != told:
                    yield _event("progress", last)
                told = last
        except NotFound:  # removed with its song: whoever comes back is told
            return
        except StoreError:  # a stream that broke off now would be refused when it comes back, and then browsers give up
            await sleep(_AGAIN_S)
    yield _event("end", last)


def _event(name: str, job: Job) -> ServerSentEvent:
    return ServerSentEvent(JobOut.of(job).model_dump_json(), event=name)
