"""The karaoke page in a real browser: opened from its file, played, clicked, typed at, and looked at."""

from __future__ import annotations

import io
import json
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from format_cases import VOICES

from melisma.core.records import Alignment, Line, Word
from melisma.formats.karaoke import page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (pip install selenium)")
CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER),
    reason="chromium and chromedriver are not on the path (apt install chromium-driver)",
)

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)

# (line, text, start_ms, end_ms), with an intro, a word without length, an unsung one, an overlap and a long pause.
ROWS: tuple[tuple[int, str, int | None, int | None], ...] = (
    (0, "Au", 5000, 5300),
    (0, "clair", 5300, 5700),
    (0, "de", 5750, 5750),
    (0, "la", 5900, 6100),
    (0, "lune", 6100, 6600),
    (1, "mon", 6800, 7300),
    (1, "ami", None, None),
    (1, "Pierrot", 7200, 7900),
    (2, "</script><script>window.broken=1</script>", 14000, 14800),
    (2, "<img/src=x/onerror=window.broken=1>", 14900, 15600),
    (3, "ooh", None, None),
    (4, "في", 16000, 16400),
    (4, "ليلة", 16400, 17200),
    (5, "Hauptstadtgebietsverwaltungsgerichtsbarkeit", 17500, 18500),
)
DURATION_MS = 20_000


