"""An upload to a transcriber: bounded in time and size, patient where a fault passes, silent about the key."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from melisma.core import retries
from melisma.core.errors import EngineError, EngineFailed, EngineTimeout, EngineUnavailable
from melisma.lyrics.http import retry_after

if TYPE_CHECKING:
    import httpx

_MAY_PASS = (408, 409, 425, 429, 500, 502, 503, 504)
_EXCERPT = 200  # characters of a server's own words in a sentence
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a transcription server is, and the bounds of what is asked of it."""

    name: str  # of the engine, for sentences
    url: str  # of the endpoint, …/v1/audio/transcriptions
    model: str
    key: str = field(default="", repr=False)
    key_variable: str = ""  # where a user sets the key
    connect_s: float = 10.0
    read_s: float = 180.0  # without a byte from the server: it answers when it has listened to a whole piece
    total_s: float = 900.0  # for a recording, all pieces and attempts together
    attempts: int = 4  # for each piece
    wait_initial_s: float = 1.0
    wait_max_s: float = 20.0
    wait_jitter_s: float = 1.0
    max_wait_s: float = 60.0  # a server that asks for more is not waited for
    max_upload: int = 25_000_000  # bytes: OpenAI's and Groq's limit
    max_answer: int = 16_000_000  # bytes: an hour of words takes about 2 MB
    max_piece_s: float = 600.0


def with_limits(config: ServerConfig, prefix: str) -> ServerConfig:
    """Return a config with the limits that the environment sets: `…_TIMEOUT` in seconds, `…_MAX_MB` of an upload.

    Raises
    ------
    EngineUnavailable
        If one is set to what is no limit, or the key is none: as a header it would end in a sentence of httpx's.
    """
    if not (config.key.isascii() and config.key.isprintable()):
        raise EngineUnavailable(f"the key in {config.key_variable} holds characters that no key has")
    total = _number(f"{prefix}_TIMEOUT", config.total_s)
    most = round(1_000_000 * _number(f"{prefix}_MAX_MB", config.max_upload / 1_000_000))
    return replace(config, total_s=total, read_s=min(config.read_s, total), max_upload=most)


def _number(variable: str, otherwise: float) -> float:
    said = os.environ.get(variable, "").strip()
    try:
        value = float(said or otherwise)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 86_400:
        raise EngineUnavailable(f"{variable} is {said[:40]!r}: give a number from 1 to 86400")
    return value


class _Again(EngineError):
    """A fault that may pass; `wait_s` is what the server asks to wait, in seconds."""

    wait_s: float | None = None


class _Overloaded(_Again, EngineFailed):
    """The server answers that it cannot, or is cut off."""


class _Unconnected(_Again, EngineTimeout):
    """No connection came about in time."""


def endpoint(base: str) -> str:
    """Return the URL of the transcription endpoint below a base URL, whose path is /v1 where it has none.

    Raises
    ------
    EngineUnavailable
        If the URL is none, or carries a user, a password or a query, which would end in logs.

    Examples
    --------
    >>> endpoint("http://localhost:9000"), endpoint("https://api.example.org/openai/v1/")
    ('http://localhost:9000/v1/audio/transcriptions', 'https://api.example.org/openai/v1/audio/transcriptions')
    """
    try:
        parts = urlsplit(base.strip())
        port = parts.port
    except ValueError as error:
        raise EngineUnavailable(f"the URL of the transcription server cannot be used: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineUnavailable(
            "the URL of the transcription server is none: give one such as http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise EngineUnavailable("the URL of the transcription server holds more than an address: keys have a variable")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/") or "/v1"
    path = path if path.endswith("/audio/transcriptions") else f"{path}/audio/transcriptions"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


def upload(config: ServerConfig, audio: bytes, fields: Mapping[str, str | list[str]], deadline: float) -> bytes:
    """Send a FLAC file and return the body of the answer.

    Parameters
    ----------
    config : ServerConfig
        Whom to ask, and how long.
    audio : bytes
        The file.
    fields : mapping
        What else the form holds.
    deadline : float
        When to give up, on the clock of `time.monotonic`.

    Raises
    ------
    EngineUnavailable
        If the server does not take the key, or knows neither endpoint nor model.
    EngineTimeout
        If it does not answer in time.
    EngineFailed
        If it answers with an error that does not pass, redirects, breaks off or sends too much.
    """
    import stamina

    retries.into_log()
    if len(audio) > config.max_upload:
        raise EngineFailed(f"{config.name}: {len(audio)} bytes are more than the {config.max_upload} that it takes")

    def again(error: Exception) -> bool | float:
        left = deadline - time.monotonic()
        if not isinstance(error, _Again) or left <= 0:
            return False
        if error.wait_s is None:
            return True
        wait = error.wait_s + random.SystemRandom().uniform(0, config.wait_jitter_s)
        return wait if wait < left else False

    n_tries = 0
    try:
        for attempt in stamina.retry_context(
            on=again,
            attempts=config.attempts,
            timeout=max(0.001, deadline - time.monotonic()),
            wait_initial=config.wait_initial_s,
            wait_max=config.wait_max_s,
            wait_jitter=config.wait_jitter_s,
        ):
            with attempt:
                n_tries += 1
                return _once(config, audio, fields, deadline)
    except _Again as error:
        said = f"{error}, {n_tries} times" if n_tries > 1 else str(error)
        raise (EngineTimeout if isinstance(error, EngineTimeout) else EngineFailed)(said) from error
    raise AssertionError("stamina ends with a result or an error")


