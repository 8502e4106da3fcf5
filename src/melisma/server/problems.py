"""Errors as problem details (RFC 9457): from the one error tree, here and nowhere else.

No path of the server, no address of its database, no statement of SQL and no traceback leaves: what is no MelismaError
becomes "internal error", and the log has the rest under the same request id.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from melisma.core.errors import MelismaError, StoreError, TooManyRequests, Unauthorized
from melisma.server.names import without_paths

MEDIA_TYPE = "application/problem+json"
_SAID = 300  # characters of what a caller has sent, or of what is said of it, that an answer repeats
RETRY_S = 5  # after which a database that was out of reach may be back
_ID = "^[0-9a-f]{32}$"  # the pattern of ids, wherever they stand
_log = logging.getLogger("melisma.server")


class Problem(BaseModel):
    """What every error looks like (RFC 9457)."""

    type: str = Field(
        description="Stable name of the kind of error, as a relative URI.", examples=["/problems/not-found"]
    )
    title: str = Field(description="The kind of error in a few words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="One sentence: what is wrong, where, and what to do about it.")
    instance: str = Field(description="Path of the call.")
    request_id: str = Field(description="As in the header X-Request-ID, and in the log.")


# What pydantic calls faults, and what they are to somebody who calls the service.
_PLAIN = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "json_invalid": "is no valid JSON",
    "string_type": "has to be a text",
    "int_type": "has to be a whole number",
    "bool_type": "has to be true or false",
}


def kind_of(error: type[MelismaError]) -> str:
    """Spell an error's class as a part of a URI.

    Examples
    --------
    >>> from melisma.core.errors import VersionConflict
    >>> kind_of(VersionConflict)
    'version-conflict'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", error.__name__).lower()


def facts(error: BaseException) -> dict[str, Any]:
    """Return type, title, status and detail of an error, for an answer or for a job that failed."""
    if isinstance(error, MelismaError):
        kind, status = kind_of(type(error)), error.http_status
        detail = without_paths(" ".join(str(error).split()))
        if isinstance(error, StoreError):  # what drivers say behind that names servers and accounts
            detail = detail.partition(": ")[0]
    else:
        kind, detail, status = "internal", "internal error: the service's log says more", 500
    return {
        "type": f"/problems/{kind}",
        "title": kind.replace("-", " "),
        "status": status,
        "detail": detail,
    }


def answer(request: Request, found: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Spell a problem as an answer."""
    state = request.scope.setdefault("state", {})
    state["problem"] = str(found["type"]).rpartition("/")[2]  # for the metrics and the access line
    # The path as it came: a URL cannot be made of it where the Host header is none.
    body = {**found, "instance": request.scope["path"], "request_id": state.get("request_id", "")}
    return JSONResponse(body, int(found["status"]), dict(headers or {}), MEDIA_TYPE)


def headers_of(error: MelismaError) -> dict[str, str]:
    """Return the headers that go with an error."""
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(max(1, round(error.retry_s)))}
    if isinstance(error, StoreError):
        return {"Retry-After": str(RETRY_S)}
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": 'Bearer realm="melisma"'}
    return {}


def _place(parts: Iterable[object]) -> str:
    """Say where in a body something is; names in it are the caller's own, and may be as long as the body."""
    return ".".join(str(part) for part in parts)[:_SAID]


def _plainly(fault: Mapping[str, Any]) -> str:
    """Say what pydantic found wrong in words that need no knowledge of it."""
    kind, context = str(fault["type"]), fault.get("ctx", {})
    if kind == "string_pattern_mismatch" and context.get("pattern") == _ID:
        return "is no id: those have 32 hexadecimal digits"
    if kind == "value_error" and "error" in context:
        return f"cannot be taken: {str(context['error'])[:_SAID]}"
    if kind in _PLAIN:
        return _PLAIN[kind]
    said = str(fault["msg"])[:_SAID]
    return f"cannot be taken: {said[:1].lower()}{said[1:]}"


def _meant(request: Request, error: HTTPException) -> str:
    """Say what a bare status means here."""
    path = request.scope["path"][:_SAID]
    if error.status_code == HTTPStatus.NOT_FOUND:
        return f"there is nothing at {path!r}: /v1/openapi.json lists what there is"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{path!r} takes no {request.method}: /v1/openapi.json lists what it takes"
    return str(error.detail)


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""

    @app.exception_handler(MelismaError)
    def _known(request: Request, error: MelismaError) -> JSONResponse:
        if isinstance(error, StoreError):
            _log.warning("the store refused a call: %s", error)
        return answer(request, facts(error), headers_of(error))

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        said = "; ".join(f"{_place(each['loc'])} {_plainly(each)}" for each in error.errors()[:5])
        found = {"type": "/problems/invalid-request", "title": "invalid request", "status": 422, "detail": said}
        return answer(request, found)

    @app.exception_handler(HTTPException)
    def _plain(request: Request, error: HTTPException) -> JSONResponse:
        title = HTTPStatus(error.status_code).phrase
        kind = title.lower().replace(" ", "-")
        found = {
            "type": f"/problems/{kind}",
            "title": title,
            "status": error.status_code,
            "detail": _meant(request, error),
        }
        return answer(request, found, error.headers)

    @app.exception_handler(Exception)
    def _unknown(request: Request, error: Exception) -> JSONResponse:
        return answer(request, facts(error))