def song() -> Alignment:
    doubtful = {"clair", "Pierrot"}
    words = tuple(Word(t, k, a, b, None if a is None else 0.2 if t in doubtful else 0.9) for k, t, a, b in ROWS)
    counts = np.bincount([k for k, *_ in ROWS])
    stops = np.cumsum(counts)
    lines = tuple(Line(int(b - n), int(b), k // 2) for k, (b, n) in enumerate(zip(stops, counts, strict=True)))
    return Alignment(words, lines, DURATION_MS, language="fr", engine="phone")


def tone(duration_ms: int) -> bytes:
    rate = 8000
    time = np.arange(duration_ms * rate // 1000) / rate
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((3000 * np.sin(2 * np.pi * 220 * time)).astype("<i2").tobytes())
    return out.getvalue()


class Browser:
    """A Chromium and what these tests ask of it."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder = driver, folder

    def media(self, **features: str) -> None:
        pairs = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": pairs})

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, document: str) -> None:
        path = self.folder / "page.html"
        path.write_text(document, encoding="ascii")
        self.driver.get(path.as_uri())

    def js(self, script: str, *arguments: Any) -> Any:
        """Run a script after the page has painted the moment that the audio stands at."""
        return self.driver.execute_async_script(
            """
            const [done, given] = [arguments[arguments.length - 1], [...arguments].slice(0, -1)];
            const a = document.getElementById("audio");
            const run = new Function("a", ...given.map((_, i) => "x" + i), SCRIPT);
            const ready = () => (a.error || a.readyState >= 1) && !a.seeking;
            const look = (n) => !ready() ? wait(n) : n ? wait(n - 1) : done(run(a, ...given));
            const wait = (n) => requestAnimationFrame(() => look(n));
            wait(1);
            """.replace("SCRIPT", json.dumps(script)),
            *arguments,
        )

    def seek(self, seconds: float) -> None:
        self.js("a.currentTime = x0", seconds)

    def rest(self) -> None:
        """Wait until the lyrics have stood still for twenty frames."""
        self.driver.execute_async_script(
            """
            const done = arguments[0], stage = document.getElementById("stage");
            const look = (before, still) => requestAnimationFrame(() => {
              if (still === 20) done();
              else look(stage.scrollTop, stage.scrollTop === before ? still + 1 : 0);
            });
            look(null, 0);
            """
        )

    @property
    def time_ms(self) -> int:
        return round(1000 * self.js("return a.currentTime"))

    @property
    def lit(self) -> str | None:
        return self.js("return document.querySelector('.lit')?.textContent")

    def key(self, *keys: str) -> None:
        chain = webdriver.ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def style(self, selector: str, name: str) -> str:
        return self.js("return getComputedStyle(document.querySelector(x0)).getPropertyValue(x1)", selector, name)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=CHROMEDRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(180)
    try:
        yield Browser(driver, tmp_path_factory.mktemp("pages"))
    finally:
        driver.quit()
        driver.command_executor.close()


TITLE = "Au clair </script x <b>de la lune</b>"
DOCUMENT = page(song(), tone(DURATION_MS), "audio/wav", title=TITLE)


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The song's page, freshly opened, dark and wide; whatever the test did, the console must have stayed quiet."""
    chromium.media(prefers_color_scheme="dark", prefers_reduced_motion="no-preference")
    chromium.size(1280, 720)
    chromium.driver.get_log("browser")
    chromium.open(DOCUMENT)
    yield chromium
    assert chromium.driver.get_log("browser") == []


SHORT_WORD_ENDS = 5870  # the word without length at 5750 is shown for 120 ms


def word_at(ms: float) -> int | None:
    """The word that the alignment says is sung: the last to have begun and not ended."""
    spans = [(i, a, SHORT_WORD_ENDS if a == b else b) for i, (_, _, a, b) in enumerate(ROWS)]
    inside = [i for i, a, b in spans if a is not None and b is not None and a <= ms < b]
    return inside[-1] if inside else None


def played(browser: Browser, rate: float) -> list[list[Any]]:
    """Play the first lines; return what stood at each frame: time, number of lit words, which, its share, the line."""
    browser.seek(4.9)
    browser.js("a.playbackRate = x0", rate)
    return browser.driver.execute_async_script(
        """
        const done = arguments[0], audio = document.getElementById("audio"), samples = [];
        const look = () => {
          const lit = document.querySelectorAll(".lit");
          samples.push([audio.currentTime * 1000, lit.length, lit.length ? Number(lit[0].dataset.word) : null,
            lit.length ? Number(lit[0].style.getPropertyValue("--sung-share")) : null,
            document.querySelector("[aria-current]").dataset.line]);
          if (audio.currentTime < 8.1) requestAnimationFrame(look);
          else { audio.pause(); done(samples); }
        };
        audio.addEventListener("playing", () => requestAnimationFrame(look), { once: true });
        document.getElementById("play").click();
        """
    )


def test_while_it_plays_the_word_being_sung_is_lit_and_fills(browser: Browser) -> None:
    edges = {t for _, _, a, b in ROWS if a is not None for t in (a, b)} | {SHORT_WORD_ENDS}
    seen, n_frames, all_words = set(), 0, {None, 0, 1, 3, 4, 5, 7}
    for rate in (1.0, 0.5, 0.1):  # a machine that paints too few frames to see each word hears the song more slowly
        samples = played(browser, rate)
        n_frames += len(samples)
        # What is on the screen was painted between the reading two frames ago and this one, however slow the machine.
        for (since, *_), (ms, n_lit, lit, share, line) in zip(samples, samples[2:], strict=False):
            low, high = since - 1, ms + 1
            moments = [low, high, *(edge for edge in edges if low < edge < high)]
            assert lit in {word_at(moment) for moment in moments}, f"between {low} and {high} ms"
            assert n_lit == (lit is not None)
            seen.add(lit)
            if lit is not None:
                _, _, start, end = ROWS[lit]
                length = (SHORT_WORD_ENDS if start == end else end) - start
                assert (low - start) / length - 0.001 <= share <= (high - start) / length + 0.001
                assert int(line) == ROWS[lit][0]
        if seen >= all_words and n_frames > 20:
            return
    raise AssertionError(f"of the words only {seen} were seen, in {n_frames} frames")


def test_a_word_is_sung_after_its_end_and_unsung_again_after_going_back(browser: Browser) -> None:
    sung = "return [...document.querySelectorAll('.sung')].map((w) => Number(w.dataset.word))"
    browser.seek(7.95)
    assert browser.js(sung) == [0, 1, 2, 3, 4, 5, 7]  # 6 has no time
    browser.seek(5.4)
    assert browser.js(sung) == [0]
    assert browser.lit == "clair"


def test_a_click_on_a_word_seeks_there_and_lights_it(browser: Browser) -> None:
    for i, (_, text, start, _) in enumerate(ROWS):
        if start is not None:
            browser.js("document.querySelector(`[data-word='${x0}']`).click()", i)
            assert (browser.time_ms, browser.lit) == (start, text)


def test_a_click_of_the_mouse_on_what_is_seen_seeks(browser: Browser) -> None:
    browser.seek(5.0)
    browser.rest()  # or the mouse may miss what glides
    browser.click("[data-word='4']")
    assert browser.time_ms == 6100
    browser.seek(16.5)
    browser.click("#previous")
    assert browser.time_ms == 14000


def test_a_click_on_an_unsung_word_goes_to_what_is_sung_next(browser: Browser) -> None:
    browser.js("document.querySelector(\"[data-word='6']\").click()")
    assert browser.time_ms == 7200
    browser.js("document.querySelector(\"[data-word='10']\").click()")  # no word of this line has a time
    assert browser.time_ms == 16000


def test_enter_on_a_focused_line_seeks_there(browser: Browser) -> None:
    browser.js("document.querySelector(\"[data-line='2']\").focus()")
    browser.key("\ue007")
    assert browser.time_ms == 14000


LEFT, UP, RIGHT, DOWN, HOME, END, SHIFT = "\ue012", "\ue013", "\ue014", "\ue015", "\ue011", "\ue010", "\ue008"


@pytest.mark.parametrize(
    ("keys", "expected_ms"),
    [
        ((LEFT,), 1000),
        ((RIGHT,), 11000),
        ((UP,), 0),
        ((DOWN,), 6800),
        ((HOME,), 0),
        ((END,), DURATION_MS),
        ((SHIFT, LEFT), 5750),
        ((SHIFT, RIGHT), 6100),
    ],
)
def test_a_key_moves_in_the_song(browser: Browser, keys: tuple[str, ...], expected_ms: int) -> None:
    browser.seek(6.0)
    browser.key(*keys)
    assert browser.time_ms == expected_ms


def test_up_goes_to_the_start_of_a_line_that_is_under_way(browser: Browser) -> None:
    browser.seek(15.55)
    browser.key(UP)
    assert browser.time_ms == 14000


def test_space_plays_and_pauses(browser: Browser) -> None:
    browser.key(" ")
    assert browser.js("return [a.paused, document.getElementById('play').ariaLabel]") == [False, "Pause"]
    browser.key(" ")
    assert browser.js("return [a.paused, document.getElementById('play').ariaLabel]") == [True, "Play"]


def test_space_pauses_after_the_mouse_pressed_another_button(browser: Browser) -> None:
    browser.click("#mute")
    browser.key(" ")
    assert browser.js("return [a.muted, a.paused]") == [True, False]


@pytest.mark.parametrize(
    ("keys", "speed"), [("]", 1.1), ("+", 1.1), ("[", 0.9), ("-", 0.9), ("]" * 9, 1.5), ("[" * 9, 0.5)]
)
def test_keys_change_the_speed_within_bounds_and_keep_the_pitch(browser: Browser, keys: str, speed: float) -> None:
    for key in keys:
        browser.key(key)
    shown = browser.js("return [a.playbackRate, a.preservesPitch, document.getElementById('speed').textContent]")
    assert shown == [speed, True, f"{speed}×"]


def test_the_bar_seeks_and_tells_the_time(browser: Browser) -> None:
    assert browser.js("return [...document.querySelectorAll('output')].map((o) => o.textContent)") == ["0:00", "0:20"]
    browser.js("const s = document.getElementById('seek'); s.value = 14.5; s.dispatchEvent(new Event('input'))")
    assert browser.time_ms == 14500
    assert browser.js("return document.getElementById('seek').ariaValueText") == "0:14 of 0:20, line 3 of 6"
    assert browser.js("return document.querySelectorAll('#map i').length") == 5  # a line without times has no mark


def test_the_current_line_glides_to_the_middle(browser: Browser) -> None:
    browser.seek(16.5)
    browser.rest()
    assert off_centre(browser) < 2


def off_centre(browser: Browser) -> float:
    return browser.js(
        """
        const middle = (r) => r.top + r.height / 2;
        const line = document.querySelector("[aria-current]").getBoundingClientRect();
        return Math.abs(middle(line) - middle(document.getElementById("stage").getBoundingClientRect()));
        """
    )


def test_reduced_motion_jumps_and_lights_the_whole_word(browser: Browser) -> None:
    browser.seek(16.8)
    assert browser.style(".lit", "background-image").startswith("linear-gradient")
    browser.seek(0)
    browser.media(prefers_reduced_motion="reduce", prefers_color_scheme="dark")
    browser.seek(16.8)
    assert off_centre(browser) < 2  # at once
    assert browser.style(".lit", "background-image") == "none"
    assert (
        browser.style(".lit", "color")
        == browser.style("[aria-current] .sung", "color")
        != browser.style("body", "color")
    )
    assert browser.style(".line", "transition-duration") == "0s"


def test_words_fill_in_the_direction_of_their_script(browser: Browser) -> None:
    browser.seek(16.2)
    assert browser.style("[data-line='4']", "direction") == "rtl"
    assert "to left" in browser.style(".lit", "background-image")
    browser.seek(5.4)
    assert browser.style("[data-line='0']", "direction") == "ltr"
    assert "to right" in browser.style(".lit", "background-image")


def test_a_long_pause_is_counted_in(browser: Browser) -> None:
    dots = "return [...document.querySelectorAll('.counting i')].map((i) => Number(i.style.getPropertyValue('--size')))"
    browser.seek(2.5)  # intro: the first word is at 5.0
    assert browser.js(dots) == [1, 1, 0.5, 0]
    browser.seek(9.5)  # pause: the next word is at 14.0
    assert browser.js(dots) == [1, 1, 1, 1]
    assert browser.js("return document.querySelector('.counting').textContent") == "0:04"
    assert browser.js("return document.querySelector('[aria-current]').dataset.line") == "2"
    browser.seek(14.1)
    assert browser.js(dots) == []
    browser.seek(6.7)  # a short pause
    assert browser.js(dots) == []


def test_lyrics_that_look_like_markup_stay_text(browser: Browser) -> None:
    assert browser.js("return [...document.querySelectorAll('.word')].map((w) => w.textContent)") == [
        r[1] for r in ROWS
    ]
    assert browser.driver.title == browser.js("return document.getElementById('title').textContent") == TITLE
    assert browser.js("return [window.broken, document.images.length, document.scripts.length]") == [None, 0, 2]


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 360), (1280, 720), (3840, 2160)])
def test_nothing_overflows_sideways(browser: Browser, width: int, height: int) -> None:
    browser.media(prefers_reduced_motion="reduce")  # lines are in their place at once
    browser.size(width, height)
    browser.seek(17.8)
    outside = browser.js(
        """
        const all = [...document.querySelectorAll(".word, button, input, h1, #controls")];
        const out = (r) => r.left < -0.5 || r.right > innerWidth + 0.5;
        return all.filter((e) => e.checkVisibility() && [...e.getClientRects()].some(out))
          .map((e) => e.outerHTML.slice(0, 80));
        """
    )
    assert outside == []
    assert browser.js(
        "return [document.documentElement, document.getElementById('stage')].map((e) => e.scrollWidth - e.clientWidth)"
    ) == [0, 0]
    size = float(browser.style("[aria-current]", "font-size").removesuffix("px"))
    assert size >= max(28, height / 14 if width > height else 0) * 0.99


