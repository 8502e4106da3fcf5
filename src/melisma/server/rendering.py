"""Alignments in every format, by name or by what a caller accepts; what was written once is kept for the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from melisma.core import plugins
from melisma.core.errors import NotAcceptable, UnknownName
from melisma.core.files import Format, format_named
from melisma.core.records import Alignment

JSON = "json"
PAGE = "html"  # the karaoke page, which needs the recording too
PAGE_TYPE = "text/html"
_KEPT_BYTES = 64_000_000
_STRIPES = 64


@dataclass(frozen=True, slots=True)
class Offer:
    """A format that an alignment can be had in."""

    name: str
    media_type: str
    suffix: str
    description: str
    reads: bool = False
    suffixes: tuple[str, ...] = ()


@cache
def offers() -> dict[str, Offer]:
    """Return every installed format, JSON first, and the karaoke page."""
    names = sorted(plugins.names(plugins.FORMATS), key=lambda name: (name != JSON, name))
    found = {name: _offer(format_named(name)) for name in names}
    page = Offer(PAGE, PAGE_TYPE, ".html", "one page that plays the song", suffixes=(".html",))
    return found | {PAGE: page}


def chosen(format_name: str | None, accept: str | None) -> Offer:
    """Return the format that a call wants: by its name, else by its header Accept, else JSON.

    Raises
    ------
    UnknownName
        If no format has this name.
    NotAcceptable
        If there is none of the kinds that are accepted.
    """
    if format_name is not None:
        if format_name not in offers():
            raise UnknownName("format", format_name[:60], offers())
        return offers()[format_name]
    best: tuple[float, int, Offer] | None = None
    ranges = _ranges(accept or "*/*")
    for place, offer in enumerate(offers().values()):
        quality = _quality(offer.media_type, ranges)
        if quality > 0 and (best is None or quality > best[0]):
            best = quality, place, offer
    if best is None:
        listed = ", ".join(f"{offer.media_type} ({offer.name})" for offer in offers().values())
        raise NotAcceptable(f"there is nothing of the kinds that the header Accept names; there are: {listed}")
    return best[2]


def write(alignment: Alignment, offer: Offer) -> bytes:
    """Write an alignment in a format that needs nothing else; half a character becomes a question mark."""
    return format_named(offer.name).write(alignment).encode("utf-8", "replace")


class Rendered:
    """What was written of versions, the least asked for forgotten first.

    Parameters
    ----------
    most_bytes : int
        How much is kept.
    """

    def __init__(self, most_bytes: int = _KEPT_BYTES) -> None:
        self._most, self._n_bytes = most_bytes, 0
        self._kept: OrderedDict[tuple[str, int, str], bytes] = OrderedDict()
        self._lock = threading.Lock()
        # Who asks for the same at once waits for the one who writes it; others rarely.
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    def get(self, key: tuple[str, int, str], make: Callable[[], bytes]) -> bytes:
        """Return what is kept of an id, a version and a format, which never change; `make` writes it once."""
        found = self._find(key)
        if found is not None:
            return found
        with self._stripes[hash(key) % _STRIPES]:
            found = self._find(key)
            if found is None:
                found = make()
                self._keep(key, found)
        return found

    def _find(self, key: tuple[str, int, str]) -> bytes | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _keep(self, key: tuple[str, int, str], data: bytes) -> None:
        if len(data) > self._most // 4:
            return
        with self._lock:
            self._n_bytes += len(data) - len(self._kept.get(key, b""))
            self._kept[key] = data
            while self._n_bytes > self._most:
                self._n_bytes -= len(self._kept.popitem(last=False)[1])


def _offer(found: Format) -> Offer:
    return Offer(
        found.name, found.media_type, found.suffixes[0], found.description, found.read is not None, found.suffixes
    )


def _ranges(accept: str) -> list[tuple[str, float]]:
    """Read a header Accept (RFC 9110, section 12.5.1): media ranges with their quality."""
    found: list[tuple[str, float]] = []
    for part in accept[:2000].split(","):
        kind, *parameters = (piece.strip() for piece in part.lower().split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = min(1.0, max(0.0, float(value)))
                except ValueError:
                    quality = 0.0
        if kind:
            found.append((kind, quality if quality == quality else 0.0))
    return found or [("*/*", 1.0)]


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Return how welcome a media type is, by the range that names it most closely."""
    kind = media_type.partition(";")[0].strip().lower()
    for wanted in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        said = [quality for each, quality in ranges if each == wanted]
        if said:
            return max(said)
    return 0.0
