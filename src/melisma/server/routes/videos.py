"""Karaoke videos: asked for, fetched, removed; and the fonts that they can be drawn in."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from melisma.core.errors import Conflict, InputError, NotFound
from melisma.pipeline.video import encode, fonts, picture
from melisma.server import asking, bodies, idempotency, videos
from melisma.server.asking import Who
from melisma.server.context import Context
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.multipart import Form, Kind, Rule, read_form
from melisma.server.openapi import ID_PATTERN, AlignmentId, errors, header
from melisma.server.openapi import bodies as described
from melisma.server.recordings import recording
from melisma.server.schemas.jobs import JobOut
from melisma.server.schemas.media import Fonts, VideoOut, Videos, VideoWish
from melisma.server.sending import Sent, send
from melisma.server.workplace import copied, workplace
from melisma.store.service import alignments, exports
from melisma.store.service.exports import Export, Made
from melisma.store.service.files import Incoming
from melisma.store.service.jobs import NewJob

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/v1", tags=["media"])

VideoId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a video, which is its job's.")]
_FLAGS, _NUMBERS = ("count_in",), ("width", "height", "fps", "font_size", "version", "priority")
_COLOURS = ("unsung", "sung", "backing", "outline")
_TEXTS = ("container", "font", "background", "dim", "title", "artist", "audio", *_FLAGS, *_NUMBERS, *_COLOURS)
_FORM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "As the JSON, each colour a field of its own, and a picture.",
    "properties": {
        "picture": {"type": "string", "format": "binary", "description": "PNG, JPEG or WebP, at most 20 MB."},
        **{name: {"type": "string"} for name in _TEXTS},
    },
}
_JOB = {"headers": {"Location": header("Path of the job.", "/v1/jobs/0123456789abcdef0123456789abcdef")}}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BINARY: dict[str, Any] = {"content": dict.fromkeys(("video/mp4", "video/webm"), _BYTES)}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "All of it.", **_BINARY},
    206: {"description": "The range that was asked for.", **_BINARY},
    304: {"description": "Not changed."},
    **errors(404, 416),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call for a video: of which alignment, who calls, and with which key."""

    alignment_id: str
    who: Who
    key: str | None


@router.post(
    "/alignments/{alignment_id}/videos",
    status_code=202,
    summary="Make a karaoke video",
    response_model=JobOut,
    responses={
        **errors(404, 409, 413, 415, 501, 507),
        202: {"description": "A job that does it; the video has its id.", "model": JobOut, **_JOB},
    },
    openapi_extra=described(VideoWish, _FORM),
)
async def make_video(
    request: Request, context: Shared, caller: Called, alignment_id: AlignmentId, key: idempotency.Key = None
) -> JSONResponse:
    """Ask for a video of an alignment; what cannot be made is refused now, not by the job."""
    asked = _Asked(alignment_id, asking.who(caller, request), key)
    if not bodies.is_form(request):
        wish = await bodies.read_json(request, VideoWish, context.settings.limits)
        return await to_thread.run_sync(_ask, context, asked, wish, None)
    rules = {"picture": Rule(Kind.FILE, picture.MAX_BYTES), **{name: Rule(Kind.TEXT, 4000) for name in _TEXTS}}
    async with read_form(request, rules, context.files) as form:
        return await to_thread.run_sync(_ask, context, asked, _wish(form), form, limiter=context.examining)


def _wish(form: Form) -> VideoWish:
    given = bodies.options_of(form, _FLAGS, _NUMBERS)
    colours = {name: given.pop(name) for name in _COLOURS if name in given}
    if "dim" in given:
        try:
            given["dim"] = float(given["dim"])
        except ValueError:
            raise InputError(f"dim is a number, not {given['dim'][:40]!r}") from None
    return bodies.fitted(VideoWish, {**given, "colours": colours})