def luminance(colour: str) -> float:
    """Lightness in oklch, 0 to 1, of what the browser computed."""
    assert colour.startswith("oklch("), colour
    return float(colour.removeprefix("oklch(").split()[0])


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_both_colour_schemes(browser: Browser, scheme: str) -> None:
    browser.media(prefers_color_scheme=scheme)
    ink = luminance(browser.style("body", "color"))
    ground = luminance(browser.style("body", "background-color"))
    assert (ink > ground + 0.6) if scheme == "dark" else (ink < ground - 0.6)


def test_forced_colours_show_what_is_sung(browser: Browser) -> None:
    browser.media(forced_colors="active")
    browser.seek(6.4)
    assert browser.style(".lit", "background-image") == "none"
    assert (
        browser.style(".lit", "color")
        == browser.style("[aria-current] .sung", "color")
        != browser.style("body", "color")
    )


def test_doubt_is_shown_only_when_asked_for(browser: Browser) -> None:
    assert browser.style("[data-word='1']", "text-decoration-line") == "none"
    browser.key("d")
    assert browser.style("[data-word='1']", "text-decoration-line") == "underline"
    assert browser.style("[data-word='0']", "text-decoration-line") == "none"
    assert browser.js("return document.getElementById('doubt').ariaPressed") == "true"


