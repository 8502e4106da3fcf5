"""One polite request: who asks is said, waiting and answers are bounded, and a server's wish to wait is heard."""

from __future__ import annotations

import math
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from melisma.core import retries
from melisma.core.errors import InputError
from melisma.lyrics.protocol import ProviderFailed

if TYPE_CHECKING:
    import httpx

TIMEOUT = "MELISMA_LYRICS_TIMEOUT"
_RETRIED = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Bounds of a request."""

    timeout_s: float = 20.0  # for one attempt, from connecting to the last byte; LRCLib asks other servers meanwhile
    connect_s: float = 5.0
    attempts: int = 3
    wait_initial_s: float = 0.5
    wait_jitter_s: float = 0.5
    max_wait_s: float = 15.0  # a server that asks for more is not waited for
    max_bytes: int = 4_000_000
    max_redirects: int = 3

    @classmethod
    def from_environment(cls) -> HttpConfig:
        """Read MELISMA_LYRICS_TIMEOUT, in seconds; InputError if that is no time that one can wait."""
        text = os.environ.get(TIMEOUT, "").strip()
        if not text:
            return cls()
        try:
            timeout_s = float(text)
        except ValueError:
            timeout_s = math.nan
        if not 0 < timeout_s <= 3600:
            raise InputError(f"{TIMEOUT} is a number of seconds up to 3600, not {text[:40]!r}")
        return cls(timeout_s=timeout_s, connect_s=min(cls().connect_s, timeout_s))


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of whom."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    media_type: str


class _Again(ProviderFailed):
    """A fault that may pass; `wait_s` is what the server asks to wait, in seconds."""

    def __init__(self, sentence: str, wait_s: float | None = None) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


@cache
def user_agent() -> str:
    """Say who asks: name, version and, where the package states one, the project's address."""
    from importlib.metadata import metadata

    facts = metadata("melisma")
    pages = [entry.partition(",")[2].strip() for entry in facts.get_all("Project-URL") or []]
    return f"melisma/{facts['Version']}" + (f" ({pages[0]})" if pages else " (lyrics for karaoke)")


def get(request: Request, config: HttpConfig | None = None) -> Answer:
    """Ask, again after a fault that may pass, and return the answer whatever its status is.

    Raises
    ------
    ProviderFailed
        If there is no answer, or it stays one of overload, or it is too long, or it points to another host.
    """
    import stamina

    retries.into_log()
    chosen = config or HttpConfig.from_environment()

    def again(error: Exception) -> bool | float:
        if not isinstance(error, _Again):
            return False
        return error.wait_s if error.wait_s is not None else True

    for attempt in stamina.retry_context(
        on=again,
        attempts=chosen.attempts,
        timeout=None,
        wait_initial=chosen.wait_initial_s,
        wait_max=chosen.max_wait_s,
        wait_jitter=chosen.wait_jitter_s,
    ):
        with attempt:
            return _once(request, chosen)
    raise AssertionError("stamina ends with a result or an error")


def _once(request: Request, config: HttpConfig) -> Answer:
    import httpx

    deadline = time.monotonic() + config.timeout_s
    timeout = httpx.Timeout(config.timeout_s, connect=config.connect_s)
    headers = {"User-Agent": user_agent(), "Accept": request.accept, "Accept-Encoding": "gzip", **request.headers}
    try:
        with httpx.Client(timeout=timeout, headers=headers, follow_redirects=False) as client:
            url, params = request.url, dict(request.params)
            for _ in range(config.max_redirects + 1):
                with client.stream("GET", url, params=params or None) as response:
                    if response.status_code not in _REDIRECTS:
                        return _read(response, config, deadline)
                    url, params = _moved(response), {}
    except httpx.TimeoutException as error:
        raise _Again(f"gave no answer within {config.timeout_s:g} s") from error
    except httpx.TransportError as error:
        raise _Again(f"cannot be reached ({_reason(error)})") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        raise ProviderFailed(f"cannot be asked ({_reason(error)})") from error
    raise ProviderFailed(f"redirects more than {config.max_redirects} times")


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _moved(response: httpx.Response) -> str:
    """Return where a redirect points: to the same host only, and never from https to http."""
    here = str(response.url)
    target: str = urljoin(here, response.headers.get("location", ""))
    old, new = urlsplit(here), urlsplit(target)
    hosts = {(old.hostname or "").removeprefix("www."), (new.hostname or "").removeprefix("www.")}
    if len(hosts) != 1 or new.port not in (old.port, None) or new.scheme not in ("https", old.scheme):
        raise ProviderFailed(f"redirects to {new.scheme}://{new.hostname}, which is not followed")
    return target


def _read(response: httpx.Response, config: HttpConfig, deadline: float) -> Answer:
    status = response.status_code
    if status in _RETRIED:
        wait = retry_after(response.headers.get("retry-after"))
        if wait is not None and wait > config.max_wait_s:
            raise ProviderFailed(f"answers {status} and asks to come back in {wait:.0f} s")
        raise _Again(f"answers {status} {response.reason_phrase}".rstrip(), wait)
    body = bytearray()
    for piece in _pieces(response, config.max_bytes):
        body += piece
        if len(body) > config.max_bytes:
            raise ProviderFailed(f"sends more than {config.max_bytes // 1_000_000 or 1} MB")
        if time.monotonic() > deadline:
            raise _Again(f"did not finish its answer within {config.timeout_s:g} s")
    return Answer(status, bytes(body), response.headers.get("content-type", "").partition(";")[0].strip().lower())


def _pieces(response: httpx.Response, max_bytes: int) -> Iterator[bytes]:
    """Yield the body piece by piece, unpacked here: a library would unpack a bomb before we can count."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        yield from response.iter_raw()
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ProviderFailed(f"sends an answer packed as {encoding[:40]!r}")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for piece in response.iter_raw():
            yield unpacker.decompress(piece, max_bytes + 1)
    except zlib.error as error:
        raise ProviderFailed("sends an answer that cannot be unpacked") from error
    if not unpacker.eof:
        raise _Again("broke off in the middle of its answer")


def retry_after(value: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date; None where it says nothing that can be used.

    Examples
    --------
    >>> retry_after("7")
    7.0
    >>> retry_after("soon") is None
    True
    """
    text = (value or "").strip()
    if text.isdecimal() and len(text) <= 9:
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, math.ceil(moment - time.time()))
