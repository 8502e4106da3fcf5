"""Files as answers: whole or a range of them (RFC 9110, section 14), with an entity tag that goes by the content."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from melisma.core.errors import NotFound, StoreError
from melisma.server import problems

_BLOCK = 1 << 18  # bytes that are read at once
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_UNSAFE = re.compile(r'[\\/:*?"<>|%;\x00-\x1f\x7f-\x9f]+')
_LONGEST_NAME = 150  # characters


@dataclass(frozen=True, slots=True)
class Sent:
    """A file to be sent.

    Parameters
    ----------
    path : Path
        Where it lies.
    tag : str
        That changes with its content: letters and digits.
    media_type : str
        Of its content.
    name : str
        As whoever saves it will see it.
    disposition : "inline" or "attachment"
        Whether a browser shows it or saves it.
    what : str
        What it is, for the sentence that says that it is gone.
    """

    path: Path
    tag: str
    media_type: str
    name: str
    disposition: Literal["inline", "attachment"] = "inline"
    what: str = "file"


def send(request: Request, sent: Sent) -> Response:
    """Answer GET or HEAD with a file, a part of it, 304 or 416.

    One range is answered; several at once, another unit, and what is no range are ignored, as the RFC allows, and the
    whole file comes. The file is open before the answer begins, so that one that is deleted meanwhile is still sent.

    Raises
    ------
    NotFound
        If the file is gone.
    StoreError
        If it cannot be read.
    """
    etag = f'"{sent.tag}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",  # kept, and asked about each time: a song can be deleted
        "Content-Disposition": f"{sent.disposition}; {disposition_name(sent.name)}",
        "X-Content-Type-Options": "nosniff",
    }
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    file, size = _opened(sent)
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None
    try:
        span = byte_range(asked, size)
    except ValueError:
        file.close()
        return _unsatisfiable(request, size)
    first, stop = span or (0, size)
    headers["Content-Length"] = str(stop - first)
    if span:
        headers["Content-Range"] = f"bytes {first}-{stop - 1}/{size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers, media_type=sent.media_type)
    return _Streamed(file, _blocks(file, first, stop), status, headers, sent.media_type)


class _Streamed(StreamingResponse):
    """A file on its way, closed in every case: whoever asked may be gone before the first block is read."""

    def __init__(self, file: IO[bytes], blocks: Iterator[bytes], status: int, *rest: Any) -> None:
        super().__init__(blocks, status, *rest)
        self.file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as ASGI has it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.file.close()


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header; None where the whole file is to be sent.

    Returns
    -------
    (int, int) or None
        The first byte, and the one behind the last.

    Raises
    ------
    ValueError
        If the range lies behind the end.

    Examples
    --------
    >>> byte_range("bytes=2-", 10), byte_range("bytes=-3", 10), byte_range("bytes=0-99", 10)
    ((2, 10), (7, 10), (0, 10))
    >>> byte_range("bytes=5-2", 10), byte_range("bytes=0-1,4-5", 10), byte_range("lines=1-2", 10)
    (None, None, None)
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, stop = max(0, size - int(found[2])), size
    else:
        first = int(found[1])
        if found[2] and int(found[2]) < first:
            return None
        stop = min(size, int(found[2]) + 1) if found[2] else size
    if first >= size:
        raise ValueError("the range lies behind the end")
    return first, stop


def disposition_name(name: str) -> str:
    """Spell a file name for Content-Disposition (RFC 6266): in ASCII, and in full where that is not all of it.

    Examples
    --------
    >>> print(disposition_name("../Ódýr.mp3"))
    filename="Odyr.mp3"; filename*=UTF-8''%C3%93d%C3%BDr.mp3
    """
    stem, suffix = os.path.splitext(name)
    safe = "".join(c for c in _UNSAFE.sub(" ", stem) if c.isprintable())
    safe = " ".join(safe.split()).strip(". ")[:_LONGEST_NAME] or "melisma"
    safe += re.sub(r"[^A-Za-z0-9.]", "", suffix)
    plain = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode().strip() or "melisma"
    return f'filename="{plain}"' + ("" if plain == safe else f"; filename*=UTF-8''{quote(safe, safe='')}")


def _opened(sent: Sent) -> tuple[IO[bytes], int]:
    try:
        file = open(sent.path, "rb")  # noqa: SIM115 - closed when the last block is sent
        return file, os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise NotFound(sent.what, sent.name) from error
    except OSError as error:
        raise StoreError(f"the service's files cannot be read now: {error.strerror or error}") from error


def _blocks(file: IO[bytes], first: int, stop: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while first < stop and (data := file.read(min(_BLOCK, stop - first))):
            first += len(data)
            yield data


def _matches(header: str | None, etag: str) -> bool:
    return header is not None and (
        header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]
    )


def _unsatisfiable(request: Request, size: int) -> Response:
    found = {
        "type": "/problems/range-not-satisfiable",
        "title": "range not satisfiable",
        "status": 416,
        "detail": f"the range lies behind the end of a file of {size} bytes",
    }
    return problems.answer(request, found, {"Content-Range": f"bytes */{size}"})
