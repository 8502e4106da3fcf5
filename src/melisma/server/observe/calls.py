"""Each call: its request id, its one access line, its metrics; and what nobody foresaw becomes an answer here."""

from __future__ import annotations

import logging
import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melisma.core.request_ids import HEADER, request_id
from melisma.server import problems
from melisma.server.deps import Caller
from melisma.server.observe.metrics import Metrics

OPENAPI = "/v1/openapi.json"
UNMATCHED = "unmatched"  # no route has this path: what callers invent is no label and no value of a line
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ID = re.compile(r"[0-9a-f]{32}|\d{1,9}")
_log = logging.getLogger("melisma.access")


class Calls:
    """Watches every call.

    Parameters
    ----------
    app : ASGI application
        What comes after.
    metrics : Metrics
        Where calls are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(scope, receive, send)
        with structlog.contextvars.bound_contextvars(request_id=call.request_id), self._metrics.in_progress():
            try:
                await self._app(scope, call.receive, call.send)
            except Exception as error:  # the one place where it ends: logged whole, answered without a word of it
                _log.exception("internal error", extra={"route": route_of(scope)})
                if call.status:  # too late for another answer: the server cuts the connection
                    raise
                await problems.answer(Request(scope), problems.facts(error))(scope, receive, call.send)
            finally:
                self._written(scope, call)

    def _written(self, scope: Scope, call: _Call) -> None:
        duration_s = time.monotonic() - call.since
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route, state = route_of(scope), scope.get("state", {})
        self._metrics.called(method, route, call.status, duration_s, call.n_received)
        problem = state.get("problem", "")
        if problem:
            self._metrics.problem(problem)
        caller = state.get("caller")
        line = {
            "method": method,
            "route": route,
            "status": call.status,
            "duration_ms": round(1000 * duration_s),
            "received_bytes": call.n_received,
            "sent_bytes": call.n_sent,
            "address": scope["client"][0] if scope.get("client") else "",
            "caller": caller.name if isinstance(caller, Caller) else "",
            **{name: value for name, value in scope.get("path_params", {}).items() if _ID.fullmatch(str(value))},
            **({"problem": problem} if problem else {}),
        }
        _log.log(logging.ERROR if call.status >= 500 else logging.INFO, "call", extra=line)


class _Call:
    """One call while it is answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.request_id = request_id(Headers(scope=scope).get(HEADER))
        scope.setdefault("state", {})["request_id"] = self.request_id
        self.since = time.monotonic()
        self.status, self.n_received, self.n_sent = 0, 0, 0
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        message = await self._receive()
        self.n_received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[HEADER] = self.request_id
        else:
            self.n_sent += len(message.get("body", b""))
        await self._send(message)


def route_of(scope: Scope) -> str:
    """Return the template of the route that a call went to, never its path."""
    if scope["path"] == OPENAPI:  # FastAPI's own, which tells no route
        return OPENAPI
    found = getattr(scope.get("route"), "path_format", None) or getattr(scope.get("route"), "path", None)
    return str(found) if found else UNMATCHED
