"""A web server on loopback that misbehaves as it is told to, for the tests of whatever fetches."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What is at a path. `cut_after` closes the connection after so many bytes, as often as `n_cuts` says."""

    body: bytes = b""
    kind: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    length: bool = True
    etag: str = ""
    cut_after: int = 0
    n_cuts: int = 0
    n_refusals: int = 0  # so many answers of 503 first
    bytes_a_second: float = 0.0
    then: Callable[[Page], None] | None = None  # what happens to it after a cut


class Site:
    """Pages by path, and every request that was made: method, path and headers."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.requests if asked == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *said: object) -> None:
        pass

    def do_GET(self) -> None:
        self.site.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        page = self.site.pages.get(self.path, Page(b"nothing here", status=404))
        self.close_connection = True
        if page.n_refusals:
            page.n_refusals -= 1
            self._answer(Page(b"later", status=503), b"later", {})
            return
        body, headers, status = page.body, dict(page.headers), page.status
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range") in (None, page.etag)
        if found and page.ranges and fresh and status == 200:
            start = int(found[1])
            status, body = 206, page.body[start:]
            headers["Content-Range"] = f"bytes {start}-{len(page.body) - 1}/{len(page.body)}"
        self._answer(page, body, headers, status)

    def _answer(self, page: Page, body: bytes, headers: dict[str, str], status: int | None = None) -> None:
        self.send_response(status or page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Connection", "close")
        if page.length:
            self.send_header("Content-Length", str(len(body)))
        for name, value in ({"ETag": page.etag} if page.etag else {} | headers).items():
            self.send_header(name, value)
        for name, value in headers.items() if page.etag else ():
            self.send_header(name, value)
        self.end_headers()
        self._send(page, body)

    def _send(self, page: Page, body: bytes) -> None:
        if page.cut_after and page.n_cuts and len(body) > page.cut_after:
            # The look at a page and the download both ask for it; the downloader takes more than the head.
            body = body[: page.cut_after]
            page.n_cuts -= 1
            self._write(page, body)
            if page.then is not None:
                page.then(page)
            return
        self._write(page, body)

    def _write(self, page: Page, body: bytes) -> None:
        try:
            if not page.bytes_a_second:
                self.wfile.write(body)
                return
            for start in range(0, len(body), 1024):
                self.wfile.write(body[start : start + 1024])
                time.sleep(1024 / page.bytes_a_second)
        except OSError:
            pass  # the other side has had enough


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
