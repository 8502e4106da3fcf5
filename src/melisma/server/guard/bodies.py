"""How much a caller may send, and how slowly: held while it comes, before anything keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from melisma.core.errors import MelismaError, TooLarge, TooSlow
from melisma.server import problems
from melisma.server.settings import Limits

_LEAST_RATE = 1000  # bytes a second: what trickles slower than that for long holds a connection for its own sake
_LINGER_S, _LINGER_BYTES = 5.0, 16_000_000  # a caller who is still sending hears the answer only once it was read
_MULTIPART_BYTES = 1_000_000  # borders and headers of parts, and fields other than lyrics
_BYTES_OF_CHARACTER = 4  # at most, in UTF-8


class Bodies:
    """Ends a call whose body is too large (413) or comes too slowly (408), whatever the route makes of that.

    Parameters
    ----------
    app : ASGI application
        What comes after.
    limits : Limits
        Sizes and times.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, self._most(headers), self._limits.body_s)
        answered = _Answer(send, body)
        try:
            body.check_promised(headers.get("content-length", ""))
            await self._app(scope, body.receive, answered.send)
        except MelismaError as error:
            if error is not body.fault or answered.begun:
                raise
        if body.fault is not None and not answered.begun:
            if "expect" not in headers:  # whoever waits for leave to send hears at once that there is none
                await body.linger()
            response = problems.answer(Request(scope), problems.facts(body.fault))
            response.headers["Connection"] = "close"
            await response(scope, receive, send)

    def _most(self, headers: Headers) -> int:
        """Return how many bytes a body may have: files come as multipart/form-data and nowhere else."""
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            return self._limits.body_bytes
        return self._limits.upload_bytes + _BYTES_OF_CHARACTER * self._limits.lyrics_chars + _MULTIPART_BYTES


class _Body:
    """The body of one call."""

    def __init__(self, receive: Receive, most: int, wait_s: float) -> None:
        self.fault: MelismaError | None = None
        self._receive, self._most, self._wait_s = receive, most, wait_s
        self._since: float | None = None
        self._n_bytes, self._over = 0, False

    def check_promised(self, length: str) -> None:
        if length.isascii() and length.isdigit() and int(length[:20]) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        if self.fault is not None:
            raise self.fault
        if self._over:  # what comes now is that the caller has gone, whenever that is
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._patience())
        except TimeoutError:
            self.fault = TooSlow(f"the body of the call did not come: the next bytes have to within {self._wait_s:g} s")
            raise self.fault from None
        self._over = message["type"] != "http.request" or not message.get("more_body", False)
        self._n_bytes += len(message.get("body", b""))
        if self._n_bytes > self._most:
            raise self._too_large()
        return message

    async def linger(self) -> None:
        """Read on for a little while."""
        until, n_bytes = time.monotonic() + min(_LINGER_S, self._wait_s), 0
        with contextlib.suppress(TimeoutError):
            while not self._over and n_bytes < _LINGER_BYTES and isinstance(self.fault, TooLarge):
                message = await asyncio.wait_for(self._receive(), until - time.monotonic())
                n_bytes += len(message.get("body", b""))
                self._over = message["type"] != "http.request" or not message.get("more_body", False)

    def _patience(self) -> float:
        now = time.monotonic()
        self._since = self._since or now
        left = self._since + 2 * self._wait_s + self._n_bytes / _LEAST_RATE - now
        return max(0.0, min(self._wait_s, left))

    def _too_large(self) -> MelismaError:
        said = f"the body of the call is larger than the {self._most / 1e6:.0f} MB that are taken here"
        self.fault = TooLarge(said)
        return self.fault


class _Answer:
    """What the route answers, unless the body was at fault before it began to."""

    def __init__(self, send: Send, body: _Body) -> None:
        self.begun = False
        self._send, self._body = send, body

    async def send(self, message: Message) -> None:
        if self._body.fault is not None and not self.begun:
            return
        self.begun = True
        await self._send(message)
