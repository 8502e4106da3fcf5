"""The door in front of every route: the service's name, the page that calls, who calls, and how often."""

from __future__ import annotations

import re
from collections import Counter

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from melisma.core.errors import Forbidden, HeadersTooLarge, MelismaError, TooManyRequests, Unauthorized
from melisma.server import problems
from melisma.server.deps import Caller
from melisma.server.guard.origins import Hosts, Origins
from melisma.server.guard.rates import Rates, network, too_many, too_many_guesses
from melisma.server.guard.sessions import COOKIE, Sessions
from melisma.server.guard.tokens import Tokens, bearer
from melisma.server.settings import ServiceSettings

HEALTH = frozenset({"/healthz", "/readyz"})
SESSION = "/v1/session"
HEAD_BYTES = 32_768  # of a request line with its headers, at most
STREAMS = 16  # event streams of one caller at a time; a browser opens six connections to one host
_STREAM = re.compile(r"/v1/jobs/[^/]+/events")


class Guard:
    """What the door knows; the route that signs in asks it too.

    Parameters
    ----------
    settings : ServiceSettings
        Tokens, names, origins and limits.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.limits = settings.limits
        self.tokens = Tokens(settings.tokens)
        self.sessions = Sessions(settings.data, self.tokens)
        self.rates = Rates(settings.jobs.redis_url)
        self.hosts, self.origins = Hosts(settings), Origins(settings)
        self.streams: Counter[str] = Counter()

    async def known(self, token: str, address: str) -> str:
        """Return the SHA-256 of a token.

        Raises
        ------
        Unauthorized
            If it is not known.
        TooManyRequests
            If many were not that came from this address: then none is looked at, right or wrong, so that guessing on
            tells nothing.
        """
        key = ("guesses", network(address))
        wait_s = await self.rates.full(self.limits.failures_per_minute, *key)
        if wait_s is not None:
            raise too_many_guesses(wait_s)
        found = self.tokens.known(token)
        if found is None:
            await self.rates.hit(self.limits.failures_per_minute, *key)
            raise Unauthorized("this token is not known here")
        return found

    async def name(self, request: Request, address: str) -> str:
        """Return whose token or session comes with a call; Unauthorized for none, TooManyRequests as in `known`."""
        header = request.headers.get("authorization")
        if header is not None:
            token = bearer(header)
            if token is None:
                raise Unauthorized("the Authorization header has to be: Bearer TOKEN")
            return self.tokens.owner_of(await self.known(token, address))
        cookie = cookie_of(request)
        owner = self.sessions.owner(cookie) if cookie else None
        if owner is None:
            raise Unauthorized("this service needs a token: send it as Authorization: Bearer TOKEN, or sign in")
        return owner

    async def count(self, who: str) -> None:
        """Count a call; TooManyRequests where it is one too many."""
        if self.limits.requests_per_minute:
            wait_s = await self.rates.hit(self.limits.requests_per_minute, "calls", who)
            if wait_s is not None:
                raise too_many(wait_s)


class Door:
    """Lets a call in with its `Caller`, or answers with the problem that keeps it out.

    Parameters
    ----------
    app : ASGI application
        What comes after.
    guard : Guard
        What it knows.
    """

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":  # the server takes no WebSocket: what is left is the lifespan
            await self._app(scope, receive, send)
            return
        request, address = Request(scope), scope["client"][0] if scope.get("client") else ""
        try:
            caller = await self._admit(request, address)
            scope.setdefault("state", {})["caller"] = caller
            who = caller.name or network(address)
            is_stream = _STREAM.fullmatch(scope["path"]) is not None
            if is_stream and self._guard.streams[who] >= STREAMS:
                raise TooManyRequests(f"{STREAMS} event streams are open already: close one", 1.0)
        except MelismaError as error:
            response = problems.answer(request, problems.facts(error), problems.headers_of(error))
            await response(scope, receive, send)
            return
        if not is_stream:
            await self._app(scope, receive, send)
            return
        self._guard.streams[who] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._guard.streams[who] -= 1
            self._guard.streams += Counter()  # forgets those at zero

    async def _admit(self, request: Request, address: str) -> Caller:
        path = request.scope["path"]
        if _size(request.scope) > HEAD_BYTES:  # the server itself counts only those that come in several pieces
            raise HeadersTooLarge(f"the headers of the call are larger than {HEAD_BYTES} bytes")
        if path in HEALTH:  # asked by address, by whoever starts and stops the service
            return Caller("", address)
        host = request.headers.get("host", "")
        self._guard.hosts.check(host)
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        self._guard.origins.check(request.method, origin, site, host)
        if path == "/" or path == "/studio" or path.startswith("/studio/"):
            return Caller("", address)
        if path == SESSION or not self._guard.tokens:
            await self._guard.count(network(address))
            return Caller("", address)
        try:
            name = await self._guard.name(request, address)
        except Unauthorized:
            await self._guard.count(network(address))
            raise
        await self._guard.count(f"token {name}")
        return Caller(name, address)


def _size(scope: Scope) -> int:
    return len(scope["query_string"]) + len(scope["path"]) + sum(len(a) + len(b) + 4 for a, b in scope["headers"])


def cookie_of(request: Request) -> str:
    """Return the session cookie of a call, empty where there is none.

    A header with two of them, as a page on a sister host may make it, is refused with Forbidden.
    """
    found = [
        value
        for each in request.headers.getlist("cookie")
        for part in each.split(";")
        for name, _, value in [part.strip().partition("=")]
        if name == COOKIE
    ]
    if len(found) > 1:
        raise Forbidden("the call has two session cookies")
    return found[0] if found else ""
