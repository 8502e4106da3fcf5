"""Alignments: asked for, read in every format, corrected, made anew, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from melisma.core.errors import Conflict, InputError
from melisma.formats.karaoke import DOUBT_BELOW
from melisma.server import asking, bodies, idempotency, reading, removing, saving
from melisma.server.asking import Taken, Who, Wish
from melisma.server.context import Context
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.multipart import Form, read_form
from melisma.server.openapi import ID_PATTERN, AlignmentId, Cursor, Limit, errors, header
from melisma.server.openapi import bodies as described
from melisma.server.saving import Change
from melisma.server.schemas import alignments as schemas
from melisma.server.schemas.alignments import AlignmentBrief, AlignmentPage, AlignmentWish, Lyrics, Options
from melisma.server.schemas.jobs import JobOut
from melisma.store.service import alignments, songs
from melisma.store.service.songs import Names

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from melisma.server.jobs.records import Job

router = APIRouter(prefix="/v1/alignments", tags=["alignments"])

Number = Annotated[int, Path(ge=1, le=1_000_000_000, description="Number of a version.")]
IfMatch = Annotated[
    str | None,
    Header(max_length=100, description='Entity tag of the version that the change was made on: "3".', examples=['"3"']),
]
_JOB = {"headers": {"Location": header("Path of the job.", "/v1/jobs/0123456789abcdef0123456789abcdef")}}
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "A job that does it, or has done it.", "model": JobOut, **_JOB}
}
_NAMES = ("title", "artist")
_OPTIONS = ("language", "engine", "separate", "refine", "fallback", "priority")
_FORM = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "audio": {"type": "string", "format": "binary", "description": "A recording; or song_id, or library."},
        "song_id": {"type": "string", "pattern": ID_PATTERN},
        "library": {"type": "string", "maxLength": 1000},
        "lyrics": {"type": "string", "description": "Plain text, LRC, enhanced LRC or SRT."},
        "lyrics_file": {"type": "string", "format": "binary", "description": "The same as a file."},
        "artist": {"type": "string", "maxLength": 300, "description": "With title and no lyrics: they are looked for."},
        "title": {"type": "string", "maxLength": 300},
        "language": {"type": "string", "maxLength": 16},
        "engine": {"type": "string", "maxLength": 60, "default": "auto"},
        "separate": {"type": "string", "maxLength": 60, "default": "auto"},
        "refine": {"type": "string", "maxLength": 60},
        "fallback": {"type": "boolean", "default": False},
        "priority": {"type": "integer", "minimum": -10, "maximum": 10, "default": 0},
    },
}


@router.post(
    "",
    status_code=202,
    summary="Align a song with its lyrics",
    response_model=JobOut,
    responses={**errors(404, 409, 413, 415, 507), **_ACCEPTED},
    openapi_extra=described(AlignmentWish, _FORM),
)
async def ask(request: Request, context: Shared, caller: Called, key: idempotency.Key = None) -> JSONResponse:
    """Ask for an alignment; a job makes it.

    The same song with the same lyrics and options is the same alignment, and the same job unless that one failed.
    """
    limits, who = context.settings.limits, asking.who(caller, request)
    if not bodies.is_form(request):
        wish = await bodies.read_json(request, AlignmentWish, limits)
        limiter = context.examining if wish.library is not None else None
        return await to_thread.run_sync(_ask, context, who, key, wish, None, limiter=limiter)
    rules = bodies.rules(limits, (*_NAMES, *_OPTIONS, "song_id", "library"))
    async with read_form(request, rules, context.files) as form:
        return await to_thread.run_sync(_ask_by_form, context, who, key, form, limiter=context.examining)


def _ask_by_form(context: Context, who: Who, key: str | None, form: Form) -> JSONResponse:
    given = bodies.options_of(form, flags=("fallback",), numbers=("priority",))
    text, upload = bodies.lyrics_of(form, context.settings.limits), form.files.get("audio")
    said = {name: given.pop(name) for name in _NAMES if name in given}
    if text is not None:
        given["lyrics"] = {"text": text}
    elif len(said) == 2:
        given["lyrics"] = said
    if upload is None:
        return _ask(context, who, key, bodies.fitted(AlignmentWish, given), None)
    if "song_id" in given or "library" in given:
        raise InputError("the form has a recording and names another one: send one of audio, song_id and library")
    wish = bodies.fitted(AlignmentWish, {**given, "song_id": "0" * 32})
    names = asking.song_names(context, Names(**said, language=wish.language, lyrics=text))
    return _ask(context, who, key, wish, asking.take(context, upload, None, names))


def _ask(context: Context, who: Who, key: str | None, wish: AlignmentWish, taken: Taken | None) -> JSONResponse:
    """Check everything that can be checked now, then write down song, alignment and job in one transaction."""
    options = asking.check_options(context, wish)
    wanted = asking.sheet(context, wish.lyrics)
    if taken is None and wish.library is not None:
        taken = asking.take(context, None, wish.library, Names())
    what = taken.recording.content if taken is not None else wish.song_id
    call = Call(who.name, key, idempotency.fingerprint("align", what, wanted.given, options, wish.priority))

    def work(session: Session) -> Answer:
        song = asking.keep(session, taken)[0] if taken is not None else songs.get(session, str(wish.song_id))
        sung = wanted
        if wish.lyrics is None and "lyrics" not in wish.model_fields_set and song.lyrics.strip():
            sung = asking.sheet(context, Lyrics(text=song.lyrics))
        job = asking.ask_for_alignment(context, session, song, Wish(sung, options, wish.priority), who)
        return _accepted(job)

    with asking.or_nothing(context, taken):
        return idempotency.once(context, call, work)


@router.get("", summary="List alignments", response_model=AlignmentPage, responses=errors())
def list_alignments(
    context: Shared,
    song_id: Annotated[str | None, Query(pattern=ID_PATTERN, description="Only those of a song.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AlignmentPage:
    """List alignments, the newest first, those that are not made yet among them."""
    with context.database.begin(write=False) as session:
        found = alignments.page(session, song_id=song_id, limit=limit, cursor=cursor)
    return AlignmentPage(items=[AlignmentBrief.of(each) for each in found.items], next=found.next)


@router.get(
    "/{alignment_id}",
    summary="Read an alignment",
    response_class=Response,
    responses={**errors(404, 406, 409), **reading.ANSWERS},
)
async def read_alignment(
    request: Request,
    context: Shared,
    alignment_id: AlignmentId,
    format: reading.FormatName = None,
    version: reading.VersionNumber = None,
) -> Response:
    """Read an alignment in any format, by `format`, else by the header Accept, else as melisma.alignment/1."""
    return await reading.answered(context, request, reading.Asked(alignment_id, format, version))


@router.get(
    "/{alignment_id}/info",
    summary="Get everything about an alignment but its words",
    response_model=schemas.AlignmentInfo,
    responses=errors(404),
)
def get_info(context: Shared, alignment_id: AlignmentId) -> schemas.AlignmentInfo:
    """Get what was asked for, which words a person has set, and which are worth a look."""
    with context.database.begin(write=False) as session:
        found = alignments.get(session, alignment_id)
        if found.version == 0:
            return schemas.info(found, None, [], ())
        alignment, version = alignments.version(session, alignment_id, found.version)
    known = set(version.corrected)
    doubtful = [
        index
        for index, word in enumerate(alignment.words)
        if word.confidence is not None and word.confidence < DOUBT_BELOW and index not in known
    ]
    return schemas.info(found, version, doubtful, alignment.warnings)


@router.get(
    "/{alignment_id}/versions", summary="List versions", response_model=schemas.VersionPage, responses=errors(404)
)
def list_versions(
    context: Shared, alignment_id: AlignmentId, limit: Limit = 50, cursor: Cursor = None
) -> schemas.VersionPage:
    """List the versions of an alignment, the newest first."""
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise InputError("the cursor is none that a page of this service has given: begin without one")
    with context.database.begin(write=False) as session:
        before = None if cursor is None else int(cursor)
        found, more = alignments.versions(session, alignment_id, limit=limit, before=before)
    items = [schemas.VersionOut.of(each) for each in found]
    return schemas.VersionPage(items=items, next=None if more is None else str(more))


@router.get(
    "/{alignment_id}/versions/{number}",
    summary="Read a version",
    response_class=Response,
    responses={**errors(404, 406, 409), **reading.ANSWERS},
)
async def read_version(
    request: Request, context: Shared, alignment_id: AlignmentId, number: Number, format: reading.FormatName = None
) -> Response:
    """Read a version of an alignment, which never changes, in any format."""
    return await reading.answered(context, request, reading.Asked(alignment_id, format, number))


@router.patch(
    "/{alignment_id}/words",
    summary="Correct words",
    response_model=schemas.Saved,
    responses=errors(404, 409, 413),
)
def correct_words(
    context: Shared, caller: Called, alignment_id: AlignmentId, body: schemas.Corrections, if_match: IfMatch = None
) -> schemas.Saved:
    """Apply corrections, all of them or none, and keep them as a new version.

    Each counts words as they are when those before it are done. Somebody else's version in between is a conflict (409):
    load it, and make the change there.
    """
    version = saving.based_on(body.version, if_match)
    summary = body.summary or f"{len(body.edits)} correction{'s' if len(body.edits) > 1 else ''}"
    change = Change(alignment_id, version, caller.name, summary)
    return saving.correct(context, change, [each.edit() for each in body.edits])


@router.post("/{alignment_id}/undo", summary="Undo a version", response_model=schemas.Saved, responses=errors(404, 409))
def undo(
    context: Shared, caller: Called, alignment_id: AlignmentId, body: schemas.Undo, if_match: IfMatch = None
) -> schemas.Saved:
    """Go back to what the current version was made from, as a new version; again to go back further."""
    change = Change(alignment_id, saving.based_on(body.version, if_match), caller.name, "undone")
    return saving.undo(context, change)


@router.post(
    "/{alignment_id}/restore",
    summary="Make an older version current",
    response_model=schemas.Saved,
    responses=errors(404, 409),
)
def restore(
    context: Shared, caller: Called, alignment_id: AlignmentId, body: schemas.Restore, if_match: IfMatch = None
) -> schemas.Saved:
    """Make any version current again, as a new version: to redo what was undone, or to take the engine's."""
    version = saving.based_on(body.version, if_match)
    change = Change(alignment_id, version, caller.name, f"version {body.to} again")
    return saving.restore(context, change, body.to)


