"""The page of motifs in Debian's Chromium: listened to, searched, sorted, gone through by keys."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from melisma.data.units.motif_page import page, sound
from melisma.units.motifs.corpus import Corpus
from motif_sounds import HOSTILE, RATE, STRIDE, hertz
from page_contrast import faint

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the path (apt install chromium)")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"),
]
WAIT_MS = 60_000
# What is played: where in its recording, for how long, and the samples themselves. What is endless plays until it is
# stopped, so that no test need be quicker than a sound.
LISTEN = """() => {
  window.played = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, from, length) {
    const rate = this.buffer.sampleRate;
    const samples = this.buffer.getChannelData(0).slice(Math.round(from * rate), Math.round((from + length) * rate));
    const id = document.querySelector('#stage-name').textContent;
    window.played.push({ id, from, length, samples: [...samples] });
    this.loop = window.endless === true;
    return this.loop ? start.call(this, when, from) : start.call(this, when, from, length);
  };
}"""

PAINTED = """() => {
  const wave = document.querySelector('#wave');
  return wave.getContext('2d').getImageData(0, 0, wave.width, wave.height).data.some((value) => value > 0);
}"""


@pytest.fixture(scope="module")
def chromium():
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=2 * WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, written):
    """Open the page; it may ask nobody for anything, and its console stays quiet."""
    said: list[str] = []

    def make(width: int = 1200, height: int = 900, path: Path = written.path, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_MS)
        opened = context.new_page()
        opened.add_init_script(f"({LISTEN})()")
        opened.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
        opened.on("pageerror", lambda error: said.append(str(error)))
        allowed = (path.as_uri(), "data:")
        opened.on("request", lambda r: None if r.url.startswith(allowed) else said.append(f"asked {r.url}"))
        opened.goto(path.as_uri())
        return opened

    yield make
    for context in chromium.contexts:
        context.close()
    assert said == []


def row_of(opened, units: str):
    """Return the row of a motif, which is searched for."""
    opened.get_by_label("Search").fill(units)
    rows = opened.locator(".row").all()
    return next(row for row in rows if " ".join(row.locator(".unit").all_inner_texts()) == units)


def pitches(samples: list[float]) -> list[float]:
    """Return the strongest tone of each 20 ms, in Hz."""
    whole = np.array(samples[: len(samples) // STRIDE * STRIDE]).reshape(-1, STRIDE)
    spectra = np.abs(np.fft.rfft(whole * np.hanning(STRIDE), 4096))
    return (np.argmax(spectra, axis=1) * RATE / 4096).tolist()


def is_heard(opened) -> None:
    """Play motif 12 13, and hold what is played against its tones."""
    opened.locator("#around").select_option("0")
    row_of(opened, "12 13").click()
    opened.wait_for_function("() => window.played.length >= 3")
    opened.keyboard.press("Escape")
    for played in opened.evaluate("window.played"):
        heard = pitches(played["samples"])
        assert heard[0] == pytest.approx(hertz(12), abs=40)
        assert heard[-1] == pytest.approx(hertz(13), abs=40)
        assert all(min(abs(tone - hertz(unit)) for unit in (12, 13)) < 80 for tone in heard)
        assert played["length"] == pytest.approx(len(heard) * STRIDE / RATE)


def test_a_click_on_a_motif_plays_its_occurrences_one_after_another(visit):
    opened = visit()
    is_heard(opened)
    places = [(played["id"], played["from"]) for played in opened.evaluate("window.played")]
    assert len(set(places)) == len(places)


def test_what_a_decoder_leaves_in_front_of_a_sound_is_passed_over(visit, heard, found, tmp_path, monkeypatch):
    """At 32 kbit/s and a constant rate a file does not say where its sound begins: 69 ms in."""
    monkeypatch.setitem(sound._CODEC, "bitrate_mode", "CONSTANT")
    monkeypatch.setitem(sound._CODEC, "compression_level", 0.85)
    opened = visit(path=page.write(Corpus.of(heard), found, tmp_path).path)
    is_heard(opened)
    assert min(played["from"] for played in opened.evaluate("window.played")) > 0.069


def test_an_occurrence_is_shown_where_it_is_in_its_recording(visit):
    opened = visit()
    row_of(opened, "5 6 7").click()
    current = opened.locator(".block[aria-current='true']")
    sync_api.expect(current).to_be_visible()
    sync_api.expect(current).to_have_class("block same")
    sync_api.expect(opened.locator(".heard[aria-current='true']")).to_have_count(1)
    opened.keyboard.press("Escape")
    sync_api.expect(opened.locator("body")).to_have_attribute("data-playing", "false")
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function("() => document.body.dataset.playing === 'false'")
    last = opened.evaluate("window.played.at(-1)")
    left = float(opened.locator(".block[aria-current='true']").evaluate("each => parseFloat(each.style.left)"))
    assert left / 5 * 0.02 == pytest.approx(last["from"] + 0.1, abs=0.001)  # with 0.1 s of what is around it
    opened.wait_for_function(PAINTED)


def test_a_block_of_the_timeline_leads_to_its_motif(visit):
    opened = visit()
    row_of(opened, "5 6 7").click()
    opened.keyboard.press("Escape")
    block = opened.locator(".block:not(.same):not(.single)").first
    id_ = block.get_attribute("title").split(":")[0].split()[-1]
    block.click()
    sync_api.expect(opened.locator("#motif h2")).to_have_text(f"Motif {id_}")


def test_the_whole_recording_is_played(visit):
    opened = visit()
    opened.evaluate("window.endless = true")
    row_of(opened, "5 6 7").click()
    opened.wait_for_function("() => window.played.length > 0")
    opened.get_by_role("button", name="Play recording").click()
    opened.wait_for_function("() => window.played.at(-1).length > 1")
    sync_api.expect(opened.locator("#cursor")).to_be_visible()
    opened.locator("#stop").click()
    sync_api.expect(opened.locator("#cursor")).to_be_hidden()


def test_what_others_wrote_is_text(visit):
    opened = visit()
    assert opened.evaluate("window.broken") is None
    assert opened.locator("script").count() == 2
    assert opened.locator("img").count() == 0
    opened.get_by_label("Speaker").select_option(HOSTILE)
    row_of(opened, "5 6 7").click()
    opened.keyboard.press("Escape")
    sync_api.expect(opened.locator(".facts .wide")).to_contain_text("window.broken=1")
    assert opened.evaluate("window.broken") is None


def test_motifs_are_searched_filtered_and_sorted(visit):
    opened = visit()
    rows = opened.locator(".row")
    times = "all => all.map(each => Number(each.querySelector('b').textContent.replace(',', '')))"
    units = "all => all.map(each => each.querySelectorAll('.unit').length)"
    every = rows.count()
    found = rows.evaluate_all(times)
    assert found == sorted(found, reverse=True)
    opened.get_by_label("Order").select_option("units")
    found = rows.evaluate_all(units)
    assert found == sorted(found, reverse=True)
    assert len(set(found)) > 1
    opened.get_by_label("Units, from").fill("3")
    opened.get_by_label("to", exact=True).fill("4")
    assert set(rows.evaluate_all(units)) <= {3, 4}
    assert 0 < rows.count() < every
    opened.get_by_label("Units, from").fill("1")
    opened.get_by_label("to", exact=True).fill("")
    opened.get_by_label("At least, times").fill("0")
    assert rows.count() > every
    sync_api.expect(opened.locator("#count")).to_contain_text(f"{rows.count()} of {rows.count()} pieces")
    opened.get_by_label("Search").fill("6 7")
    assert all(
        "6 7" in text
        for text in rows.evaluate_all(
            "all => all.map(row => [...row.querySelectorAll('.unit')].map(unit => unit.textContent).join(' '))"
        )
    )
    opened.get_by_label("Search").fill("")
    opened.get_by_label("Units, from").fill("2")
    opened.get_by_label("Language").select_option("pt")
    opened.get_by_label("At least, times").fill("40")
    assert min(rows.evaluate_all(times)) >= 40
    assert 0 < rows.count() < every


def test_motifs_are_gone_through_by_keys(visit):
    opened = visit()
    name = opened.locator("#motif h2")
    first = name.inner_text()
    opened.keyboard.press("j")
    second = name.inner_text()
    assert second != first
    opened.keyboard.press("k")
    assert name.inner_text() == first
    opened.evaluate("window.endless = true")
    opened.keyboard.press("p")
    sync_api.expect(opened.locator("body")).to_have_attribute("data-playing", "true")
    opened.wait_for_function("() => window.played.length > 0")
    opened.keyboard.press("p")
    sync_api.expect(opened.locator("body")).to_have_attribute("data-playing", "false")
    opened.keyboard.press("/")
    opened.keyboard.type("jkt")
    assert opened.get_by_label("Search").input_value() == "jkt"
    opened.keyboard.press("Escape")
    opened.keyboard.press("?")
    sync_api.expect(opened.get_by_role("dialog")).to_be_visible()
    opened.keyboard.press("Escape")
    sync_api.expect(opened.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(visit, width, scheme):
    opened = visit(width, color_scheme=scheme)
    row_of(opened, "5 6 7").click()
    opened.keyboard.press("Escape")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll('main *, header *, #stage-head *')]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML.slice(0, 80))"""
    assert opened.evaluate(outside) == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_stands_out_from_its_ground(visit, scheme):
    opened = visit(color_scheme=scheme)
    row_of(opened, "5 6 7").click()
    opened.keyboard.press("Escape")
    opened.get_by_label("Search").fill("")
    assert faint(opened, "body *", "option, [hidden], dialog, script, :disabled") == []


def test_the_scheme_can_be_turned(visit):
    opened = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(ground)
    opened.get_by_role("button", name="Dark").click()
    assert opened.evaluate(ground) != light
    opened.keyboard.press("t")
    assert opened.evaluate(ground) == light


def test_without_script_it_is_said_where_the_figures_are(visit):
    opened = visit(java_script_enabled=False)
    sync_api.expect(opened.get_by_text("motif_analysis.json")).to_be_visible()