def test_help_opens_and_holds_the_keys_until_it_closes(browser: Browser) -> None:
    browser.key("?")
    browser.key(RIGHT)
    assert browser.js("return [document.getElementById('help').open, a.currentTime]") == [True, 0]
    browser.click("#help-close")
    browser.key(RIGHT)
    assert browser.js("return [document.getElementById('help').open, a.currentTime]") == [False, 5]


def test_scrolling_by_hand_lets_go_until_the_reader_comes_back(browser: Browser) -> None:
    browser.seek(5.1)
    browser.js("document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', { deltaY: 300 }))")
    browser.js("document.getElementById('stage').scrollTop = 900")
    assert browser.js("return document.getElementById('follow').hidden") is False
    browser.click("#follow")
    browser.rest()
    assert browser.js("return document.getElementById('follow').hidden") is True
    assert off_centre(browser) < 2


def test_lines_are_announced_only_when_asked_for(browser: Browser) -> None:
    live = "return [document.getElementById('announcer').ariaLive, document.getElementById('announcer').textContent]"
    browser.seek(7.0)
    assert browser.js(live) == ["off", "mon ami Pierrot"]
    browser.key("?")
    browser.click("#announce")
    assert browser.js(live) == ["polite", "mon ami Pierrot"]


def test_every_control_has_a_name(browser: Browser) -> None:
    nameless = browser.js(
        """
        const named = (e) => e.ariaLabel || e.textContent.trim() || e.labels?.length;
        return [...document.querySelectorAll("button, input, [role]")].filter((e) => !named(e)).map((e) => e.id);
        """
    )
    assert nameless == ["trouble"]  # speaks only when there is trouble


