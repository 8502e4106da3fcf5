"""What routes ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from melisma.server.context import Context


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name of the token, or "" where none is needed; and the address."""

    name: str
    address: str


# Both are coroutines though they wait for nothing: a plain function would be sent to a thread for each call.
async def context(request: Request) -> Context:
    """Return the parts of the service."""
    return cast(Context, request.app.state.context)


async def caller(request: Request) -> Caller:
    """Return who calls, as the guard in front of all routes found."""
    found = getattr(request.state, "caller", None)
    return found if isinstance(found, Caller) else Caller("", request.client.host if request.client else "")


Shared = Annotated[Context, Depends(context)]
Called = Annotated[Caller, Depends(caller)]
