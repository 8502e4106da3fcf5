"""The Studio in Debian's Chromium, against a whole service on loopback with songs whose every time is known."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from whole_service import CHROMIUM, FLAGS, MadeSong, Studio, listening, truth_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
pytest.importorskip("fastapi", reason="fastapi is not installed (pip install 'melisma[server]')")

LINES = ("the night is young", "we sing along", "", "the lights are low", "come home with me")
WAIT_MS = 20_000  # that a page may take on a machine with much else to do


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
def studio(settings):
    """A service that nobody works for: what is queued stays queued, until a test says otherwise."""
    with listening(settings) as found:
        yield found


@pytest.fixture
def working(settings):
    """A service with one thread that works."""
    with listening(replace(settings, jobs=replace(settings.jobs, workers=1))) as found:
        yield found


@pytest.fixture
def guarded(settings):
    """A service that wants a token."""
    token = "a-token-of-this-test-only"
    tokens = {hashlib.sha256(token.encode()).hexdigest(): "singer"}
    with listening(replace(settings, tokens=tokens), token) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, a module long: playwright does not let two of it lie open in a process."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on the path (apt install chromium)")
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = Chromium(lambda: playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS))
        yield browser
        browser.close()


class Chromium:
    """A browser that is started again where it has crashed: that fails the test in which it did, and no later one."""

    def __init__(self, launch: Callable[[], Any]) -> None:
        self._launch = launch
        self._browser = launch()

    def new_context(self, **options: Any) -> Any:
        """Return a fresh context, as playwright's browsers do."""
        if not self._browser.is_connected():
            self._browser = self._launch()
        return self._browser.new_context(**options)

    def close(self) -> None:
        """End it."""
        self._browser.close()


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
