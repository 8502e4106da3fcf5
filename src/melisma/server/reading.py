"""Alignments as answers: in the format that is wanted, with entity tags, from what was written before where it was."""

from __future__ import annotations

from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import Query, Request, Response

from melisma.core.errors import Conflict, NotFound
from melisma.core.records import Alignment
from melisma.formats import karaoke
from melisma.server import rendering
from melisma.server.context import Context
from melisma.server.openapi import header
from melisma.server.recordings import called, recording
from melisma.server.rendering import Offer
from melisma.server.schemas.alignments import AlignmentDocument
from melisma.server.sending import disposition_name
from melisma.store.service import alignments

if TYPE_CHECKING:
    from melisma.store.service.alignments import Current

FormatName = Annotated[
    str | None,
    Query(max_length=60, description="One of /v1/formats; else the header Accept decides.", examples=["json"]),
]
VersionNumber = Annotated[
    int | None, Query(ge=1, le=1_000_000_000, description="The current one, if not given.", examples=[None])
]
_PAGES = BoundedSemaphore(2)  # a karaoke page holds its recording: several hundred megabytes at worst

_HEADERS = {
    "ETag": header('Of the version, and of the format but for JSON: "3", "3-lrc".', '"3"'),
    "X-Version": header("Number of the version.", "3"),
    "Content-Disposition": header("What to call it when it is saved.", 'inline; filename="Habanera.json"'),
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The alignment, in one of the formats of /v1/formats.",
        "headers": _HEADERS,
        "model": AlignmentDocument,
        "content": {
            **{kind: {"schema": {"type": "string"}} for kind in ("text/vtt", "text/x-ssa", "application/ttml+xml")},
            **{kind: {"schema": {"type": "string"}} for kind in ("text/plain", "text/html", "application/*")},
        },
    },
    304: {"description": "Not changed since the version that the header If-None-Match names."},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which alignment is asked for, in which format and version; None lets Accept and the newest decide."""

    alignment_id: str
    format: str | None
    version: int | None


async def answered(context: Context, request: Request, asked: Asked) -> Response:
    """Answer a call for an alignment; a karaoke page when a listener is free, for it holds the whole recording.

    Raises
    ------
    UnknownName, NotAcceptable
        If there is no such format, or none that is accepted; else as `read` does.
    """
    offer = rendering.chosen(asked.format, request.headers.get("accept"))
    limiter = context.listening if offer.name == rendering.PAGE else None
    return await to_thread.run_sync(read, context, request, asked, offer, limiter=limiter)


def read(context: Context, request: Request, asked: Asked, offer: Offer) -> Response:
    """Answer a call for an alignment in a format.

    One look at the database tells which version is current; the rest is written once and kept.

    Raises
    ------
    NotFound
        If there is no such alignment, or version.
    Conflict
        If it is not made yet.
    """
    with context.database.begin(write=False) as session:
        current = alignments.current(session, asked.alignment_id)
    if current.version == 0:
        raise Conflict("this alignment is not ready yet: its job says how far it is, or why it failed")
    version = asked.version or current.version
    if version > current.version:
        raise NotFound("version", str(version))
    headers = {
        "ETag": tag(version, offer),
        "X-Version": str(version),
        "Vary": "Accept",
        "Cache-Control": "private, no-cache",  # kept, and asked about each time: it may be corrected
        "Content-Disposition": _disposition(current, offer),
        "X-Content-Type-Options": "nosniff",
    }
    if _known(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    data = _written(context, asked.alignment_id, version, offer, current)
    return Response(data, 200, headers, media_type(offer))


def media_type(offer: Offer) -> str:
    """Return the media type of a format, with its encoding where a reader might guess another one."""
    return f"{offer.media_type}; charset=utf-8" if offer.media_type.startswith("text/") else offer.media_type


def tag(version: int, offer: Offer) -> str:
    """Return the entity tag of a version in a format."""
    return f'"{version}"' if offer.name == rendering.JSON else f'"{version}-{offer.name}"'


def _written(context: Context, alignment_id: str, version: int, offer: Offer, current: Current) -> bytes:
    def alignment() -> Alignment:
        with context.database.begin(write=False) as session:
            return alignments.version(session, alignment_id, version)[0]

    if offer.name == rendering.PAGE:
        with _PAGES:
            found = recording(context, current.song_id)
            with called(found.path, found.name):
                return karaoke.page_for_file(alignment(), found.path, title=_title(current)).encode("ascii")
    return context.rendered.get((alignment_id, version, offer.name), lambda: rendering.write(alignment(), offer))


def _title(current: Current) -> str:
    return " – ".join(name for name in (current.artist, current.title) if name)


def _disposition(current: Current, offer: Offer) -> str:
    """Name the file; only JSON is for a browser to show, for everything else holds text that a stranger wrote."""
    how = "inline" if offer.name == rendering.JSON else "attachment"
    stem = (_title(current) or "alignment").replace("/", " ")
    return f"{how}; {disposition_name(stem + offer.suffix)}"


def _known(header: str | None, etag: str) -> bool:
    if header is None:
        return False
    return header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]
