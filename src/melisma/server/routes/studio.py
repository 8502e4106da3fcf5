"""The Studio's files: a page, its styles, its modules and what is vendored. Nothing here needs a token.

A part of a path is a plain name, so none leads out of the folder; a suffix that stands in no table is not served.
"""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from melisma.core.errors import NotFound

router = APIRouter(include_in_schema=False)

# Written out: what a machine's own table says of .js differs between systems, and browsers insist.
MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "md": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
INDEX = "index.html"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", re.ASCII)
_DEPTH = 4  # parts of a path


def read(path: str) -> tuple[bytes, str]:
    """Read a file of the Studio.

    Parameters
    ----------
    path : str
        Below its folder, with "/" between the parts.

    Returns
    -------
    tuple of bytes and str
        Content and media type.

    Raises
    ------
    NotFound
        If the Studio has no such file.
    """
    parts = path.split("/")
    media_type = MEDIA_TYPES.get(path.rpartition(".")[2])
    if media_type is None or len(parts) > _DEPTH or not all(map(_NAME.fullmatch, parts)):
        raise NotFound("page", path)
    file = files("melisma").joinpath("studio", *parts)
    try:
        return file.read_bytes(), media_type
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NotFound("page", path) from error


@router.get("/")
@router.get("/studio")
def to_studio() -> RedirectResponse:
    """Lead to the Studio; relative, so that it works below a prefix of a proxy too."""
    return RedirectResponse("studio/", 307)


@router.api_route("/studio/{path:path}", methods=["GET", "HEAD"])
def studio_file(request: Request, path: str) -> Response:
    """Serve a file; a browser asks each time whether it is still the same, so that an upgrade is seen at once."""
    content, media_type = read(path or INDEX)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if is_known(request.headers.get("If-None-Match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def is_known(if_none_match: str, tag: str) -> bool:
    """Whether a browser says that it has the content with this tag (RFC 9110, section 13.1.2).

    Examples
    --------
    >>> is_known('W/"a", "b"', '"b"'), is_known("*", '"b"'), is_known("", '"b"')
    (True, True, False)
    """
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return tag in known or "*" in known
