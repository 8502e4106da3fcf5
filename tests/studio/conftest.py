"""The Studio in Debian's Chromium, against a whole service on loopback with songs whose every time is known."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
pytest.importorskip("fastapi", reason="fastapi is not installed (pip install 'melisma[server]')")

CHROMIUM = shutil.which("chromium")
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
LINES = ("the night is young", "we sing along", "", "the lights are low", "come home with me")
WAIT_MS = 20_000  # that a page may take on a machine with much else to do


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
        with urlopen(Request(f"{self.url}/v1/{path}", data, headers, method=method), timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_song(self, made: MadeSong, **names: str) -> dict[str, Any]:
        """Upload a song as a form does; return it."""
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with made.path.open("rb") as file:
            files = {"audio": (made.path.name, file, "audio/wav")}
            answer = httpx.post(f"{self.url}/v1/songs", files=files, data=names, headers=headers, timeout=60)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def add_aligned(self, made: MadeSong, alignment: Alignment | None = None, **names: str) -> tuple[str, str]:
        """Upload a song and write its true alignment down as a job that is done does; return the ids of both."""
        from melisma.store.entries import Source
        from melisma.store.service import alignments

        song = self.add_song(made, **{"lyrics": made.lyrics, **names})
        job = self.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": made.lyrics}})
        with self.context.database.begin() as session:
            alignments.add_version(
                session,
                job["alignment_id"],
                alignment or made.truth,
                based_on=0,
                source=Source.CTC,
                summary="by an engine",
            )
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


@pytest.fixture(scope="session")
def made_song(tmp_path_factory) -> MadeSong:
    """A song of four lines in two stanzas, half a minute long, with a long break in front of the second one."""
    import soundfile

    from melisma.synth.score import CLOCK, SongConfig
    from melisma.synth.songs import make_song

    song = make_song(SongConfig("en", LINES, tempo_bpm=100.0, seed=3, intro_bars=1, break_bars=3))
    path = tmp_path_factory.mktemp("songs") / "Nobody - Night.wav"
    soundfile.write(path, song.stereo, song.sample_rate, subtype="PCM_16")
    truth = truth_of(song.words, LINES, len(song.stereo), CLOCK, "en")
    truth.check()
    return MadeSong(path, song.lyrics, truth)


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
            deadline = time.monotonic() + 60
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


@pytest.fixture
def settings(tmp_path):
    """Settings of a service on a folder of its own whose jobs nobody does; `working` has one who does."""
    from melisma.server.settings import JobSettings, Limits, ServiceSettings

    (tmp_path / "library").mkdir()
    return ServiceSettings(
        port=0,
        data=tmp_path / "data",
        library=tmp_path / "library",
        jobs=JobSettings(workers=0),
        limits=Limits(requests_per_minute=0),
    )


@pytest.fixture
def serve():
    """`listening`, for a test that wants other settings."""
    return listening


@pytest.fixture
def studio(settings):
    """A service that nobody works for: what is queued stays queued, until a test says otherwise."""
    with listening(settings) as found:
        yield found


@pytest.fixture
def working(settings):
    """A service with one thread that works."""
    with listening(replace(settings, jobs=replace(settings.jobs, workers=1))) as found:
        yield found


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on the path (apt install chromium)")
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page of the Studio and what its console said."""

    page: Any
    said: list[str]
    expected: list[str] = field(default_factory=list)  # parts of what the console may say

    def faults(self) -> list[str]:
        """What the console said that no test expected."""
        return [line for line in self.said if not any(part in line for part in self.expected)]


@pytest.fixture
def visit(chromium):
    """Make pages; none may ask another host for anything, and the console stays quiet unless a test expects words."""
    visits: list[Visit] = []

    def make(studio: Studio, width: int = 1280, height: int = 800, expected: Any = (), **options: Any) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        studio.visitors.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        found = Visit(page, [], list(expected))
        page.on("console", lambda m: found.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: found.said.append(str(error)))
        allowed = (studio.url, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(allowed) else found.said.append(f"asked {r.url}"))
        visits.append(found)
        return found

    yield make
    assert [fault for found in visits for fault in found.faults()] == []
