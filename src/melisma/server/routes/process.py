"""The path of the document on Whisper, for front ends that know it: transcribe a song and answer with the record."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import JSONResponse

from melisma.core.errors import NotFound
from melisma.core.records import Alignment
from melisma.pipeline import transcript_files
from melisma.pipeline.transcript_files import About
from melisma.server import asking, asking_for_words, idempotency
from melisma.server.asking import Who
from melisma.server.asking_for_words import Words
from melisma.server.context import Context
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.jobs.records import Job, JobState
from melisma.server.openapi import SongId, errors, header
from melisma.server.recordings import recording
from melisma.server.schemas.jobs import JobOut
from melisma.server.schemas.transcriptions import ProcessWish, TranscriptionRecord
from melisma.store.service import jobs, transcripts
from melisma.store.service.jobs import Chosen
from melisma.text import language as languages

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/process/whisper", tags=["transcriptions"])

_MOST_WAIT_S = 120.0
_RECENT = 200  # jobs of a song that are looked through for one that does the same
_JOB = {"headers": {"Location": header("Path of the job.", "/v1/jobs/0123456789abcdef0123456789abcdef")}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **errors(404, 409, 501),
    200: {
        "description": "The transcription.",
        "model": TranscriptionRecord,
        "content": {"text/plain": {"schema": {"type": "string"}}, "application/x-lrc": {"schema": {"type": "string"}}},
    },
    202: {"description": "It is not done yet: a job does it.", "model": JobOut, **_JOB},
}
Wait = Annotated[
    float,
    Query(ge=0, le=_MOST_WAIT_S, description="Seconds that the call may wait for the job.", examples=[20]),
]


class Shape(StrEnum):
    """How the transcription is wanted: as the record, as text with times, or as karaoke LRC."""

    JSON = "json"
    TEXT = "txt"
    LRC = "lrc"


As = Annotated[Shape, Query(alias="format", description="json, txt or lrc.")]
_FILES = {
    Shape.JSON: (transcript_files.RECORD, "application/json"),
    Shape.TEXT: (transcript_files.TEXT, "text/plain; charset=utf-8"),
    Shape.LRC: (transcript_files.LRC, "application/x-lrc; charset=utf-8"),
}


@router.post("/{song_id}", summary="Transcribe a song", response_model=TranscriptionRecord, responses=_ANSWERS)
async def process(
    request: Request,
    context: Shared,
    caller: Called,
    song_id: SongId,
    wish: Annotated[ProcessWish | None, Body()] = None,
    wait: Wait = 20.0,
    shape: As = Shape.JSON,
    key: idempotency.Key = None,
) -> Response:
    """Transcribe a song, align the words, and make them its karaoke; the id is the one that its upload was given.

    A call waits for the job for a while: 200 with the transcription, or 202 with the job, which GET on the same path
    goes on from. What was transcribed by the same model already is not transcribed again.
    """
    who, ends = asking.who(caller, request), time.monotonic() + wait
    answer = await to_thread.run_sync(_ask, context, who, key, song_id, wish or ProcessWish())
    job_id = str(answer.headers["location"]).rpartition("/")[2]
    job = await _over(context, job_id, ends)
    if job.state is not JobState.DONE:
        return _accepted(job)
    return await to_thread.run_sync(_answer, context, job, shape)


@router.get(
    "/{song_id}", summary="Read the transcription of a song", response_model=TranscriptionRecord, responses=_ANSWERS
)
def read(context: Shared, song_id: SongId, shape: As = Shape.JSON) -> Response:
    """Read the newest transcription of a song; 202 with the job where the first one is not done yet."""
    recording(context, song_id)
    with context.database.begin(write=False) as session:
        found = transcripts.page(session, song_id=song_id, limit=1).items
        waiting = None if found else _newest(session, song_id)
    if found:
        job = _job_of(context, found[0].id)
        return _shown(context, found[0].id, job.request_id if job else "", shape)
    if waiting is None:
        raise NotFound("transcription of the song", song_id)
    return _accepted(waiting)


def _ask(context: Context, who: Who, key: str | None, song_id: str, wish: ProcessWish) -> JSONResponse:
    """Find the job that does the same, or has done it, or make one."""
    recording(context, song_id)
    language = languages.normalise(wish.language) if wish.language else None
    engine = asking_for_words.model_of(context, wish.model, language)
    words = Words(song_id, engine, language, align=wish.align, adopt=True)
    call = Call(who.name, key, idempotency.fingerprint("process", song_id, engine, language, wish.model_dump()))

    def work(session: Session) -> Answer:
        job, new = None if wish.again else _same(session, words), None
        if job is None:
            job = new = context.queue.add(session, asking_for_words.new_job(words, who))
        return Answer(202, JobOut.of(job).model_dump(mode="json"), f"/v1/jobs/{job.id}", new)

    return idempotency.once(context, call, work)


def _same(session: Session, words: Words) -> Job | None:
    """Return a job that does the same, or has done it and whose transcription is still there."""
    wanted = asking_for_words.told(words)
    for state in (JobState.DONE, JobState.RUNNING, JobState.QUEUED):
        for job in jobs.page(session, Chosen(state, words.song_id), None, _RECENT)[0]:
            if job.kind != asking_for_words.KIND or dict(job.request) != wanted or job.cancel_wanted:
                continue
            if state is not JobState.DONE or _is_kept(session, job.id):
                return job
    return None


def _is_kept(session: Session, transcription_id: str) -> bool:
    try:
        transcripts.get(session, transcription_id)
    except NotFound:
        return False
    return True


def _newest(session: Session, song_id: str) -> Job | None:
    """Return the newest job that transcribes a song and has not been cancelled; what it failed with is in it."""
    for job in jobs.page(session, Chosen(song_id=song_id), None, _RECENT)[0]:
        if job.kind == asking_for_words.KIND and job.state not in (JobState.DONE, JobState.CANCELLED):
            return job
    return None


async def _over(context: Context, job_id: str, ends: float) -> Job:
    """Return a job once it is over, or as it is when the time is."""
    job = await to_thread.run_sync(context.queue.get, job_id)
    if not job.state.over and ends > time.monotonic():
        async for now in context.queue.watch(job_id, ended=lambda: time.monotonic() >= ends):
            job = now
    return job


def _accepted(job: Job) -> JSONResponse:
    if job.state is JobState.FAILED and job.problem:
        facts = dict(job.problem)
        status = facts.get("status", 500)
        return JSONResponse(facts, status, media_type="application/problem+json")
    body = JobOut.of(job).model_dump(mode="json")
    return JSONResponse(body, 202, {"Location": f"/v1/jobs/{job.id}", "Retry-After": "5"})


def _answer(context: Context, job: Job, shape: Shape) -> Response:
    return _shown(context, job.id, job.request_id, shape)


def _job_of(context: Context, job_id: str) -> Job | None:
    try:
        return context.queue.get(job_id)
    except NotFound:  # it was swept; the transcription stays
        return None


def _shown(context: Context, transcription_id: str, request_id: str, shape: Shape) -> Response:
    with context.database.begin(write=False) as session:
        heard, found = transcripts.get(session, transcription_id)
    about = About(found.song_id, recording(context, found.song_id).name, request_id)
    name, media_type = _FILES[shape]
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if shape is not Shape.JSON:
        return Response(transcript_files.files(heard, about)[name], 200, headers, media_type)
    return JSONResponse(_record(heard, about, transcription_id), 200, headers)


def _record(heard: Alignment, about: About, transcription_id: str) -> dict[str, Any]:
    path = f"/v1/transcriptions/{transcription_id}"
    links = {"self": path, "song": f"/v1/songs/{about.file_id}", "lrc": f"{path}?format=elrc"}
    said = {"transcription_id": transcription_id, **transcript_files.record(heard, about), "links": links}
    return TranscriptionRecord.model_validate(said).model_dump(mode="json", by_alias=True)
