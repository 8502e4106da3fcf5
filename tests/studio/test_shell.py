"""What every page of the Studio shares: addresses, focus, signing in, sentences where something is wrong, contrast."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

HUES = ((355, 285), (25, 320), (60, 280), (245, 265), (285, 270), (315, 295), (330, 290))

# Contrast as WCAG 2.2 counts it, of colours as they come out on a canvas.
CONTRAST = """([texts, grounds, hue, mood]) => {
  const root = document.documentElement;
  root.style.setProperty("--hue", hue);
  root.style.setProperty("--mood", mood);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const probe = document.body.appendChild(document.createElement("i"));
  const luminance = (name) => {
    probe.style.color = `var(${name})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => {
      const share = byte / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const text of texts) for (const ground of grounds) {
    const [low, high] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
    found.push([text, ground, (high + 0.05) / (low + 0.05)]);
  }
  probe.remove();
  return found;
}"""


def test_addresses_lead_to_pages_and_the_focus_goes_along(visit, studio, made_song):
    song_id, _ = studio.add_aligned(made_song, title="Night", artist="Nobody")
    page = visit(studio).page
    page.goto(f"{studio.url}/studio/")
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
    page.get_by_role("link", name="Engines").click()
    expect(page.get_by_role("heading", name="Engines", level=1)).to_be_focused()
    expect(page).to_have_title("Engines · Melisma Studio")
    expect(page.get_by_role("status").first).to_have_text("Engines · Melisma Studio")
    page.go_back()
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
    page.goto(f"{studio.url}/studio/#/songs/{song_id}/export")
    expect(page.get_by_role("heading", name="Export Night by Nobody")).to_be_focused()
    page.goto(f"{studio.url}/studio/#/no/such/page")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_focused()


def test_the_keyboard_alone_gets_to_the_content(visit, studio):
    page = visit(studio).page
    page.goto(f"{studio.url}/studio/#/engines")
    expect(page.get_by_role("heading", name="Engines", level=1)).to_be_focused()
    page.get_by_role("button", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    assert page.url.endswith("#/engines")


def test_what_is_gone_is_said_in_a_sentence_with_a_way_on(visit, studio):
    page = visit(studio, expected=["status of 404"]).page
    page.goto(f"{studio.url}/studio/#/songs/{'0' * 32}/play")
    expect(page.get_by_role("alert")).to_contain_text("There is no song")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_service_that_is_gone_is_said_and_found_again(visit, studio):
    found = visit(studio, expected=["ERR_INTERNET_DISCONNECTED"])
    found.page.goto(f"{studio.url}/studio/")
    expect(found.page.get_by_role("heading", name="Nothing to sing yet")).to_be_visible()
    found.page.context.set_offline(True)
    found.page.get_by_label("Search").fill("anything")
    expect(found.page.get_by_role("alert")).to_contain_text("The service does not answer")
    found.page.context.set_offline(False)
    found.page.get_by_role("button", name="Try again").click()
    expect(found.page.get_by_role("heading", name="No song like that")).to_be_visible()


def test_no_script_of_others_runs(visit, studio):
    found = visit(studio, expected=["Content Security Policy"])
    found.page.goto(f"{studio.url}/studio/")
    with found.page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        found.page.evaluate("""() => {
          const script = document.createElement("script");
          script.textContent = "window.broken = 1";
          document.body.append(script);
        }""")
    assert found.page.evaluate("window.broken") is None


def test_a_token_lets_in_and_out(visit, guarded, made_song):
    guarded.add_song(made_song, title="Night")
    found = visit(guarded, expected=["status of 401"])
    page = found.page
    page.goto(f"{guarded.url}/studio/")
    dialog = page.get_by_role("dialog", name="Sign in")
    expect(dialog.get_by_label("API token")).to_be_focused()
    dialog.get_by_label("API token").fill("not the token")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("API token").fill(guarded.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Night")).to_be_visible()
    cookie = page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.reload()
    expect(page.get_by_role("heading", name="Night")).to_be_visible()  # still in
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible()


def test_signing_out_has_room_on_a_phone(visit, guarded):
    page = visit(guarded, expected=["status of 401"], width=360, height=740).page
    page.goto(f"{guarded.url}/studio/")
    page.get_by_label("API token").fill(guarded.token)
    page.keyboard.press("Enter")
    leave = page.get_by_role("button", name="Sign out")
    expect(leave).to_be_visible()
    expect(page.get_by_role("link", name="Melisma")).to_be_visible()
    box, line = leave.bounding_box(), page.get_by_role("link", name="Engines").bounding_box()
    assert box["x"] >= line["x"] + line["width"]
    assert box["x"] + box["width"] <= 360
    lines = "const all = document.createRange(); all.selectNodeContents(it); return all.getClientRects().length;"
    assert leave.evaluate(f"(it) => {{ {lines} }}") == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_page_that_takes_its_time_says_that_it_is_loading(visit, studio, made_song):
    song_id, _ = studio.add_aligned(made_song, title="Night")
    page = visit(studio).page
    waiting = []
    page.route(f"**/v1/songs/{song_id}", lambda route: route.continue_() if waiting else waiting.append(route))
    with page.expect_request(f"**/v1/songs/{song_id}"):
        page.goto(f"{studio.url}/studio/#/songs/{song_id}/edit")
    expect(page.get_by_text("Loading…")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_css("opacity", "1")
    waiting[0].continue_()
    expect(page.get_by_role("heading", name="Night")).to_be_visible()
    expect(page.get_by_text("Loading…")).to_have_count(0)


def test_a_pressed_button_can_be_read_while_the_pointer_is_on_it(visit, studio, made_song):
    song_id, _ = studio.add_aligned(made_song, title="Night")
    page = visit(studio, reduced_motion="reduce").page
    page.goto(f"{studio.url}/studio/#/songs/{song_id}/edit")
    snap = page.get_by_role("button", name="Snap")
    expect(snap).to_have_attribute("aria-pressed", "true")
    colours = "(it) => [getComputedStyle(it).color, getComputedStyle(it).backgroundColor]"
    before = snap.evaluate(colours)
    snap.hover()
    assert snap.evaluate(colours) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_every_colour_that_a_song_brings(visit, studio, scheme):
    page = visit(studio, color_scheme=scheme).page
    page.goto(f"{studio.url}/studio/")
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    grounds = ["--ground", "--surface", "--raised", "--glow-a", "--glow-b"]
    texts = ["--ink", "--quiet", "--sung"]
    pairs = [
        (texts, grounds, 4.5),
        (["--waiting"], ["--ground", "--glow-a"], 3),  # of large letters only: lyrics
        (["--on-sung"], ["--sung"], 4.5),
        (["--field-edge"], ["--surface", "--ground"], 3),
        *[([f"--{kind}"], [f"--{kind}-ground", "--surface"], 4.5) for kind in ("good", "warn", "bad")],
    ]
    low = [
        (hue, found)
        for hue, mood in HUES
        for words, behind, least in pairs
        for found in page.evaluate(CONTRAST, [words, behind, hue, mood])
        if found[2] < least
    ]
    assert low == []


@pytest.mark.parametrize("width", [360, 900, 1600])
def test_no_page_is_wider_than_its_window(visit, studio, made_song, width):
    title = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 2
    song_id, _ = studio.add_aligned(made_song, title=title.strip(), artist="x" * 120)
    page = visit(studio, width=width, height=800).page
    for place in ("library", "engines", f"songs/{song_id}/play", f"songs/{song_id}/export"):
        page.goto(f"{studio.url}/studio/#/{place}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
