"""Stems: the voice of a song, and everything else, where a separator that makes both is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import JSONResponse

from melisma.core.errors import NotFound
from melisma.server import asking, idempotency
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.openapi import SongId, errors, header
from melisma.server.recordings import recording
from melisma.server.schemas.jobs import JobOut
from melisma.server.schemas.media import StemName, StemsWish
from melisma.server.sending import Sent, send
from melisma.server.work import stems as work_on_stems
from melisma.store.service import exports, jobs
from melisma.store.service.jobs import Chosen, JobState, NewJob

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/v1/songs/{song_id}/stems", tags=["media"])

_JOB = {"headers": {"Location": header("Path of the job.", "/v1/jobs/0123456789abcdef0123456789abcdef")}}
_BINARY: dict[str, Any] = {"content": {"audio/flac": {"schema": {"type": "string", "format": "binary"}}}}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", **_BINARY},
    206: {"description": "The range that was asked for.", **_BINARY},
    304: {"description": "Not changed."},
    **errors(404, 416),
}


@router.post(
    "",
    status_code=202,
    summary="Separate the voice",
    response_model=JobOut,
    responses={
        **errors(404, 409, 501),
        202: {"description": "A job that does it, or one that does it already.", "model": JobOut, **_JOB},
    },
)
def separate(
    request: Request,
    context: Shared,
    caller: Called,
    song_id: SongId,
    wish: Annotated[StemsWish | None, Body()] = None,
    key: idempotency.Key = None,
) -> JSONResponse:
    """Ask for the stems of a song; 501 where nothing is installed that makes them."""
    work_on_stems.maker()
    recording(context, song_id)
    who = asking.who(caller, request)
    wish = wish or StemsWish()

    def work(session: Session) -> Answer:
        job = _under_way(session, song_id)
        new = None
        if job is None:
            asked = NewJob("stems", {"song_id": song_id}, wish.priority, who.name, who.request_id, song_id)
            new = job = context.queue.add(session, asked)
        return Answer(202, JobOut.of(job).model_dump(mode="json"), f"/v1/jobs/{job.id}", new)

    mark = idempotency.fingerprint("stems", song_id, wish.model_dump())
    return idempotency.once(context, Call(who.name, key, mark), work)


def _under_way(session: Session, song_id: str) -> jobs.Job | None:
    """Return a job that separates the song already."""
    for state in (JobState.RUNNING, JobState.QUEUED):
        found, _ = jobs.page(session, Chosen(state, song_id), None, 200)
        for job in found:
            if job.kind == "stems" and not job.cancel_wanted:
                return job
    return None


@router.head(
    "/{stem}",
    summary="The headers of a stem",
    response_class=Response,
    responses=_FILE,
    operation_id="media-read_stem-head",
)
@router.get("/{stem}", summary="A stem, whole or a range of its bytes", response_class=Response, responses=_FILE)
def read_stem(request: Request, context: Shared, song_id: SongId, stem: StemName) -> Response:
    """Send a stem: it begins with the recording, lasts as long, and both stems add up to it."""
    song = recording(context, song_id)
    with context.database.begin(write=False) as session:
        found = exports.of_song(session, song_id, (stem,))
    if not found:
        raise NotFound("stem", stem)
    newest = found[0]
    path = context.files.path(newest.content, newest.suffix)
    name = f"{song.title or 'song'} ({stem}){newest.suffix}"
    return send(request, Sent(path, newest.content[:32], newest.media_type, name, "inline", "stem"))
