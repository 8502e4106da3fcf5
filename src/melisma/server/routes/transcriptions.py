"""Transcriptions: what a chosen model hears in a recording, word by word with times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from melisma.core.errors import Conflict, InputError, NotFound
from melisma.server import asking, asking_for_words, bodies, heard_words, idempotency, reading, rendering
from melisma.server.asking import Taken, Who
from melisma.server.context import Context
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.jobs.records import JobState
from melisma.server.multipart import Form, read_form
from melisma.server.openapi import ID_PATTERN, Cursor, Limit, TranscriptionId, errors, header
from melisma.server.openapi import bodies as described
from melisma.server.schemas.jobs import JobOut
from melisma.server.schemas.transcriptions import TranscriptionBrief, TranscriptionPage, TranscriptionWish
from melisma.server.sending import disposition_name
from melisma.store.service import jobs, songs, transcripts
from melisma.store.service.songs import Names
from melisma.text import language as languages

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/v1/transcriptions", tags=["transcriptions"])

_TEXTS = ("song_id", "library", "engine", "model", "language", "align", "adopt", "priority")
_FORM = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "audio": {"type": "string", "format": "binary", "description": "A recording; or song_id, or library."},
        "song_id": {"type": "string", "pattern": ID_PATTERN},
        "library": {"type": "string", "maxLength": 1000},
        "engine": {"type": "string", "maxLength": 60},
        "model": {"type": "string", "maxLength": 64},
        "language": {"type": "string", "maxLength": 16},
        "align": {"type": "boolean", "default": True},
        "adopt": {"type": "boolean", "default": False},
        "priority": {"type": "integer", "minimum": -10, "maximum": 10, "default": 0},
    },
}
_JOB = {"headers": {"Location": header("Path of the job.", "/v1/jobs/0123456789abcdef0123456789abcdef")}}


@router.post(
    "",
    status_code=202,
    summary="Transcribe a recording",
    response_model=JobOut,
    responses={
        **errors(404, 409, 413, 415, 501, 507),
        202: {"description": "A job that does it; the transcription has its id.", "model": JobOut, **_JOB},
    },
    openapi_extra=described(TranscriptionWish, _FORM),
)
async def ask(request: Request, context: Shared, caller: Called, key: idempotency.Key = None) -> JSONResponse:
    """Ask for what an engine hears in a recording; without a name, the first of those that transcribe."""
    limits, who = context.settings.limits, asking.who(caller, request)
    if not bodies.is_form(request):
        wish = await bodies.read_json(request, TranscriptionWish, limits)
        limiter = context.examining if wish.library is not None else None
        return await to_thread.run_sync(_ask, context, who, key, wish, None, limiter=limiter)
    rules = {name: rule for name, rule in bodies.rules(limits, _TEXTS).items() if not name.startswith("lyrics")}
    async with read_form(request, rules, context.files) as form:
        return await to_thread.run_sync(_ask_by_form, context, who, key, form, limiter=context.examining)


def _ask_by_form(context: Context, who: Who, key: str | None, form: Form) -> JSONResponse:
    given, upload = bodies.options_of(form, flags=("align", "adopt"), numbers=("priority",)), form.files.get("audio")
    if upload is None:
        return _ask(context, who, key, bodies.fitted(TranscriptionWish, given), None)
    if "song_id" in given or "library" in given:
        raise InputError("the form has a recording and names another one: send one of audio, song_id and library")
    wish = bodies.fitted(TranscriptionWish, {**given, "song_id": "0" * 32})
    return _ask(context, who, key, wish, asking.take(context, upload, None, Names()))


def _ask(context: Context, who: Who, key: str | None, wish: TranscriptionWish, taken: Taken | None) -> JSONResponse:
    language = languages.normalise(wish.language) if wish.language else None
    engine = asking_for_words.model_of(context, wish.engine or wish.model, language)
    if taken is None and wish.library is not None:
        taken = asking.take(context, None, wish.library, Names())
    what = taken.recording.content if taken is not None else wish.song_id
    asked = (engine, language, wish.align, wish.adopt, wish.priority)
    call = Call(who.name, key, idempotency.fingerprint("transcribe", what, *asked))

    def work(session: Session) -> Answer:
        song = asking.keep(session, taken)[0] if taken is not None else songs.get(session, str(wish.song_id))
        words = asking_for_words.Words(song.id, engine, language, align=wish.align, adopt=wish.adopt)
        job = context.queue.add(session, asking_for_words.new_job(words, who, wish.priority))
        body = JobOut.of(job)
        return Answer(202, body.model_dump(mode="json"), body.links.self, job)

    with asking.or_nothing(context, taken):
        return idempotency.once(context, call, work)


@router.get("", summary="List transcriptions", response_model=TranscriptionPage, responses=errors())
def list_transcriptions(
    context: Shared,
    song_id: Annotated[str | None, Query(pattern=ID_PATTERN, description="Only those of a song.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> TranscriptionPage:
    """List transcriptions, the newest first."""
    with context.database.begin(write=False) as session:
        found = transcripts.page(session, song_id=song_id, limit=limit, cursor=cursor)
    return TranscriptionPage(items=[TranscriptionBrief.of(each) for each in found.items], next=found.next)


@router.get(
    "/{transcription_id}",
    summary="Read a transcription",
    response_class=Response,
    responses={**errors(404, 406, 409), **reading.ANSWERS},
)
def read_transcription(
    request: Request, context: Shared, transcription_id: TranscriptionId, format: reading.FormatName = None
) -> Response:
    """Read what was heard, in any format but the karaoke page; 409 while its job is not done."""
    offer = rendering.chosen(format, request.headers.get("accept"))
    if offer.name == rendering.PAGE:
        raise InputError("a transcription has no karaoke page: align the song without lyrics, and take that one's")
    with context.database.begin(write=False) as session:
        try:
            heard, found = transcripts.get(session, transcription_id)
        except NotFound:
            job = jobs.get(session, transcription_id) if _is_job(session, transcription_id) else None
            if job is None or job.kind != "transcribe" or job.state is JobState.DONE:
                raise
            raise Conflict("this transcription is not ready: its job says how far it is, or why it failed") from None
        song = songs.get(session, found.song_id)
    how = "inline" if offer.name == rendering.JSON else "attachment"
    headers = {
        "ETag": reading.tag(1, offer),
        "X-Version": "1",
        "Vary": "Accept",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"{how}; {disposition_name((song.title or 'transcription') + offer.suffix)}",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(rendering.write(heard, offer), 200, headers, reading.media_type(offer))


@router.delete("/{transcription_id}", status_code=204, summary="Remove a transcription", responses=errors(404))
def remove_transcription(context: Shared, transcription_id: TranscriptionId) -> Response:
    """Remove a transcription and its files; its song stays, and an alignment that it has become."""
    heard_words.remove(context, transcription_id)
    return Response(status_code=204)


def _is_job(session: Session, id: str) -> bool:
    try:
        jobs.get(session, id)
    except NotFound:
        return False
    return True
