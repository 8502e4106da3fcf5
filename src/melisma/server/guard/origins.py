"""Which names of this service are answered, and which pages may change something.

A page of any site can make a browser call 127.0.0.1, and a name that its owner points there makes that page the same
origin (DNS rebinding). The first is told by Origin and Sec-Fetch-Site, the second by Host.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from melisma.core.errors import Forbidden
from melisma.server.settings import ServiceSettings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443}


def host_name(header: str) -> str:
    """Return the name in a Host header, without its port and brackets, in lower case; empty for none.

    Examples
    --------
    >>> host_name("LocalHost:8765"), host_name("[::1]:8765"), host_name("a b")
    ('localhost', '::1', '')
    """
    return _split(f"//{header}")[0]


class Hosts:
    """The names that are answered.

    Parameters
    ----------
    settings : ServiceSettings
        Those it allows; those of the loopback interface always, which no foreign name can be made to be.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        named = {host_name(each) or each.lower() for each in settings.allowed_hosts}
        self._any = not named and not settings.on_loopback
        self._names = LOOPBACK_NAMES | named | ({settings.host.lower()} if settings.on_loopback else set())

    def check(self, header: str) -> None:
        """Refuse a name that is not ours with Forbidden."""
        name = host_name(header)
        if not name or not (self._any or name in self._names):
            raise Forbidden(
                f"this service is not called {header[:100]!r}: MELISMA_ALLOWED_HOSTS lists the names that it answers to"
            )


class Origins:
    """The pages that may change something.

    Parameters
    ----------
    settings : ServiceSettings
        Other origins that may.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._allowed = {_spelled(each) for each in settings.cors_origins}
        self._all = "*" in settings.cors_origins

    def check(self, method: str, origin: str | None, site: str | None, host: str) -> None:
        """Refuse a call that changes something from a foreign page with Forbidden.

        Parameters
        ----------
        method, host : str
            Of the call.
        origin, site : str or None
            Headers Origin and Sec-Fetch-Site; None where they are missing: whoever calls is no browser.
        """
        if method in SAFE_METHODS or self._all:
            return
        if origin is not None:
            if _spelled(origin) in self._allowed or _same(origin, host):
                return
        elif site is None or site in ("same-origin", "none"):
            return
        raise Forbidden(
            "a page of another origin may not change anything here: MELISMA_CORS_ORIGINS lists the origins that may"
        )


def _same(origin: str, host: str) -> bool:
    """Whether an origin is the host that was called; the scheme may be that of a proxy in front of us."""
    scheme = origin.partition("://")[0].lower()
    if scheme not in _PORTS:
        return False
    name, port = _split(origin)
    ours, our_port = _split(f"//{host}")
    return bool(name) and name == ours and (port or _PORTS[scheme]) == (our_port or _PORTS[scheme])


def _spelled(origin: str) -> str:
    return origin.strip().rstrip("/").lower()


def _split(given: str) -> tuple[str, int | None]:
    """Return name and port of an address; an empty name where it is none."""
    try:
        found = urlsplit(given)
        name, port = found.hostname or "", found.port
    except ValueError:
        return "", None
    plain = not (found.path or found.query or found.fragment or "@" in found.netloc)
    return (name if plain and not any(c.isspace() for c in name) else ""), port
