"""The page of a vocoder's test in Debian's Chromium: read, listened to and gone through by keys."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from melisma.evaluate.vocoder import picture

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the path (apt install chromium)")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"),
]
WAIT_MS = 120_000


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, tested):
    """Open the page; it may ask nobody for anything, and its console stays quiet."""
    said: list[str] = []

    def make(width: int = 1200, height: int = 800, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_MS)
        opened = context.new_page()
        opened.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: said.append(str(error)))
        path = tested / "index.html"
        allowed = (path.as_uri(), "data:")
        opened.on("request", lambda r: None if r.url.startswith(allowed) else said.append(f"asked {r.url}"))
        opened.goto(path.as_uri())
        return opened

    yield make
    for context in chromium.contexts:
        context.close()
    assert said == []


@needs_chromium
def test_what_others_wrote_is_text(visit):
    opened = visit()
    assert opened.evaluate("window.broken") is None
    assert opened.locator("script").count() == 1
    assert any("</script><script>" in each for each in opened.locator(".sample h3 bdi").all_inner_texts())
    assert opened.locator("img").evaluate_all("all => all.every(each => each.src.startsWith('data:image/png'))")


@needs_chromium
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(visit, width, scheme):
    opened = visit(width, color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("verdict", "measures", "samples", "how"):
        assert opened.locator(f"#{name} h2").is_visible()
    assert opened.locator("#verdict tbody tr").count() == 6
    assert opened.locator("#measures tbody th").all_inner_texts() == [
        "vocoder",
        "copy-mean, as spectra",
        "copy-mean, spoken",
        "noise",
        "the recordings",
    ]
    if width >= 1200:  # on a desk all columns are seen at once
        assert opened.locator("#measures .scroll").evaluate("box => box.scrollWidth - box.clientWidth") <= 0


@needs_chromium
def test_sounds_play_one_at_a_time_by_keys(visit):
    opened = visit()
    opened.keyboard.press("j")
    assert opened.evaluate("document.activeElement.id") == "sample-0"
    playing = "n => { const one = document.querySelectorAll('#sample-0 audio')[n]; return one.currentTime > 0.05; }"
    opened.keyboard.press("1")
    opened.wait_for_function(playing, arg=0)
    length = opened.locator("#sample-0 audio").first.evaluate("each => each.duration")
    assert length == pytest.approx(1.2, abs=0.01)
    opened.keyboard.press("2")
    opened.wait_for_function("() => document.querySelectorAll('#sample-0 audio')[0].paused")
    opened.wait_for_function(playing, arg=1)
    opened.keyboard.press("j")
    assert opened.evaluate("document.activeElement.id") == "sample-1"


@needs_chromium
def test_spectrograms_are_pictures(visit):
    opened = visit()
    sizes = opened.locator("#sample-0 img").evaluate_all(
        "all => all.map(each => [each.naturalWidth, each.naturalHeight])"
    )
    assert len(sizes) == 3
    assert all(58 <= width <= 60 and height == 80 for width, height in sizes)


@needs_chromium
def test_the_scheme_can_be_turned(visit):
    opened = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(ground)
    opened.get_by_role("button", name="Dark").click()
    assert opened.evaluate(ground) != light
    opened.keyboard.press("t")
    assert opened.evaluate(ground) == light


@needs_chromium
def test_without_script_all_is_there_but_what_needs_it(visit):
    opened = visit(java_script_enabled=False)
    assert opened.locator("#sample-0 audio").count() == 3
    assert not opened.locator("#scheme").is_visible()


def test_a_picture_is_what_was_drawn():
    """Read the PNG back by another program."""
    import base64
    import io

    image = pytest.importorskip("PIL.Image")
    shades = np.arange(0, 240, 5, dtype=np.uint8).reshape(6, 8)
    data = base64.b64decode(picture.address(shades).partition(",")[2])
    read = image.open(io.BytesIO(data))
    assert read.size == (8, 6)
    np.testing.assert_array_equal(np.array(read), shades)
    light = np.array(read.convert("L"), int)
    assert (np.diff(light.ravel()) >= 0).all()
    assert light[-1, -1] > light[0, 0] + 150


def test_a_spectrogram_has_low_tones_below_and_time_to_the_right():
    import base64
    import io

    image = pytest.importorskip("PIL.Image")
    time = np.arange(16000) / 16000
    sound = np.where(time < 0.5, 0, 0.5 * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    data = base64.b64decode(picture.spectrogram(sound).partition(",")[2])
    found = np.array(image.open(io.BytesIO(data)), int)
    assert found.shape == (80, 50)
    assert found[60:, 30:45].max() == 255
    assert found[:, 5:20].max() == 0
    assert found[:30, 30:45].max() < 60