def test_nothing_is_asked_of_any_host(browser: Browser) -> None:
    browser.driver.get_log("performance")
    browser.open(DOCUMENT)
    browser.seek(5.2)
    messages = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked[0].startswith("file:")
    assert {url.split(":")[0] for url in asked} <= {"file", "blob", "data"}
    assert sum(url.startswith("file:") for url in asked) == 1


def test_a_recording_that_cannot_be_played_says_so(chromium: Browser) -> None:
    chromium.open(page(song(), b"no music at all", "audio/x-nothing"))
    said = chromium.js("const t = document.getElementById('trouble'); return t.checkVisibility() ? t.textContent : ''")
    assert "cannot play the recording in this page (audio/x-nothing)" in said
    chromium.driver.get_log("browser")


def test_lyrics_without_any_time_are_shown(chromium: Browser) -> None:
    words = tuple(Word(t, 0, None, None) for t in ("la", "lune"))
    chromium.driver.get_log("browser")
    chromium.open(page(Alignment(words, (Line(0, 2),), 1000), tone(1000), "audio/wav"))
    chromium.key(DOWN)
    chromium.js("document.querySelector('.word').click()")
    assert "no word of these lyrics has a time" in chromium.js("return document.getElementById('details').textContent")
    assert chromium.driver.get_log("browser") == []


