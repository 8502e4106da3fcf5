"""The timeline editor: words are dragged, typed, tapped and saved, as a person does it, on a whole service."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=20_000)  # on a machine with much else to do, a page takes its time
JOB_MS = 180_000  # and a job takes more

DRAWN = """() => [
  ...document.querySelector('.ed-timeline > div').shadowRoot.querySelectorAll('.spectrum canvas'),
].some((canvas) => new Set(new Uint32Array(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 20)"""
# Whether the timeline has its style and its whole length: before, a word stands elsewhere.
LAID_OUT = """() => {
  const root = document.querySelector('.ed-timeline > div')?.shadowRoot;
  const [box, word] = [root?.querySelector('.scroll'), root?.querySelector('.word')];
  return word && getComputedStyle(word).position === 'absolute' && box.scrollWidth > box.clientWidth;
}"""
HEARD = "(at) => { const [minutes, seconds] = at.textContent.split(':'); return 60 * minutes + Number(seconds); }"


class Desk:
    """An open editor, and what the service knows of the alignment."""

    def __init__(self, studio, found, song_id, alignment_id):
        self.studio, self.visit, self.page = studio, found, found.page
        self.song_id, self.alignment_id = song_id, alignment_id

    def open(self):
        self.page.goto(f"{self.studio.url}/studio/#/songs/{self.song_id}/edit")
        expect(self.word(0)).to_be_visible()
        self.page.wait_for_function(LAID_OUT)
        return self

    def word(self, i):
        return self.page.locator(f'.word[data-word="{i}"]')

    def lyric(self, i):
        return self.page.locator(f'.ed-lyric[data-word="{i}"]')

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def choose(self, i):
        self.lyric(i).click()
        expect(self.word(i)).to_have_attribute("aria-selected", "true")

    def info(self):
        return self.studio.call("GET", f"alignments/{self.alignment_id}/info")

    def words(self):
        return self.studio.call("GET", f"alignments/{self.alignment_id}")["words"]

    def patch(self, *edits, version=1):
        return self.studio.call(
            "PATCH", f"alignments/{self.alignment_id}/words", {"version": version, "edits": list(edits)}
        )

    def save(self):
        self.press("Control+s")
        expect(self.status).to_contain_text("corrected by hand")
        expect(self.status).not_to_contain_text("not saved")  # while it saves, the button is off already

    def listen(self, seconds):
        """Let the recording play on by so much: how long that takes is the machine's business."""
        at = self.page.get_by_label("Position", exact=True).element_handle()
        until = at.evaluate(HEARD) + seconds
        self.page.wait_for_function(f"([at, until]) => ({HEARD})(at) >= until", arg=[at, until])

    @property
    def status(self):
        return self.page.locator(".ed-status")

    def field(self, name):
        return self.page.get_by_label("Selected word").get_by_label(name, exact=True)

    def drag(self, i, by_px, *, at=0.5, alt=False, drop=True):
        """Drag a word from a share of its width."""
        box = self.word(i).bounding_box()
        x, y = box["x"] + box["width"] * at, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        if alt:
            self.page.keyboard.down("Alt")
        mouse.move(x + by_px / 2, y)
        mouse.move(x + by_px, y)
        if drop:
            mouse.up()
        if alt:
            self.page.keyboard.up("Alt")


@pytest.fixture
def desk(visit, studio, made_song):
    """An editor of a song of sixteen words."""
    song_id, alignment_id = studio.add_aligned(made_song, title="Night & day")
    return Desk(studio, visit(studio), song_id, alignment_id).open()


def test_a_dragged_word_stays_where_it_was_put(desk):
    before = desk.words()
    desk.drag(1, 12, alt=True)
    expect(desk.status).to_contain_text("1 change not saved")
    moved = desk.field("Start").input_value()
    assert desk.words() == before  # nothing is sent before it is saved
    desk.save()
    after = desk.words()
    assert after[1]["start_ms"] > before[1]["start_ms"]
    assert after[1]["confidence"] == 1
    assert [w for i, w in enumerate(after) if i != 1] == [w for i, w in enumerate(before) if i != 1]
    assert desk.info()["corrected"] == [1]
    assert desk.info()["source"] == "user_corrected"
    desk.page.reload()
    expect(desk.word(1)).to_have_class(re.compile("corrected"))
    desk.choose(1)
    expect(desk.field("Start")).to_have_value(moved)


def test_a_drag_snaps_to_an_onset_unless_alt_is_held_and_escape_leaves_it(desk):
    onsets = desk.studio.call("GET", f"songs/{desk.song_id}/onsets")["onsets_ms"]
    start = desk.words()[2]["start_ms"]
    width = desk.page.evaluate(
        "document.querySelector('.ed-timeline > div').shadowRoot.querySelector('.wrapper').clientWidth"
    )
    duration = desk.studio.call("GET", f"alignments/{desk.alignment_id}")["duration_ms"]
    onset = min((o for o in onsets if abs(o - start) > 40), key=lambda o: abs(o - start))
    pixels = (onset - start) * width / duration
    desk.drag(2, pixels + 3, drop=False)
    expect(desk.page.locator(".guide")).to_be_visible()
    desk.page.mouse.up()
    desk.save()
    assert desk.words()[2]["start_ms"] == onset
    desk.drag(3, 9, drop=False)
    desk.press("Escape")
    desk.page.mouse.up()
    expect(desk.status).not_to_contain_text("not saved")


def test_an_edge_is_dragged_alone(desk):
    before = desk.words()[1]
    desk.drag(1, -8, at=0.98, alt=True)
    desk.save()
    after = desk.words()[1]
    assert after["start_ms"] == before["start_ms"]
    assert after["end_ms"] < before["end_ms"]


def test_others_go_along_with_a_word_where_that_is_wanted(desk):
    before = desk.words()
    desk.choose(0)
    desk.press("r")
    expect(desk.page.get_by_label("What goes along with a word that is moved")).to_have_value("line")
    desk.press("Shift+ArrowRight", "Alt+ArrowRight")
    desk.save()
    after = desk.words()
    line = [i for i, word in enumerate(before) if word["line"] == 0]
    by = [after[i]["start_ms"] - before[i]["start_ms"] for i in line]
    assert by[0] == 11
    assert set(by) <= {
        10,
        11,
        12,
    }  # the recording's clock is finer than a millisecond: others are rounded where they are
    assert after[len(line) :] == before[len(line) :]
    assert desk.info()["corrected"] == [0]


def test_every_word_is_reached_by_keys_and_said(desk):
    desk.choose(0)
    desk.press("ArrowRight")
    expect(desk.word(1)).to_be_focused()
    expect(desk.word(1)).to_have_attribute(
        "aria-label", re.compile(r"^night, 0:\d\d\.\d{3} to .*, confidence 95 %, sure$")
    )
    assert desk.page.locator('.word[tabindex="0"]').count() == 1
    desk.press("ArrowDown")
    expect(desk.word(4)).to_be_focused()
    desk.press("End")
    expect(desk.word(14)).to_be_focused()
    desk.press("Home", "n")
    expect(desk.word(6)).to_be_focused()
    expect(desk.word(6)).to_have_class(re.compile("doubtful"))
    desk.press("n", "Shift+N")
    expect(desk.word(6)).to_be_focused()
    desk.press("?")
    expect(desk.page.get_by_role("dialog", name="Keys")).to_contain_text("Next doubtful word")
    desk.press("Escape", "c")
    expect(desk.page.locator("#announcer")).to_have_text(re.compile("word confirmed"))
    expect(desk.lyric(6)).to_have_class(re.compile("corrected"))
    expect(desk.word(7)).to_have_attribute("aria-selected", "true")


def test_words_are_split_merged_retyped_and_marked_unsung(desk):
    before = desk.words()
    desk.choose(1)
    desk.press("x")
    dialog = desk.page.get_by_role("dialog", name="Split “night”")
    dialog.get_by_label("First word").fill("ni")
    dialog.get_by_label("Second word").fill("gh t")
    dialog.get_by_role("button", name="Split").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not one word")
    dialog.get_by_label("Second word").fill("ght")
    dialog.get_by_role("button", name="Split").click()
    expect(desk.word(2)).to_contain_text("ght")
    desk.choose(3)
    desk.press("m")
    expect(desk.word(3)).to_contain_text("isyoung")
    desk.press("F2")
    desk.page.get_by_role("dialog", name="Retype the word").get_by_label("Word").fill("<i>young</i>")
    desk.press("Enter")
    expect(desk.word(3)).to_contain_text("<i>young</i>")
    desk.choose(0)
    desk.press("Delete")
    expect(desk.word(0)).to_have_count(0)
    expect(desk.lyric(0)).to_have_class(re.compile("unsung"))
    desk.save()
    after = desk.words()
    assert [word["text"] for word in after[:4]] == ["the", "ni", "ght", "<i>young</i>"]
    assert after[0]["unsung"]
    assert (after[1]["start_ms"], after[2]["end_ms"]) == (before[1]["start_ms"], before[1]["end_ms"])
    assert (after[3]["start_ms"], after[3]["end_ms"]) == (before[2]["start_ms"], before[3]["end_ms"])


def test_times_are_typed_and_an_unsung_word_gets_one(desk):
    desk.choose(1)
    desk.press("Delete")
    desk.field("Start").fill("0:03.9x")
    desk.press("Enter")
    expect(desk.page.locator("#toasts")).to_contain_text("minutes:seconds.milliseconds")
    expect(desk.field("Start")).to_have_value("")
    start = desk.words()[0]["start_ms"] + 50
    desk.field("Start").fill(f"{start / 1000:.3f}")
    desk.press("Enter")
    expect(desk.word(1)).to_be_visible()
    desk.save()
    assert desk.words()[1]["start_ms"] == start


def test_undo_and_redo_reach_behind_what_was_saved(desk):
    desk.choose(0)
    desk.press("Shift+ArrowRight", "Shift+ArrowRight", "Control+z")
    expect(desk.status).to_contain_text("1 change not saved")
    desk.press("Control+Shift+Z")
    expect(desk.status).to_contain_text("2 changes not saved")
    before = desk.words()[0]["start_ms"]
    desk.save()
    assert desk.words()[0]["start_ms"] == before + 20
    desk.press("Control+z")
    expect(desk.status).to_contain_text("Version 3, by phone")
    assert desk.words()[0]["start_ms"] == before
    expect(desk.page.get_by_role("button", name="Undo")).to_be_disabled()  # before what an engine made there is nothing
    desk.press("Control+y")
    expect(desk.status).to_contain_text("Version 4, corrected by hand")
    assert desk.words()[0]["start_ms"] == before + 20


def test_two_who_save_at_once_lose_nothing(desk):
    desk.choose(0)
    desk.press("Shift+ArrowRight")
    start, other = desk.words()[0]["start_ms"], desk.words()[5]
    theirs = {"op": "move", "word": 5, "start_ms": other["start_ms"] + 30, "end_ms": other["end_ms"] + 30}
    desk.patch(theirs)
    desk.visit.expected.append("409")
    desk.press("Control+s")
    dialog = desk.page.get_by_role("dialog", name="Somebody else saved meanwhile")
    expect(dialog).to_contain_text("version 2 by now")
    dialog.get_by_role("button", name="See theirs first").click()
    expect(desk.page.get_by_role("region", name="Compare").get_by_role("combobox")).to_have_value("2")
    expect(desk.status).to_contain_text("1 change not saved")
    desk.press("Control+s")
    dialog.get_by_role("button", name="Make my changes on theirs").click()
    expect(desk.status).to_contain_text("Version 2")
    desk.save()
    after = desk.words()
    assert (after[0]["start_ms"], after[5]["start_ms"]) == (start + 10, other["start_ms"] + 30)
    assert desk.info()["version"] == 3


def test_undo_goes_on_with_what_somebody_else_saved_meanwhile(desk):
    desk.choose(0)
    desk.press("Shift+ArrowRight")
    desk.save()
    desk.patch({"op": "confirm", "words": [5, 6]}, version=2)
    desk.visit.expected.append("409")
    desk.press("Control+z")
    expect(desk.page.get_by_role("alert")).to_contain_text("this is version 3 now")
    expect(desk.status).to_contain_text("Version 3")
    expect(desk.word(5)).to_have_class(re.compile("corrected"))
    desk.press("Control+z")
    expect(desk.status).to_contain_text("Version 4")
    assert desk.info()["corrected"] == [0]


def test_what_was_not_saved_is_there_again_after_a_crash(desk):
    desk.choose(2)
    desk.press("c", "Shift+ArrowRight")
    page = desk.page.context.new_page()  # the page is gone without a word, as when a browser crashes
    desk.page.close(run_before_unload=False)
    desk.page = page
    desk.page.goto(f"{desk.studio.url}/studio/#/songs/{desk.song_id}/edit")
    dialog = desk.page.get_by_role("dialog", name="Changes that were not saved")
    expect(dialog).to_contain_text("2 changes")
    dialog.get_by_role("button", name="Bring them back").click()
    expect(desk.status).to_contain_text("2 changes not saved")
    desk.save()
    assert desk.info()["corrected"] == [2, 3]
    desk.page.reload()
    expect(desk.word(0)).to_be_visible()
    expect(desk.page.get_by_role("dialog")).to_have_count(0)


def test_what_was_not_saved_is_made_on_what_others_saved_since(desk):
    desk.choose(0)
    desk.press("Shift+ArrowRight")
    expect(desk.status).to_contain_text("1 change not saved")
    desk.page.evaluate("location.hash = '#/library'")
    expect(desk.page.locator("#toasts")).to_contain_text("this browser keeps them")
    before = desk.words()
    split = (before[2]["start_ms"] + before[2]["end_ms"]) // 2
    desk.patch(
        {"op": "split", "word": 2, "at_ms": split, "texts": ["i", "s"]},
        {"op": "move", "word": 4, "start_ms": before[3]["start_ms"] + 40, "end_ms": before[3]["end_ms"]},
    )
    desk.page.evaluate("history.back()")
    dialog = desk.page.get_by_role("dialog", name="Changes that were not saved")
    expect(dialog).to_contain_text("on version 1; it is version 2 now")
    dialog.get_by_role("button", name="Bring them back").click()
    expect(desk.status).to_contain_text("1 change not saved")
    desk.save()
    after = desk.words()
    assert [word["text"] for word in after[:5]] == ["the", "night", "i", "s", "young"]
    assert after[0]["start_ms"] == before[0]["start_ms"] + 10
    assert desk.info()["version"] == 3


def test_leaving_with_changes_asks(desk):
    asked = []
    desk.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    desk.choose(0)
    desk.press("c")
    expect(desk.status).to_contain_text("1 change not saved")
    with desk.page.expect_event("dialog"):
        desk.page.close(run_before_unload=True)
    desk.choose(1)  # who stays goes on; and Chromium crashes where its page is closed while the dialog still goes
    expect(desk.status).to_contain_text("1 change not saved")
    assert asked == ["beforeunload"]


def test_words_are_tapped_along(desk):
    desk.choose(4)
    desk.press("t")
    panel = desk.page.get_by_role("region", name="Tap along")
    expect(panel).to_be_visible()
    for _ in range(3):
        desk.listen(0.25)
        desk.page.keyboard.down("j")
        desk.listen(0.12)
        desk.page.keyboard.up("j")
    expect(panel.locator(".next")).to_have_text(desk.words()[7]["text"])
    desk.press("Backspace")
    expect(panel.locator(".next")).to_have_text(desk.words()[6]["text"])
    desk.press("Enter")
    expect(panel).to_be_hidden()
    expect(desk.status).to_contain_text("2 changes not saved")
    desk.save()
    assert desk.info()["corrected"] == [4, 5]
    tapped = desk.words()[4:6]
    assert tapped[0]["start_ms"] < tapped[0]["end_ms"] <= tapped[1]["start_ms"]
    desk.press("t", "Escape")
    expect(panel).to_be_hidden()
    expect(desk.status).not_to_contain_text("not saved")


def test_two_hands_tap_and_letting_one_key_go_does_not_end_what_the_other_began(desk):
    desk.choose(4)
    desk.press("t")
    before = desk.lyric(5).get_attribute("aria-label")
    desk.listen(0.25)
    desk.page.keyboard.down("f")
    desk.listen(0.15)
    desk.page.keyboard.down("j")
    expect(desk.lyric(5)).not_to_have_attribute("aria-label", before)
    begun = desk.lyric(5).get_attribute("aria-label")
    desk.listen(0.1)
    desk.page.keyboard.up("f")
    desk.listen(0.2)
    assert desk.lyric(5).get_attribute("aria-label") == begun
    desk.page.keyboard.up("j")
    expect(desk.lyric(5)).not_to_have_attribute("aria-label", begun)
    desk.press("Escape")


def test_a_take_is_cancelled_by_keys_too(desk):
    desk.choose(4)
    desk.press("t")
    panel = desk.page.get_by_role("region", name="Tap along")
    expect(panel.get_by_role("button", name="Tap", exact=True)).to_be_focused()
    desk.listen(0.25)
    desk.press("j", "Tab", "Tab")
    expect(panel.get_by_role("button", name="Cancel")).to_be_focused()
    desk.press("Enter")
    expect(panel).to_be_hidden()
    expect(desk.status).not_to_contain_text("not saved")


def test_keyboards_that_write_other_alphabets_have_the_same_keys(desk):
    def press(key, code, **held):
        desk.page.evaluate(
            "(facts) => document.body.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, ...facts }))",
            {"key": key, "code": code, **held},
        )

    desk.choose(0)
    press("с", "KeyC")  # a Cyrillic letter: word confirmed
    expect(desk.status).to_contain_text("1 change not saved")
    press("я", "KeyZ", ctrlKey=True)
    expect(desk.status).not_to_contain_text("not saved")


def test_the_list_of_keys_is_scrolled_by_keys(desk):
    desk.page.set_viewport_size({"width": 700, "height": 400})
    desk.press("?")
    body = desk.page.locator("dialog .dialog-body")
    expect(body).to_be_visible()
    desk.press("Shift+Tab")
    expect(body).to_be_focused()
    desk.press("End")
    desk.page.wait_for_function("() => document.querySelector('dialog .dialog-body').scrollTop > 0")


def test_a_line_that_is_read_from_the_right_begins_there(visit, studio, made_song):
    hebrew = ("שלום", "עולם", "יפה", "מאוד")
    words = tuple(
        replace(word, text=hebrew[i]) if i < len(hebrew) else word for i, word in enumerate(made_song.truth.words)
    )
    song_id, alignment_id = studio.add_aligned(made_song, replace(made_song.truth, words=words))
    desk = Desk(studio, visit(studio), song_id, alignment_id).open()
    first, second = (desk.lyric(i).bounding_box()["x"] for i in (0, 1))
    assert first > second
    first, second = (desk.lyric(i).bounding_box()["x"] for i in (4, 5))
    assert first < second
    assert desk.word(0).bounding_box()["x"] < desk.word(1).bounding_box()["x"]  # time goes to the right


def test_a_line_is_looped_at_half_speed(desk):
    desk.choose(0)
    desk.press("Shift+L")
    expect(desk.page.get_by_label("Speed").first).to_have_value("0.5")
    expect(desk.page.get_by_role("button", name="Pause")).to_be_visible()
    expect(desk.page.locator(".band")).to_be_visible()
    expect(desk.page.locator(".word.sung")).to_have_count(1)
    desk.press("Enter")  # the word alone, at the speed from before
    expect(desk.page.locator(".band")).to_be_hidden()
    expect(desk.page.get_by_label("Speed").first).to_have_value("1")
    expect(desk.page.get_by_role("button", name="Play", exact=True).first).to_be_visible()
    expect(desk.page.get_by_label("Position")).to_have_text(desk.field("End").input_value())
    desk.press("Shift+L")
    expect(desk.page.get_by_label("Speed").first).to_have_value("0.5")
    desk.press("Shift+L")
    expect(desk.page.get_by_role("button", name="Play", exact=True).first).to_be_visible()
    expect(desk.page.get_by_label("Speed").first).to_have_value("1")


def test_the_engines_version_is_shown_beside_and_words_are_taken_over(desk):
    before = desk.words()
    desk.choose(1)
    desk.drag(1, 30, alt=True)
    desk.save()
    desk.press("v")
    panel = desk.page.get_by_role("region", name="Compare")
    expect(panel.get_by_role("combobox")).to_have_value("1")
    expect(panel).to_contain_text("1 of 15 words differ")
    expect(desk.page.locator(".ghost.other")).to_have_count(1)
    expect(panel.get_by_role("listitem")).to_contain_text("start +")
    panel.get_by_label("from").fill("5000")
    desk.press("Tab")
    expect(panel).to_contain_text("No word differs")
    panel.get_by_label("from").fill("1")
    desk.press("Tab")
    panel.get_by_role("button", name="Take theirs").click()
    expect(panel).to_contain_text("No word differs")
    desk.save()
    assert desk.words()[1]["start_ms"] == before[1]["start_ms"]


def test_a_finger_chooses_first_and_drags_by_the_grips(visit, studio, made_song):
    song_id, alignment_id = studio.add_aligned(made_song)
    desk = Desk(studio, visit(studio, width=360, height=740, has_touch=True), song_id, alignment_id).open()
    before = desk.words()[1]
    desk.word(1).tap()
    expect(desk.word(1)).to_have_attribute("aria-selected", "true")
    desk.page.locator(".grip.end").scroll_into_view_if_needed()
    box = desk.page.locator(".grip.end").bounding_box()
    assert min(box["width"], box["height"]) >= 24
    client = desk.page.context.new_cdp_session(desk.page)
    x, y = box["x"] + 8, box["y"] + 10
    for kind, at in (("touchStart", x), ("touchMove", x - 5), ("touchMove", x - 10)):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(desk.status).to_contain_text("1 change not saved")
    desk.page.get_by_role("button", name="Save", exact=True).click()
    expect(desk.status).to_contain_text("Version 2")
    after = desk.words()[1]
    assert after["start_ms"] == before["start_ms"]
    assert after["end_ms"] < before["end_ms"]
    assert desk.page.evaluate("document.documentElement.scrollWidth") <= 360  # the page itself never scrolls sideways


def test_the_spectrogram_is_drawn_by_our_own_worker(desk):
    desk.visit.expected.append("willReadFrequently")  # this test reads the canvas, the editor does not
    desk.press("g")
    desk.page.wait_for_function(DRAWN)
    assert [worker.url.split("/")[-1] for worker in desk.page.workers] == ["spectrum_worker.js"]
    desk.press("g")
    expect(desk.page.locator(".spectrum")).to_be_hidden()


def test_the_spectrogram_asks_to_sign_in_where_the_session_is_over(visit, guarded, made_song):
    song_id, alignment_id = guarded.add_aligned(made_song)
    desk = Desk(guarded, visit(guarded, expected=["401", "willReadFrequently"]), song_id, alignment_id)
    dialog = desk.page.get_by_role("dialog", name="Sign in")

    def sign_in():
        dialog.get_by_label("API token").fill(guarded.token)
        dialog.get_by_role("button", name="Sign in").click()

    desk.page.goto(f"{guarded.url}/studio/#/engines")
    sign_in()
    expect(dialog).to_have_count(0)
    desk.open()
    desk.page.context.clear_cookies()  # the session is over
    desk.press("g")
    expect(dialog).to_be_visible()
    desk.press("Escape")
    refusal = desk.page.get_by_role("alert").filter(has_text="This service needs a token")
    expect(refusal).to_be_visible()
    expect(desk.page.get_by_role("button", name="Spectrogram")).to_have_attribute("aria-pressed", "false")
    desk.press("g")
    sign_in()
    desk.page.wait_for_function(DRAWN)


def test_words_can_be_corrected_where_no_onsets_are_to_be_had(visit, studio, made_song):
    song_id, alignment_id = studio.add_aligned(made_song)
    desk = Desk(studio, visit(studio, expected=["500"]), song_id, alignment_id)
    desk.page.route("**/onsets", lambda route: route.fulfill(status=500, json={"detail": "internal error"}))
    desk.open()
    expect(desk.page.get_by_role("alert")).to_contain_text("Internal error")
    desk.drag(1, 10)
    desk.save()
    assert desk.info()["corrected"] == [1]


def test_leaving_the_editor_leaves_nothing_behind(desk):
    with desk.page.expect_worker() as begun:
        desk.press("g")
    with begun.value.expect_event("close"):
        desk.page.evaluate("location.hash = '#/library'")
    expect(desk.page.get_by_role("heading", name="Library", level=1)).to_be_visible()
    assert desk.page.workers == []
    desk.press("t", "Space", "x")
    expect(desk.page.get_by_role("dialog")).to_have_count(0)


def test_an_editor_that_is_left_while_it_loads_asks_nothing_later(visit, studio, made_song):
    song_id, alignment_id = studio.add_aligned(made_song)
    desk = Desk(studio, visit(studio), song_id, alignment_id)
    held = []
    take = iter((lambda route: route.continue_(), held.append))
    # Before the page is opened: what it asks for in the moment after a route is made goes past it.
    desk.page.route("**/onsets", lambda route: next(take)(route))
    desk.open()
    desk.choose(0)
    desk.press("c")
    expect(desk.status).to_contain_text("1 change not saved")
    desk.page.evaluate("location.hash = '#/library'")
    expect(desk.page.get_by_role("heading", name="Library", level=1)).to_be_visible()
    desk.page.evaluate(f"location.hash = '#/songs/{desk.song_id}/edit'")
    while not held:
        desk.page.wait_for_timeout(50)
    desk.page.evaluate("location.hash = '#/library'")
    expect(desk.page.get_by_role("heading", name="Library", level=1)).to_be_visible()
    held[0].fulfill(json={"onsets_ms": []})
    desk.page.wait_for_timeout(500)
    expect(desk.page.get_by_role("dialog")).to_have_count(0)


def test_taking_neighbours_over_after_somebody_else_saved_loses_nothing(visit, working, made_song):
    song_id, alignment_id = working.add_aligned(made_song, made_song.truth)
    desk = Desk(working, visit(working, expected=["409"]), song_id, alignment_id).open()
    panel = desk.page.get_by_role("region", name="Fix the neighbours")
    desk.choose(2)
    desk.drag(2, 45, alt=True)
    moved = desk.field("Start").input_value()
    desk.press("f", "Enter")
    take = panel.get_by_role("button", name="Take them and save")
    expect(take).to_be_visible(timeout=JOB_MS)
    expect(panel.get_by_text("would move")).to_be_focused()
    desk.patch({"op": "confirm", "words": [9, 10]})
    take.click()
    dialog = desk.page.get_by_role("dialog", name="Somebody else saved meanwhile")
    dialog.get_by_role("button", name="Make my changes on theirs").click()
    expect(desk.status).to_contain_text("1 change not saved")
    desk.choose(2)
    expect(desk.field("Start")).to_have_value(moved)
    desk.save()
    assert desk.info()["corrected"] == [2, 9]


def test_the_neighbours_of_corrected_words_are_found_anew(visit, working, made_song):
    song_id, alignment_id = working.add_aligned(made_song, made_song.truth)
    desk = Desk(working, visit(working), song_id, alignment_id).open()
    panel = desk.page.get_by_role("region", name="Fix the neighbours")
    desk.choose(1)
    desk.press("f")
    expect(panel).to_contain_text("Set some words first")
    panel.get_by_role("button", name="Close").click()
    before = desk.words()
    desk.choose(2)
    desk.drag(2, 45, alt=True)  # half a second off: what stands next to it cannot stay
    desk.choose(0)
    desk.press("c")
    desk.press("f")
    expect(panel).to_contain_text("2 words that you have set stay in place")
    panel.get_by_role("button", name="The whole song").click()
    expect(panel).to_contain_text("would move", timeout=JOB_MS)
    assert desk.info()["version"] == 1  # a preview is only shown
    shadows = desk.page.locator(".ghost.other")
    expect(shadows.first).to_be_visible()
    panel.get_by_role("button", name="Leave all as it is").click()
    expect(panel).to_be_hidden()
    expect(shadows).to_have_count(0)
    expect(desk.status).to_contain_text("2 changes not saved")
    desk.press("f")
    panel.get_by_role("button", name="The whole song").click()
    panel.get_by_role("button", name="Take them and save").click(timeout=JOB_MS)
    expect(desk.status).to_contain_text("Version 2, corrected by hand", timeout=JOB_MS)
    expect(desk.status).not_to_contain_text("not saved")
    after = desk.words()
    assert desk.info()["corrected"] == [0, 2]
    assert after[0]["start_ms"] == before[0]["start_ms"]
    assert after[2]["start_ms"] > before[2]["start_ms"]
    desk.page.reload()
    expect(desk.word(2)).to_have_class(re.compile("corrected"))
    expect(desk.page.get_by_role("dialog")).to_have_count(0)