@router.post(
    "/{alignment_id}/regenerate",
    status_code=202,
    summary="Make an alignment anew",
    response_model=JobOut,
    responses={**errors(404, 409, 413), **_ACCEPTED},
)
def regenerate(
    request: Request,
    context: Shared,
    caller: Called,
    alignment_id: AlignmentId,
    body: schemas.Regenerate,
    key: idempotency.Key = None,
) -> JSONResponse:
    """Ask for a new version by an engine, past the cache; the versions that there are stay."""
    who = asking.who(caller, request)

    def work(session: Session) -> Answer:
        found = alignments.get(session, alignment_id)
        options = {name: found.request.get(name) for name in _OPTIONS if name in found.request}
        options |= {name: value for name, value in {"engine": body.engine, "language": body.language}.items() if value}
        checked = asking.check_options(context, Options.model_validate(options))
        told = {"lyrics": found.request.get("lyrics"), **checked, "alignment_id": alignment_id, "author": who.name}
        told |= {"based_on": found.version, "fresh": True, "keep_corrections": body.keep_corrections}
        return _accepted(context.queue.add(session, asking.new_job("align", told, found, who, body.priority)))

    call = Call(who.name, key, idempotency.fingerprint("regenerate", alignment_id, body.model_dump()))
    return idempotency.once(context, call, work)


