"""Signing in with a token, for what cannot send a header: <audio> and EventSource."""

from __future__ import annotations

from typing import Any, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from melisma.server.deps import Called
from melisma.server.guard.door import Guard, cookie_of
from melisma.server.guard.sessions import COOKIE, LASTS_S
from melisma.server.guard.tokens import LONGEST

router = APIRouter(prefix="/v1/session", tags=["session"])


class SignIn(BaseModel):
    """A token to sign in with."""

    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"token": "…"}]}
    )

    token: str = Field(min_length=1, max_length=LONGEST, description="An API token.")


@router.post("", status_code=204, response_class=Response, summary="Sign in", operation_id="sign_in")
async def sign_in(given: SignIn, request: Request, caller: Called) -> Response:
    """Set the cookie `melisma_session` (HttpOnly, SameSite=Strict) for seven days; none where no token is needed."""
    guard = _guard(request)
    response = Response(status_code=204)
    if guard.tokens:
        made = guard.sessions.make(await guard.known(given.token, caller.address))
        response.set_cookie(COOKIE, made, LASTS_S, **_attributes(request))
    return response


@router.delete("", status_code=204, response_class=Response, summary="Sign out", operation_id="sign_out")
def sign_out(request: Request) -> Response:
    """End the session, so that no copy of its cookie is worth anything, and take the cookie back."""
    _guard(request).sessions.end(cookie_of(request))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, **_attributes(request))
    return response


def _attributes(request: Request) -> dict[str, Any]:
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": request.url.scheme == "https"}


def _guard(request: Request) -> Guard:
    return cast(Guard, request.app.state.guard)
