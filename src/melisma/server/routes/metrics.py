"""Metrics for Prometheus; behind the token, where one is needed, like everything else."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request, Response

from melisma.server.observe import exporter
from melisma.server.observe.metrics import Metrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Write the numbers of this process, and those that the database knows of all."""
    found = cast(Metrics, request.app.state.metrics)
    text, media_type = exporter.spelled(found, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": media_type})
