"""The page of engines: what the service says of each, in words."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("width", [360, 1280])
def test_every_engine_is_there_with_its_licence_and_its_state(visit, studio, width):
    page = visit(studio, width=width).page
    page.goto(f"{studio.url}/studio/#/engines")
    found = studio.call("GET", "engines")
    expect(page.get_by_text("Licence mode: non-commercial.")).to_be_visible()
    for engine in found["engines"]:
        row = page.locator("tbody tr").filter(has=page.get_by_text(engine["name"], exact=True))
        expect(row).to_have_count(1)
        expect(row).to_contain_text("Ready" if engine["installed"] else "Not installed")
        if engine["licence"]:
            expect(row).to_contain_text(engine["licence"])
        if engine["missing"]:
            expect(row).to_contain_text(engine["missing"], ignore_case=True)
        if engine["commercial"] is False:
            expect(row).to_contain_text("Non-commercial")


def test_an_engine_that_rests_after_failures_says_so(visit, studio, monkeypatch, tmp_path):
    from melisma.pipeline.breaker import Breaker, Kind
    from melisma.pipeline.settings import RouterSettings

    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    settings = RouterSettings.from_env()
    for _ in range(settings.breaker.failures):
        Breaker(settings.breaker_file, settings.breaker).failed("phone", Kind.OUT_OF_MEMORY)
    page = visit(studio).page
    page.goto(f"{studio.url}/studio/#/engines")
    row = page.locator("tbody tr").filter(has=page.get_by_text("phone", exact=True))
    expect(row.get_by_text("Resting until")).to_be_visible()
    row.get_by_text("Last failure: out of memory").click()
    expect(row.get_by_role("group")).to_contain_text("open (out of memory, next try in")
    expect(row.get_by_text("Ready")).to_have_count(0)