def _once(config: ServerConfig, audio: bytes, fields: Mapping[str, str | list[str]], deadline: float) -> bytes:
    import httpx

    left = deadline - time.monotonic()
    if left <= 0:
        raise EngineTimeout(f"{config.name} was not done within {config.total_s:g} s")
    slow = min(config.read_s, left)
    timeout = httpx.Timeout(slow, connect=min(config.connect_s, left))
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if config.key:
        headers["Authorization"] = f"Bearer {config.key}"
    files = {"file": ("audio.flac", audio, "audio/flac")}
    with (
        _faults(config, slow),
        httpx.Client(timeout=timeout, follow_redirects=False) as client,
        client.stream("POST", config.url, data=dict(fields), files=files, headers=headers) as response,
    ):
        _refuse(config, response, deadline)
        return _body(config, response, config.max_answer, deadline)


@contextmanager
def _faults(config: ServerConfig, slow: float) -> Iterator[None]:
    """Map what httpx raises."""
    import httpx

    try:
        yield
    except httpx.ConnectTimeout as error:
        raise _Unconnected(f"{config.name} cannot be connected to within {config.connect_s:g} s") from error
    except httpx.TimeoutException as error:
        # Not tried again: a server that is too slow for a piece once is so a second time, and bills it.
        raise EngineTimeout(f"{config.name} gave no answer within {slow:.3g} s") from error
    except httpx.TransportError as error:
        raise _Overloaded(
            f"{config.name} cannot be reached: {_plain(config, str(error)) or type(error).__name__}"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise EngineFailed(f"{config.name} cannot be asked: {_plain(config, str(error))}") from error


def _refuse(config: ServerConfig, response: httpx.Response, deadline: float) -> None:
    """Raise for every status but success."""
    status = response.status_code
    if 200 <= status < 300:
        return
    said = f"{config.name} answers {status}"
    if 300 <= status < 400:
        host = urlsplit(response.headers.get("location", "")).hostname or "elsewhere"
        raise EngineFailed(f"{said}, a redirect to {_plain(config, host)}, which is not followed")
    if status in (401, 403):
        where = f": check {config.key_variable}" if config.key_variable else ""
        raise EngineUnavailable(f"{said}: it does not take the key{where}")
    if status in _MAY_PASS:
        raise _overloaded(config, response, said)
    reason = _reason(config, response, deadline)
    if status == 404:
        raise EngineUnavailable(f"{said}: it knows no such endpoint or model {config.model[:80]!r}{reason}")
    if status == 413:
        raise EngineFailed(f"{said}: it takes less than the {config.max_upload} bytes that it was said to take{reason}")
    raise EngineFailed(f"{said}{reason}")


def _overloaded(config: ServerConfig, response: httpx.Response, said: str) -> EngineError:
    wait = retry_after(response.headers.get("retry-after"))
    if wait is not None and wait > config.max_wait_s:
        return EngineFailed(f"{said} and asks to come back in {wait:.0f} s")
    fault = _Overloaded(said)
    fault.wait_s = wait
    return fault


def _reason(config: ServerConfig, response: httpx.Response, deadline: float) -> str:
    """Return what the server says of an error, short, in one line and without the key."""
    try:
        text = _body(config, response, 65_536, deadline).decode("utf-8", "replace")
    except EngineFailed:
        return ""
    try:
        found = json.loads(text)
        found = found.get("error", found.get("detail", found)) if isinstance(found, dict) else text
        found = found.get("message", found) if isinstance(found, dict) else found
    except (ValueError, RecursionError):
        found = text
    plain = _plain(config, str(found))
    return f" ({plain})" if plain else ""


def _plain(config: ServerConfig, text: str) -> str:
    if config.key:
        text = text.replace(config.key, "…")
    text = " ".join(_CONTROLS.sub(" ", text).split())
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"


def _body(config: ServerConfig, response: httpx.Response, most: int, deadline: float) -> bytes:
    """Read an answer, as it comes over the wire, up to a size and a time."""
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise EngineFailed(f"{config.name} sends an answer packed as {_plain(config, packed[:40])!r}, unasked")
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > most:
            raise EngineFailed(f"{config.name} sends more than {most} bytes")
        if time.monotonic() > deadline:
            raise EngineTimeout(f"{config.name} was not done within {config.total_s:g} s")
    return bytes(body)