@router.post(
    "/{alignment_id}/realign",
    status_code=202,
    summary="Place words anew between those that a person has set",
    response_model=JobOut,
    responses={**errors(404, 409, 413), **_ACCEPTED},
)
def realign(
    request: Request,
    context: Shared,
    caller: Called,
    alignment_id: AlignmentId,
    body: schemas.Realign,
    if_match: IfMatch = None,
    key: idempotency.Key = None,
) -> JSONResponse:
    """Ask for the neighbours of corrected words to be placed anew, with the corrections as hard anchors."""
    who, version = asking.who(caller, request), saving.based_on(body.version, if_match)

    def work(session: Session) -> Answer:
        found = alignments.get(session, alignment_id)
        if found.version != version:
            raise Conflict(f"this alignment is at version {found.version}, not {version}: load it anew")
        told = {**body.model_dump(mode="json", exclude={"version", "priority"}), "alignment_id": alignment_id}
        told |= {"based_on": version, "author": who.name}
        return _accepted(context.queue.add(session, asking.new_job("realign", told, found, who, body.priority)))

    call = Call(who.name, key, idempotency.fingerprint("realign", alignment_id, version, body.model_dump()))
    return idempotency.once(context, call, work)


@router.delete("/{alignment_id}", status_code=204, summary="Remove an alignment", responses=errors(404))
def remove_alignment(context: Shared, alignment_id: AlignmentId) -> Response:
    """Remove an alignment with all its versions, its videos, and what the cache holds of it; its song stays."""
    removing.remove_alignment(context, alignment_id)
    return Response(status_code=204)


def _accepted(job: Job) -> Answer:
    body = JobOut.of(job)
    return Answer(202, body.model_dump(mode="json"), body.links.self, None if job.state.over else job)
