"""A real HTTP server on loopback that plays what providers answer, documented or not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

SYNCED = "[00:12.50]Over the river\n[00:16.00]under the moon\n[00:21.25]"
PLAIN = "Over the river\nunder the moon\n"


@dataclass(frozen=True)
class Reply:
    """One answer: `pause_s` before it, `drip_s` between its bytes, `cut` bytes missing at its end."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drip_s: float = 0.0
    cut: int = 0


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]


def as_json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})


def track(**changed: object) -> dict[str, object]:
    """A track as https://lrclib.net/docs shows one."""
    usual = {
        "id": 3396226,
        "trackName": "The River",
        "artistName": "Ana Lund",
        "albumName": "Water",
        "duration": 203,
        "instrumental": False,
        "plainLyrics": PLAIN,
        "syncedLyrics": SYNCED,
    }
    return {**usual, **changed}


NOT_FOUND = as_json({"code": 404, "name": "TrackNotFound", "message": "Failed to find specified track"}, 404)


class Server:
    """Answers by path; what a path answers is a Reply, a list of them one after the other, or a function."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.routes: dict[str, Reply | list[Reply] | Callable[[Asked], Reply]] = {}
        self._stop = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # clients that hang up in the middle are the point of some tests

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        self._stop.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _reply(self, asked: Asked) -> Reply:
        said = self.routes.get(asked.path, NOT_FOUND)
        if isinstance(said, list):
            return said.pop(0) if len(said) > 1 else said[0]
        return said if isinstance(said, Reply) else said(asked)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        asked = Asked(parts.path, dict(parse_qsl(parts.query)), {k.lower(): v for k, v in handler.headers.items()})
        self.asked.append(asked)
        reply = self._reply(asked)
        self._stop.wait(reply.pause_s)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        body = reply.body[: len(reply.body) - reply.cut]
        for at in range(0, len(body), 1 if reply.drip_s else 65536):
            handler.wfile.write(body[at : at + (1 if reply.drip_s else 65536)])
            if reply.drip_s:
                handler.wfile.flush()
                time.sleep(reply.drip_s)
                if self._stop.is_set():
                    return
