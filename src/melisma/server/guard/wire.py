"""The connection itself: how long its first words may take, and how many one address may hold open.

uvicorn times connections that wait for a next call, not those that never finish their first one: a request line that
comes a byte at a time would hold a connection for ever.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from melisma.server.guard.addresses import Network, is_in, networks
from melisma.server.guard.rates import network
from melisma.server.settings import ServiceSettings

MOST = 1000  # connections at a time; more calls are answered 503
FROM_ONE = 400  # connections of one address that is no proxy


def protocol(settings: ServiceSettings) -> type[asyncio.Protocol]:
    """Return what speaks HTTP on a connection, under these settings."""
    known = networks(settings.proxies)

    class Held(_Held):
        head_s = settings.limits.body_s
        proxies = known

    return Held


class _Held(H11Protocol):
    head_s: float
    proxies: tuple[Network, ...]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless this address has many."""
        super().connection_made(transport)
        if self._crowded():
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of it."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; a call that has begun is timed by its body from here on."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._rest()
        elif self._timer is None and (before is None or before.response_complete):
            self._wait()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_s, self._give_up)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _crowded(self) -> bool:
        ours = self.client[0] if self.client else ""
        if is_in(ours, self.proxies):
            return False
        peers = (each.client for each in self.connections if isinstance(each, _Held))
        return sum(peer is not None and network(peer[0]) == network(ours) for peer in peers) > FROM_ONE
