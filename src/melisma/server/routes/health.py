"""Whether the service is alive, and whether it can do its work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from melisma.server.observe.readiness import Readiness

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """That the process answers."""

    status: Annotated[str, Field(examples=["alive"])] = "alive"


class Part(BaseModel):
    """How a part of the service stands."""

    name: Annotated[str, Field(description="database, files, queue or engine.")]
    ok: bool
    detail: Annotated[str, Field(description="One sentence where it does not work; the log says more.")]


class Ready(BaseModel):
    """Whether the service can do its work."""

    ready: bool
    checks: list[Part]


@router.get("/healthz", summary="Whether the process answers", operation_id="healthz")
async def healthz() -> Alive:
    """Answer, and touch nothing: whoever restarts the service when this fails does so for no fault of a database."""
    return Alive()


@router.get(
    "/readyz",
    summary="Whether the service can do its work",
    operation_id="readyz",
    responses={503: {"model": Ready, "description": "A part does not work."}},
)
def readyz(request: Request, response: Response) -> Ready:
    """Ask the database, the files, the queue and the engines; 503 where one of them does not work."""
    checks = cast(Readiness, request.app.state.readiness).checks()
    ready = all(each.ok for each in checks)
    response.status_code = 200 if ready else 503
    return Ready(ready=ready, checks=[Part(**asdict(each)) for each in checks])
