"""From settings to a process that listens: bound first, then started, stopped when it is told to."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from melisma.core.errors import InputError, StoreError
from melisma.pipeline.log import json_lines
from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.guard.door import HEAD_BYTES
from melisma.server.guard.wire import MOST, protocol
from melisma.server.settings import ServiceSettings

STOP_S = 10  # that answers which are under way, streams of events among them, have when the service stops
IDLE_S = 20  # that a connection without a call stays open
_WAITING = 1024  # connections that may wait to be taken

Started = Callable[[str], None]


def serve(settings: ServiceSettings, started: Started = lambda _: None) -> None:
    """Listen until SIGTERM or SIGINT comes, then answer what is under way and stop.

    Parameters
    ----------
    settings : ServiceSettings
        Port 0 takes a free one.
    started : callable
        Called with the address, as http://127.0.0.1:8765, once calls are answered.

    Raises
    ------
    InputError
        If strangers could get in, or the address cannot be listened on.
    StoreError
        If data folder or database cannot be used.
    """
    settings.check()
    context = Context(settings)
    _prepare(context)
    try:
        with contextlib.closing(listen(settings.host, settings.port)) as bound, _signals_that_end():
            told = address(bound)
            with json_lines("uvicorn"):
                _Server(uvicorn_config(context), lambda: started(told)).run(sockets=[bound])
    finally:
        context.close()


def uvicorn_config(context: Context) -> uvicorn.Config:
    """Return how uvicorn listens for an application of these parts."""
    return uvicorn.Config(
        create_app(context),
        http=protocol(context.settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whose word is taken for an address is the guard's to say
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=MOST,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
    )


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Raises
    ------
    InputError
        If that address is taken, not of this machine, or not to be had.
    """
    where = f"{host} port {port}"
    try:
        kind, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(kind, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"cannot listen on {where}: {error.strerror or error}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(_WAITING)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"another program listens on {where} already: give another --port") from error
        raise InputError(f"cannot listen on {where}: {error.strerror or error}") from error
    return bound


def address(bound: socket.socket) -> str:
    """Return where a browser on this machine finds what listens."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, which tells when it answers."""

    def __init__(self, config: uvicorn.Config, told: Callable[[], None]) -> None:
        super().__init__(config)
        self._told = told

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told()


def _prepare(context: Context) -> None:
    """Refuse what could not be written before anybody is told that the service is there."""
    folder = context.settings.data
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreError(f"cannot make the data folder {folder}: {error.strerror or error}") from error
    context.files.sweep()
    with context.files.incoming() as coming:
        coming.write(b"a test")
    context.database.ping()


@contextlib.contextmanager
def _signals_that_end() -> Iterator[None]:
    """Let SIGTERM and SIGINT be the usual end: uvicorn stops on them, and sends them to itself again behind that."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
