"""The report in Debian's Chromium: opened from its file, read, sorted, listened to, and narrowed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from page_contrast import faint

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on the path (apt install chromium)")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio"),
]
WAIT_MS = 120_000


@pytest.fixture(scope="module")
def chromium():
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, page):
    """Open the report; it may ask nobody for anything, and its console stays quiet."""
    said: list[str] = []

    def make(width: int = 1200, height: int = 800, path: Path = page, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(WAIT_MS)
        opened = context.new_page()
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


def test_what_others_wrote_is_text(visit):
    opened = visit()
    assert opened.evaluate("window.broken") is None
    assert opened.locator("script").count() == 1
    assert opened.locator("img").count() == 0
    card = opened.locator(".clip", has_text="</script><script>window.broken=1</script>").first
    sync_api.expect(card.locator("h3")).to_contain_text('<img src=x onerror="window.broken=1">\'"&amp;')
    assert "\x1b" not in opened.content()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_is_wider_than_the_window(visit, width, scheme):
    opened = visit(width, color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll('main *')]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.scroll'))
        .map(each => each.outerHTML.slice(0, 80))"""
    assert opened.evaluate(outside) == []
    for name in ("verdict", "curves", "rates", "behaviour", "confusions", "worst", "compared", "facts"):
        assert opened.locator(f"#{name} h2").is_visible()
    assert opened.locator("#curves svg.plot").count() >= 5


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_stands_out_from_its_ground(visit, scheme):
    left_out = "svg, option, [hidden], .unseen, .nothing"
    assert faint(visit(color_scheme=scheme), "main *, header *", left_out) == []


def test_the_scheme_can_be_turned(visit):
    opened = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(ground)
    opened.get_by_role("button", name="Dark").click()
    dark = opened.evaluate(ground)
    assert dark != light
    opened.keyboard.press("t")
    assert opened.evaluate(ground) == light


def test_a_clip_is_played(visit):
    opened = visit()
    sound = opened.locator(".clip audio").first
    sound.evaluate("async each => { await each.play(); }")
    opened.wait_for_function("() => document.querySelector('.clip audio').currentTime > 0.05")
    assert sound.evaluate("each => each.duration") == pytest.approx(1.5, abs=0.15)
    sound.evaluate("each => each.pause()")


def test_clips_are_gone_through_by_keys_and_one_plays_at_a_time(visit):
    opened = visit()
    focused = "() => document.activeElement.id"
    names = opened.locator(".clip").evaluate_all("all => all.map(each => each.id)")
    # So that no clip is over before it is looked at, and none falls silent because it is.
    opened.locator("audio").evaluate_all("all => all.forEach(each => { each.loop = true; })")
    opened.keyboard.press("j")
    assert opened.evaluate(focused) == names[0]
    opened.keyboard.press("j")
    assert opened.evaluate(focused) == names[1]
    opened.keyboard.press("p")
    opened.wait_for_function("() => document.activeElement.querySelector('audio').currentTime > 0")
    opened.keyboard.press("k")
    opened.keyboard.press("p")
    playing = "[...document.querySelectorAll('audio')].filter(each => !each.paused)"
    alone = f"{playing}.length === 1 && {playing}[0] === document.activeElement.querySelector('audio')"
    opened.wait_for_function(f"() => {alone}")  # the other one falls silent a moment after this one has begun


def test_clips_are_chosen(visit):
    opened = visit()
    shown = opened.locator(".clip:visible")
    every = shown.count()
    opened.get_by_label("Language", exact=True).select_option("sr")
    assert 0 < shown.count() < every
    assert set(shown.evaluate_all("all => all.map(each => each.dataset.language)")) == {"sr"}
    opened.get_by_label("Suspicion").select_option("nothing_said")
    assert shown.count() == 1
    sync_api.expect(opened.locator("#clip-count")).to_have_text(f"1 of {every} clips")
    opened.get_by_label("Suspicion").select_option("")
    opened.get_by_label("Language", exact=True).select_option("")
    opened.get_by_label("Order", exact=True).select_option("rate")
    rates = [float(rate) for rate in shown.evaluate_all("all => all.map(each => each.dataset.rate)")]
    assert rates == sorted(rates, reverse=True)
    opened.keyboard.press("Escape")
    opened.get_by_label("Search").fill("KRUHA")
    assert shown.count() == 1


def test_tables_are_sorted(visit):
    opened = visit()
    table = opened.locator("table.sortable", has=opened.get_by_text("ana", exact=True)).first
    names = "rows => rows.map(row => row.cells[0].textContent)"
    before = table.locator("tbody tr").evaluate_all(names)
    table.get_by_role("button", name="WER", exact=True).click()
    rates = table.locator("tbody tr").evaluate_all("rows => rows.map(row => Number(row.cells[1].dataset.value))")
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) > 1
    table.get_by_role("button", name="speaker").click()
    table.get_by_role("button", name="speaker").click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    assert sorted(table.locator("tbody tr").evaluate_all(names)) == sorted(before)


def test_pictures_are_read_by_keys_and_by_pointing(visit):
    opened = visit()
    chart = opened.locator(".chart", has_text="WER on held-out clips")
    plot, readout = chart.locator("svg.plot"), chart.locator(".readout")
    plot.focus()
    opened.keyboard.press("End")
    sync_api.expect(readout).to_have_text("step 1,000: run-1 30.0 %, run-0 35.0 %")
    opened.keyboard.press("ArrowLeft")
    sync_api.expect(readout).to_have_text("step 800: run-1 10.0 %, run-0 15.0 %")
    plot.hover(position={"x": 2, "y": 50})
    sync_api.expect(readout).to_contain_text("step 200:")


def test_a_heat_map_is_gone_through_by_arrow_keys(visit):
    opened = visit()
    map_ = opened.locator(".map").first
    assert map_.locator("td[tabindex='0']").count() == 1
    told: set[str] = set()
    map_.locator("td[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp") * 3:
        told.add(map_.locator(".readout").inner_text())
        opened.keyboard.press(key)
    assert len(told) > 2
    assert map_.locator("td[tabindex='0']").count() == 1


def test_keys_are_listed(visit):
    opened = visit()
    opened.keyboard.press("?")
    sync_api.expect(opened.get_by_role("dialog")).to_be_visible()
    opened.keyboard.press("j")  # of the dialog, not of the page behind it
    assert opened.evaluate("document.activeElement.closest('dialog') !== null")
    opened.keyboard.press("Escape")
    sync_api.expect(opened.get_by_role("dialog")).to_be_hidden()


def test_without_script_all_is_there_but_what_needs_it(visit):
    opened = visit(java_script_enabled=False)
    assert opened.locator(".clip").first.is_visible()
    assert opened.locator("svg.plot").first.is_visible()
    assert not opened.locator("#clip-tools").is_visible()
    assert not opened.locator("#scheme").is_visible()


def test_a_page_that_was_moved_still_holds_everything(visit, page, tmp_path):
    moved = tmp_path / "elsewhere.html"
    moved.write_bytes(page.read_bytes())
    opened = visit(path=moved)
    sound = opened.locator(".clip audio").first
    sound.evaluate("async each => { await each.play(); each.pause(); }")
    assert sound.evaluate("each => each.duration") > 1
