"""A whole service on loopback, and songs whose every time is known: what the Studio's tests and pictures share."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase

CHROMIUM = shutil.which("chromium")
CALL_S = 120  # that a call may take on a machine with much else to do
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]


@dataclass(frozen=True, slots=True)
class MadeSong:
    """A made-up song: its file, its lyrics, and the alignment that is true of it."""

    path: Path
    lyrics: str
    truth: Alignment


@dataclass
class Studio:
    """A service that listens, and what tests ask of it beside the browser."""

    url: str
    context: Any
    token: str = ""
    visitors: list[Any] = field(default_factory=list)  # contexts of the browser, closed before the service stops

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API; return its JSON."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.url}/v1/{path}", data, headers, method=method), timeout=CALL_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_song(self, made: MadeSong, **names: str) -> dict[str, Any]:
        """Upload a song as a form does; return it."""
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with made.path.open("rb") as file:
            files = {"audio": (made.path.name, file, "audio/wav")}
            answer = httpx.post(f"{self.url}/v1/songs", files=files, data=names, headers=headers, timeout=CALL_S)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def add_aligned(self, made: MadeSong, alignment: Alignment | None = None, **names: str) -> tuple[str, str]:
        """Upload a song and write its true alignment down as a job that is done does; return the ids of both."""
        from melisma.store.entries import Source
        from melisma.store.service import alignments

        song = self.add_song(made, **{"lyrics": made.lyrics, **names})
        job = self.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": made.lyrics}})
        with self.context.database.begin() as session:
            new = alignments.NewVersion(alignment or made.truth, 0, Source.CTC, summary="by an engine")
            alignments.add_version(session, job["alignment_id"], new)
        self.call("POST", f"jobs/{job['id']}/cancel")
        return song["id"], job["alignment_id"]


def truth_of(words: Any, lines: tuple[str, ...], duration: int, clock: Timebase, language: str) -> Alignment:
    """Return a true alignment; one word in seven is marked as doubtful, so that there is something to look at."""
    found = tuple(
        Word(word.text, word.line, word.start, word.end, 0.3 if i % 7 == 6 else 0.95, clock)
        for i, word in enumerate(words)
    )
    spans, at, stanza = [], 0, 0
    for text in lines:
        if not text:
            stanza += 1
            continue
        n = len(text.split())
        spans.append(Line(at, at + n, stanza))
        at += n
    return Alignment(found, tuple(spans), duration, clock, language=language, engine="phone", engine_version="2")


@contextmanager
def listening(settings: Any, token: str = "") -> Iterator[Studio]:
    """Run a service in a thread, on a free port, until the block ends."""
    import uvicorn

    from melisma.server.context import Context
    from melisma.server.run import address, listen, uvicorn_config

    context = Context(settings)
    with closing(listen(settings.host, 0)) as bound:
        server = uvicorn.Server(uvicorn_config(context))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            deadline = time.monotonic() + CALL_S
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                assert time.monotonic() < deadline, "the service did not start"
                time.sleep(0.02)
            found = Studio(address(bound), context, token)
            yield found
            for visitor in found.visitors:  # a stream of events would be waited for
                visitor.close()
        finally:
            server.should_exit = True
            thread.join()
