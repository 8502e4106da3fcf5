"""What the description of the API says of every route alike: its errors, its pages, its bodies with files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel

from melisma.server import problems
from melisma.store.service.pages import LIMIT

ID_PATTERN = "^[0-9a-f]{32}$"
_GUARDED = ("/v1/", "/process/")  # where a caller has to be known, and anything of `_EVERYWHERE` may be said
_EVERYWHERE = (401, 403, 429, 431, 500, 503)  # what the guard and the database may say of any call
_WITH_BODY = (400, 408, 413)  # what may be wrong with any body, before it is looked into
_MEANINGS = {
    400: "The call is no HTTP that this service understands.",
    401: "No token, or one that is not known.",
    403: "The caller may not do this, or the page that calls is of another origin.",
    404: "There is none of this name.",
    406: "There is no answer of the kind that was asked for; the sentence lists those there are.",
    408: "The body did not come in time.",
    409: "It does not fit what is there now: not ready yet, changed by somebody else, or a key used for another call.",
    413: "What was sent is larger than the service takes.",
    415: "What was sent is of a kind that is not taken here.",
    416: "The range lies behind the end of the file.",
    422: "What was sent cannot be used; the sentence says what and why.",
    429: "Too many calls; the header Retry-After says when to come again.",
    431: "The headers of the call are larger than the service reads.",
    500: "A fault of the service, of which its log says more under the same request id.",
    501: "A part that this needs is not installed; the sentence says which.",
    503: "What the service keeps is out of reach for now; another try may work.",
    507: "There is no room on the service's disk.",
}

Limit = Annotated[int, Query(ge=1, le=LIMIT, description="How many at most.", examples=[50])]
Cursor = Annotated[
    str | None,
    Query(max_length=1500, description="`next` of the page before; without it the first page.", examples=[None]),
]
SongId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a song.")]
AlignmentId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of an alignment.")]
JobId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a job.")]
TranscriptionId = Annotated[str, Path(pattern=ID_PATTERN, description="Id of a transcription, which is its job's.")]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors that a route may answer beside those that any may, which are added to all (`install`)."""
    return {status: _error(status) for status in statuses}


def header(description: str, example: str) -> dict[str, Any]:
    """Describe a header of an answer."""
    return {"description": description, "schema": {"type": "string"}, "example": example}


def bodies(json_model: type[BaseModel] | None, form: Mapping[str, Any] | None) -> dict[str, Any]:
    """Describe a body that is read as it comes: as JSON, as a form with files, or either."""
    content: dict[str, Any] = {}
    if json_model is not None:
        content["application/json"] = {
            "schema": json_model.model_json_schema(ref_template="#/components/schemas/{model}")
        }
    if form is not None:
        content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}


def operation_id(route: APIRoute) -> str:
    """Name an operation by what it is about and what it does."""
    return f"{route.tags[0]}-{route.name}" if route.tags else route.name


def install(app: FastAPI) -> None:
    """Complete the description of an application by what is true of all of its routes alike."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = plain()
            _complete(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _complete(made: dict[str, Any]) -> None:
    parts = made.setdefault("components", {}).setdefault("schemas", {})
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation)
            # Parts of bodies that are read as they come stand with all others.
            for content in operation.get("requestBody", {}).get("content", {}).values():
                parts.update(content.get("schema", {}).pop("$defs", {}))
    parts["Problem"] = problems.Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which are never sent
        parts.pop(name, None)
    made["components"]["securitySchemes"] = _SCHEMES
    made["tags"] = _TAGS


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add the errors that any route may answer, and how a caller says who calls."""
    statuses = set(_EVERYWHERE if path.startswith(_GUARDED) else ())
    if "requestBody" in operation:
        statuses |= {*_WITH_BODY, 422}
    if operation.get("parameters"):
        statuses.add(422)
    if method not in ("get", "head") and statuses:
        statuses.add(507)
    if "{" in path:
        statuses.add(404)
    answers = operation["responses"]
    answers.pop("default", None)
    if "422" in answers and problems.MEDIA_TYPE not in answers["422"].get("content", {}):
        del answers["422"]
    for status in statuses:
        answers.setdefault(str(status), _error(status))
    operation["responses"] = dict(sorted(answers.items()))
    if path.startswith(_GUARDED):
        operation["security"] = [{name: []} for name in _SCHEMES] + [{}]


def _error(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    described: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {problems.MEDIA_TYPE: {"schema": schema}},
    }
    if status in (429, 503, 507):
        described["headers"] = {"Retry-After": header("Seconds after which to come again.", "5")}
    return described


_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of this service; none is needed where only this machine can reach it.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "melisma_session",
        "description": "As POST /v1/session sets it, for browsers.",
    },
}
_TAGS = [
    {"name": "songs", "description": "Recordings, and what people call them."},
    {"name": "library", "description": "Recordings on the service's machine, which need no upload."},
    {"name": "alignments", "description": "Every word of the lyrics on the timeline, with every version of it."},
    {"name": "jobs", "description": "Work that takes a while."},
    {"name": "transcriptions", "description": "What a chosen model hears."},
    {"name": "catalogue", "description": "What the service can do."},
    {"name": "media", "description": "What is heard and seen of a song."},
    {"name": "session", "description": "Signing in from a browser."},
    {"name": "health", "description": "For whoever looks after the service."},
]
