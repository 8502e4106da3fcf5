"""Pages of other origins (CORS): none, unless the settings name them; and then with a token, never with a cookie."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from melisma.server.settings import ServiceSettings

_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
_ASKED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Range",
    "X-Request-ID",
)
_SHOWN = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-ID",
    "X-Version",
)


def add(app: FastAPI, settings: ServiceSettings) -> None:
    """Let the pages of `settings.cors_origins` read answers."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=_METHODS,
            allow_headers=_ASKED,
            expose_headers=_SHOWN,
            allow_credentials=False,
            max_age=600,
        )
