"""Songs: taken in, listed, named anew, and removed with everything that was made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from melisma.server import asking, bodies, idempotency, names, removing
from melisma.server.asking import Taken
from melisma.server.context import Context
from melisma.server.deps import Called, Shared
from melisma.server.idempotency import Answer, Call
from melisma.server.multipart import read_form
from melisma.server.openapi import Cursor, Limit, SongId, errors, header
from melisma.server.openapi import bodies as described
from melisma.server.schemas.songs import SongChange, SongFromLibrary, SongOut, SongPage
from melisma.store.service import alignments, songs
from melisma.store.service.songs import Around, Names, Song, Wanted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/v1/songs", tags=["songs"])

_TEXTS = ("title", "artist", "language")
_FORM = {
    "type": "object",
    "required": ["audio"],
    "additionalProperties": False,
    "properties": {
        "audio": {"type": "string", "format": "binary", "description": "Any recording that ffmpeg can read."},
        "title": {"type": "string", "maxLength": 300, "description": "That of its tags, if not given."},
        "artist": {"type": "string", "maxLength": 300, "description": "That of its tags, if not given."},
        "language": {"type": "string", "maxLength": 16, "description": "ISO 639 code of the lyrics."},
        "lyrics": {"type": "string", "description": "Plain text, LRC, enhanced LRC or SRT."},
        "lyrics_file": {"type": "string", "format": "binary", "description": "The same as a file."},
    },
}
_MADE = {
    "headers": {"Location": header("Path of the song.", "/v1/songs/0123456789abcdef0123456789abcdef")},
    "model": SongOut,
}


@router.post(
    "",
    status_code=201,
    summary="Take in a recording",
    response_model=SongOut,
    responses={
        **errors(404, 409, 413, 415, 507),
        200: {"description": "The recording was here already: this is its song.", **_MADE},
        201: {"description": "A new song.", **_MADE},
    },
    openapi_extra=described(SongFromLibrary, _FORM),
)
async def add_song(request: Request, context: Shared, caller: Called, key: idempotency.Key = None) -> JSONResponse:
    """Upload a recording, or name one of the library.

    The upload goes to disk as it comes, and is decoded once before it is kept: what is no recording, or too long, is
    refused, whatever its name says. A recording of the same bytes is the same song.
    """
    if not bodies.is_form(request):
        wish = await bodies.read_json(request, SongFromLibrary, context.settings.limits)
        given = Names(wish.title, wish.artist, wish.language, wish.lyrics)
        return await to_thread.run_sync(
            _add_from_library, context, caller.name, key, wish.library, given, limiter=context.examining
        )
    limits = context.settings.limits
    async with read_form(request, bodies.rules(limits, _TEXTS), context.files) as form:
        options = bodies.options_of(form)
        given = Names(**{name: options.get(name) for name in _TEXTS}, lyrics=bodies.lyrics_of(form, limits))

        def work() -> JSONResponse:
            names_given = asking.song_names(context, given)
            taken = asking.take(context, form.files.get("audio"), None, names_given)
            return _keep(context, caller.name, key, taken, names_given)

        return await to_thread.run_sync(work, limiter=context.examining)


def _add_from_library(context: Context, owner: str, key: str | None, path: str, given: Names) -> JSONResponse:
    given = asking.song_names(context, given)
    return _keep(context, owner, key, asking.take(context, None, path, given), given)


def _keep(context: Context, owner: str, key: str | None, taken: Taken, given: Names) -> JSONResponse:
    said = (given.title, given.artist, given.language, given.lyrics)
    call = Call(owner, key, idempotency.fingerprint("song", taken.recording.content, *said))

    def work(session: Session) -> Answer:
        song, made = asking.keep(session, taken)
        body = _shown(session, [song], with_lyrics=True)[0]
        return Answer(201 if made else 200, body.model_dump(mode="json"), body.links.self)

    with asking.or_nothing(context, taken):
        return idempotency.once(context, call, work)


@router.get("", summary="List songs", response_model=SongPage, responses=errors())
def list_songs(
    context: Shared,
    search: Annotated[
        str, Query(max_length=300, description="Words that title, artist or file name hold.", examples=["habanera"])
    ] = "",
    status: Annotated[
        Literal["new", "working", "failed", "ready"] | None,
        Query(description="new: nothing was made of it yet; working: a job is; failed: the last one did; ready."),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> SongPage:
    """List songs, the newest first, each with its newest alignment and the job that matters."""
    with context.database.begin(write=False) as session:
        found = songs.page(session, Wanted(names.line(search, "search"), status or "", limit, cursor))
        return SongPage(items=_shown(session, list(found.items)), next=found.next)


@router.get("/{song_id}", summary="Get a song", response_model=SongOut, responses=errors(404))
def get_song(context: Shared, song_id: SongId) -> SongOut:
    """Get a song with its lyrics."""
    with context.database.begin(write=False) as session:
        return _shown(session, [songs.get(session, song_id)], with_lyrics=True)[0]


@router.patch("/{song_id}", summary="Name a song anew", response_model=SongOut, responses=errors(404, 413))
def change_song(context: Shared, song_id: SongId, change: SongChange) -> SongOut:
    """Change title, artist, language or lyrics; what is left out stays. Alignments that there are stay as they are."""
    said = Names(change.title, change.artist, change.language, change.lyrics)
    given = asking.song_names(context, said)
    with context.database.begin() as session:
        return _shown(session, [songs.change(session, song_id, given)], with_lyrics=True)[0]


@router.delete("/{song_id}", status_code=204, summary="Remove a song", responses=errors(404))
def remove_song(context: Shared, song_id: SongId) -> Response:
    """Remove a song with everything that was made of it.

    That is its recording, unless it is in the library, its alignments with all their versions, its exports, what the
    cache holds of it, and its jobs, those that run too.
    """
    removing.remove_song(context, song_id)
    return Response(status_code=204)


def _shown(session: Session, found: list[Song], *, with_lyrics: bool = False) -> list[SongOut]:
    around = songs.around(session, [song.id for song in found])
    newest = alignments.several(session, [each.alignment_id for each in around.values() if each.alignment_id])
    return [
        SongOut.of(
            song,
            around.get(song.id, Around()),
            newest.get(around[song.id].alignment_id or ""),
            with_lyrics=with_lyrics,
        )
        for song in found
    ]
