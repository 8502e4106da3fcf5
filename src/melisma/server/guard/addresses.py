"""Whose address a call has, where proxies stand in front: their word is taken, nobody else's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from melisma.core.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Takes address and scheme from X-Forwarded-For and X-Forwarded-Proto, if a known proxy says them.

    Parameters
    ----------
    app : ASGI application
        What comes after.
    proxies : iterable of str
        Addresses or networks.

    Raises
    ------
    InputError
        If one is none.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str] = ()) -> None:
        self._app, self._proxies = app, networks(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        client = scope.get("client")
        if scope["type"] == "http" and self._proxies and client and self._known(client[0]):
            headers = Headers(scope=scope)
            said = ",".join(headers.getlist("x-forwarded-for")).split(",")
            scope["client"] = (self._caller(said, client[0]), 0)
            if headers.get("x-forwarded-proto", "").strip().lower() in ("http", "https"):
                scope["scheme"] = headers["x-forwarded-proto"].strip().lower()
        await self._app(scope, receive, send)

    def _caller(self, said: list[str], last: str) -> str:
        """Return the last address that no proxy of ours has: what stands before it may be anybody's invention."""
        for each in reversed([one.strip() for one in said]):
            try:
                last = str(ipaddress.ip_address(each))
            except ValueError:
                return last
            if not self._known(last):
                return last
        return last

    def _known(self, address: str) -> bool:
        return is_in(address, self._proxies)


def is_in(address: str, known: Iterable[Network]) -> bool:
    """Whether an address is in one of these networks; one of IPv4 that came by a socket of IPv6 counts as IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in known)


def networks(given: Iterable[str]) -> tuple[Network, ...]:
    """Read addresses and networks; see `Addresses` for the error."""
    found: list[Network] = []
    for each in given:
        try:
            found.append(ipaddress.ip_network(each.strip(), strict=False))
        except ValueError as error:
            raise InputError(f"MELISMA_PROXIES: {each[:60]!r} is no address and no network") from error
    return tuple(found)