def _ask(context: Context, asked: _Asked, wish: VideoWish, form: Form | None) -> JSONResponse:
    with context.database.begin(write=False) as session:
        current = alignments.current(session, asked.alignment_id)
        if current.version == 0:
            raise Conflict("this alignment is not ready yet: its job says how far it is, or why it failed")
        version = wish.version or current.version
        alignments.version(session, asked.alignment_id, version)
        instrumental = exports.of_song(session, current.song_id, ("instrumental",))
    if wish.audio == "instrumental" and not instrumental:
        raise Conflict(f"there is no instrumental of this song yet: POST /v1/songs/{current.song_id}/stems makes it")
    titled = {
        "version": version,
        "title": current.title if wish.title is None else wish.title,
        "artist": current.artist if wish.artist is None else wish.artist,
    }
    request = {**wish.model_dump(), **titled, "alignment_id": asked.alignment_id, "picture": None}
    config = videos.config_of(request, None)
    config.check()
    fonts.choose(config.font)
    encode.encoders(config.container)
    with _picture(context, form, config.width, config.height) as still:
        request["picture"] = still.content if still else None

        def work(session: Session) -> Answer:
            if still is not None:  # a row of its own, so that it goes with the song
                file = still.stored(".png")
                made = Made(current.song_id, "picture", file, "image/png", ".png", asked.alignment_id, version)
                exports.keep(session, uuid.uuid4().hex, made, still)
            who = asked.who
            new = NewJob("video", request, wish.priority, who.name, who.request_id, current.song_id, asked.alignment_id)
            job = context.queue.add(session, new)
            return Answer(202, JobOut.of(job).model_dump(mode="json"), f"/v1/jobs/{job.id}", job)

        mark = idempotency.fingerprint("video", request)
        return idempotency.once(context, Call(asked.who.name, asked.key, mark), work)


@contextlib.contextmanager
def _picture(context: Context, form: Form | None, width: int, height: int) -> Iterator[Incoming | None]:
    """Make a picture of ours of what was sent, cut to the shape of the video; that alone may be kept."""
    upload = form.files.get("picture") if form is not None else None
    if upload is None or not upload.incoming.size_bytes:
        yield None
        return
    with workplace(context) as folder:
        made = folder / "picture.png"
        picture.fitted(upload.incoming.flush(), made, (width, height), background="#000000", dim=0.0)
        with copied(context, made) as still:
            yield still


@router.get("/alignments/{alignment_id}/videos", summary="List videos", response_model=Videos, responses=errors(404))
def list_videos(context: Shared, alignment_id: AlignmentId) -> Videos:
    """List the videos that show an alignment, the newest first."""
    with context.database.begin(write=False) as session:
        alignments.get(session, alignment_id)
        found = exports.of_alignment(session, alignment_id)
    return Videos(items=[VideoOut.of(export) for export in found if export.kind == "video"])


@router.head(
    "/videos/{video_id}",
    summary="The headers of a video",
    response_class=Response,
    responses=_FILE,
    operation_id="media-read_video-head",
)
@router.get(
    "/videos/{video_id}",
    summary="The video, whole or a range of its bytes",
    response_class=Response,
    responses=_FILE,
)
def read_video(request: Request, context: Shared, video_id: VideoId) -> Response:
    """Send a video."""
    found = _video(context, video_id)
    song = recording(context, found.song_id)
    name = " - ".join(part for part in (song.artist, song.title) if part) or "karaoke"
    path = context.files.path(found.content, found.suffix)
    tag = found.content[:32]
    return send(request, Sent(path, tag, found.media_type, name + found.suffix, "attachment", "video"))


@router.delete("/videos/{video_id}", status_code=204, summary="Remove a video", responses=errors(404))
def remove_video(context: Shared, video_id: VideoId) -> Response:
    """Remove a video."""
    found = _video(context, video_id)
    with context.database.begin() as session:
        for content, suffix in exports.remove(session, [found]):
            context.files.remove(content, suffix)
    return Response(status_code=204)


@router.get("/fonts", summary="List fonts", response_model=Fonts, responses=errors())
def list_fonts() -> Fonts:
    """List the fonts that words can be drawn in."""
    return Fonts(default=fonts.choose(""), fonts=list(fonts.installed()))


def _video(context: Context, video_id: str) -> Export:
    with context.database.begin(write=False) as session:
        try:
            found = exports.get(session, video_id)
        except NotFound:
            raise NotFound("video", video_id) from None
    if found.kind != "video":
        raise NotFound("video", video_id)
    return found
