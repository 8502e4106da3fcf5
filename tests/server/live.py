"""A whole service that listens on a port of the loopback interface, and connections that speak to it byte by byte."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from melisma.server.context import Context
from melisma.server.settings import ServiceSettings

PATIENCE_S = 60  # of a test with the service; nothing waits so long unless it has failed


@contextlib.contextmanager
def listening(settings: ServiceSettings):
    """Run a service in a thread; yield its port."""
    import uvicorn

    from melisma.server import run

    context = Context(settings)
    server = uvicorn.Server(run.uvicorn_config(context))
    with contextlib.closing(run.listen("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def connected(port: int):
    """Connect to a port."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    """Read until the service hangs up."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            found += data
    return found


def asked(port: int, *sent: bytes) -> bytes:
    """Send a call by itself; return everything that comes, up to the end of the connection."""
    with connected(port) as connection:
        with contextlib.suppress(ConnectionError):
            for part in sent:
                connection.sendall(part)
        return everything(connection)


def call(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Spell a call that ends its connection."""
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [line, "Host: 127.0.0.1", "Connection: close", *headers, *length]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    """Return the status of the first answer in what came."""
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else 0