# ---- a backing voice, and verses in another order ----

VOICES_DOCUMENT = page(VOICES, tone(VOICES.duration_ms), "audio/wav", title="À deux voix")


@pytest.fixture
def duet(browser: Browser) -> Browser:
    browser.open(VOICES_DOCUMENT)
    return browser


def text_of(browser: Browser, selector: str) -> list[str]:
    return browser.js("return [...document.querySelectorAll(x0)].map((e) => e.textContent)", selector)


def test_lines_stand_in_the_order_of_the_song(duet: Browser) -> None:
    assert text_of(duet, ".line") == [
        "Premier (hé) vers tenu", "(ah)", "(mmh mmh)", "Deuxième couplet", "jamais", "(oh oh)",
    ]  # fmt: skip
    assert text_of(duet, ".line.backing") == ["(ah)", "(mmh mmh)", "(oh oh)"]
    for i, word in enumerate(VOICES.words):
        assert text_of(duet, f"[data-word='{i}']") == [word.text]


def test_a_backing_line_fills_by_itself_beside_the_line_that_is_sung(duet: Browser) -> None:
    duet.seek(12.25)
    assert text_of(duet, "[aria-current]") == ["Premier (hé) vers tenu"]
    assert text_of(duet, ".sounding") == ["(ah)"]
    assert sorted(text_of(duet, ".filling")) == ["(ah)", "vers"]
    assert text_of(duet, ".lit") == ["vers"]
    share = "return Number(document.querySelector(x0).style.getPropertyValue('--sung-share'))"
    assert duet.js(share, "[data-word='8']") == pytest.approx(0.5, abs=0.01)
    assert duet.js(share, "[data-word='7']") == pytest.approx(0.625, abs=0.01)
    duet.seek(13.5)
    assert text_of(duet, ".sounding") == ["(mmh mmh)"]  # a moment before it is sung
    assert "sung" in duet.js("return document.querySelector(\"[data-word='8']\").className")
    duet.seek(23.0)
    assert (text_of(duet, "[aria-current]"), text_of(duet, ".sounding")) == (["Deuxième couplet"], [])


def test_a_backing_line_is_smaller_than_its_lead(duet: Browser) -> None:
    duet.media(prefers_reduced_motion="reduce", prefers_color_scheme="dark")
    duet.seek(12.25)
    height = "return document.querySelector(x0).getBoundingClientRect().height"
    assert duet.js(height, ".sounding .word") < 0.7 * duet.js(height, "[aria-current] .word")
    assert off_centre(duet) < 2


def test_a_click_on_a_backing_word_or_line_seeks_to_it(duet: Browser) -> None:
    duet.js("document.querySelector(\"[data-word='3']\").click()")
    assert duet.time_ms == 21_400
    duet.js("document.querySelector(\"[data-line='2']\").click()")
    assert duet.time_ms == 14_000
    duet.js("document.querySelector(\"[data-word='0']\").click()")
    assert (duet.time_ms, duet.lit) == (20_000, "Deuxième")


def test_keys_go_from_line_to_line_of_the_lead(duet: Browser) -> None:
    duet.seek(10.5)
    duet.key(DOWN)
    assert duet.time_ms == 20_000
    duet.seek(20.6)
    duet.key(UP)
    assert duet.time_ms == 10_000
    duet.key(SHIFT, RIGHT)
    assert duet.time_ms == 10_500
