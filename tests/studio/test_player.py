"""The player: at every moment the word that is lit is the one that the alignment's JSON has there."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from melisma.core.records import BACKING, Repeat

# Where the sound stands, held against what is painted for that very moment.
LIT = """async (seconds) => {
  const audio = document.querySelector("audio");
  audio.pause();
  audio.currentTime = seconds;
  await new Promise((done) => audio.addEventListener("seeked", done, { once: true }));
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  const lit = document.querySelector(".word.lit");
  const share = lit && Number(getComputedStyle(lit).getPropertyValue("--sung-share"));
  return { time: audio.currentTime, index: lit && Number(lit.dataset.word), share,
    sung: [...document.querySelectorAll(".word.sung")].map((word) => Number(word.dataset.word)) };
}"""
READY = "() => document.querySelector('audio').readyState >= 2"


def open_player(visit, studio, song_id, **options):
    page = visit(studio, **options).page
    page.goto(f"{studio.url}/studio/#/songs/{song_id}/play")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_function(READY)
    return page


@pytest.fixture
def song(studio, made_song):
    """A song that is aligned, and its JSON as the service gives it."""
    song_id, alignment_id = studio.add_aligned(made_song, title="Night", artist="Nobody")
    return song_id, studio.call("GET", f"alignments/{alignment_id}?format=json")


def test_the_right_word_is_lit_and_filled_at_every_time(visit, studio, song):
    song_id, alignment = song
    page = open_player(visit, studio, song_id)
    for i, word in enumerate(alignment["words"]):
        for share in (0.1, 0.5, 0.9):
            wanted = (word["start_ms"] + share * (word["end_ms"] - word["start_ms"])) / 1000
            found = page.evaluate(LIT, wanted)
            assert found["index"] == i, (found, word)
            exact = (1000 * found["time"] - word["start_ms"]) / (word["end_ms"] - word["start_ms"])
            assert found["share"] == pytest.approx(exact, abs=0.01)
            assert found["sung"] == list(range(i))
    before, after = alignment["words"][0], alignment["words"][-1]
    assert page.evaluate(LIT, before["start_ms"] / 1000 - 0.2)["index"] is None
    assert page.evaluate(LIT, after["end_ms"] / 1000 + 0.2)["sung"] == list(range(len(alignment["words"])))


def test_while_it_plays_words_follow_the_sound_at_any_speed(visit, studio, song):
    song_id, alignment = song
    page = open_player(visit, studio, song_id)
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert page.evaluate("document.querySelector('audio').playbackRate") == pytest.approx(1.2)
    assert page.evaluate("document.querySelector('audio').preservesPitch") is True
    page.evaluate("document.querySelector('audio').currentTime = %f" % (alignment["words"][0]["start_ms"] / 1000))
    page.keyboard.press("Space")
    seen = page.evaluate(
        """async (n) => {
          const audio = document.querySelector("audio");
          const seen = [];
          while (seen.length < n && !audio.ended) {
            const before = audio.currentTime;
            await new Promise(requestAnimationFrame);
            const lit = document.querySelector(".word.lit");
            if (!audio.paused && lit) seen.push([before, Number(lit.dataset.word), audio.currentTime]);
          }
          return seen;
        }""",
        40,
    )
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('audio').paused")
    assert seen[-1][2] > seen[0][0]
    for before, index, after in seen:
        word = alignment["words"][index]
        # What is painted is for a moment between the frame before, which a busy machine puts off, and this one.
        assert word["start_ms"] - 1 <= 1000 * after, (before, index, after)
        assert 1000 * before <= word["end_ms"] + 300, (before, index, after)


def test_keys_move_through_the_song(visit, studio, song):
    song_id, alignment = song
    page = open_player(visit, studio, song_id)

    def now():
        return page.evaluate("document.querySelector('audio').currentTime")

    starts = [line["start_ms"] / 1000 for line in alignment["lines"]]
    page.keyboard.press("ArrowDown")
    assert now() == pytest.approx(starts[0], abs=0.01)
    page.keyboard.press("ArrowDown")
    assert now() == pytest.approx(starts[1], abs=0.01)
    page.keyboard.press("ArrowUp")
    assert now() == pytest.approx(starts[0], abs=0.01)
    page.keyboard.press("Shift+ArrowRight")
    assert now() == pytest.approx(alignment["words"][1]["start_ms"] / 1000, abs=0.01)
    page.keyboard.press("ArrowRight")
    assert now() == pytest.approx(alignment["words"][1]["start_ms"] / 1000 + 5, abs=0.01)
    page.keyboard.press("Home")
    assert now() == 0
    for _ in range(8):
        page.keyboard.press("-")
    assert page.evaluate("document.querySelector('audio').playbackRate") == 0.5
    expect(page.get_by_role("button", name="Slower")).to_be_disabled()
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Sing along")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("[data-word='5']").click()
    assert now() == pytest.approx(alignment["words"][5]["start_ms"] / 1000, abs=0.01)


def test_f_fills_the_screen_and_gives_it_back(visit, studio, song):
    page = open_player(visit, studio, song[0])
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement !== null")
    expect(page.get_by_role("banner")).to_be_hidden()
    page.keyboard.press("f")
    page.wait_for_function("() => document.fullscreenElement === null")
    expect(page.get_by_role("banner")).to_be_visible()


def test_a_gap_is_counted_in_by_three_dots(visit, studio, song):
    song_id, alignment = song
    page = open_player(visit, studio, song_id)
    start = alignment["lines"][2]["start_ms"] / 1000
    assert start - alignment["lines"][1]["end_ms"] / 1000 > 4  # the song has a gap there
    sizes = {}
    for left in (6, 2.5, 0.5):
        page.evaluate(LIT, start - left)
        dots = page.locator(".count-in.counting i")
        sizes[left] = [dots.nth(i).evaluate("(dot) => Number(dot.style.getPropertyValue('--size'))") for i in range(3)]
        assert dots.count() == 3
    assert sizes[6] == [1, 1, 1]
    assert sizes[2.5] == pytest.approx([1, 1, 0.5], abs=0.02)
    assert sizes[0.5] == pytest.approx([0.5, 0, 0], abs=0.02)
    page.evaluate(LIT, start + 0.05)
    expect(page.locator(".count-in.counting")).to_have_count(0)
    assert page.locator(".line[aria-current]").text_content() == alignment["lines"][2]["text"]
    near = page.locator(".line.near").text_content()
    assert near == alignment["lines"][3]["text"]  # the next line is there to be read


def test_backing_voices_stand_on_their_own_line_and_unsung_words_are_dimmed(visit, studio, made_song):
    truth = made_song.truth
    words = list(truth.words)
    words[3] = replace(words[3], text="(young)", start=words[1].start, end=words[2].start, voice=BACKING)
    words[6] = replace(words[6], start=None, end=None, confidence=None)
    alignment = replace(truth, words=tuple(words))
    alignment.check()
    song_id, _ = studio.add_aligned(made_song, alignment, title="Night")
    page = open_player(visit, studio, song_id)
    lines = page.locator(".line")
    assert lines.all_text_contents()[:3] == ["the night is", "(young)", "we sing along"]
    backing = page.locator(".line.backing")
    expect(backing).to_have_count(1)
    page.evaluate(LIT, (words[1].start_ms + words[1].end_ms) / 2000)
    assert "sounding" in backing.get_attribute("class")
    filling = page.locator(".word.filling").evaluate_all("(all) => all.map((word) => Number(word.dataset.word))")
    assert sorted(filling) == [1, 3]  # both voices at once, each filled
    assert page.locator(".word.lit").text_content() == words[1].text  # the lead leads
    expect(page.locator(".word.unsung")).to_have_text(words[6].text)


def test_lines_that_are_sung_again_come_again(visit, studio, made_song):
    truth = made_song.truth
    end = truth.words[6].end
    gap = (truth.words[7].start - end) // 4
    alignment = replace(truth, repeats=(Repeat(0, 2, end + gap, end + 3 * gap),))
    alignment.check()
    song_id, _ = studio.add_aligned(made_song, alignment, title="Night")
    page = open_player(visit, studio, song_id)
    texts = ["the night is young", "we sing along"]
    again = page.locator(".line.again")
    assert again.all_text_contents() == texts
    assert page.locator(".line").all_text_contents()[2:4] == texts
    rate = truth.timebase.sample_rate
    page.evaluate(LIT, (end + gap) / rate + 0.05)
    assert again.nth(0).evaluate("(line) => line.matches('.sounding[aria-current]')")
    page.evaluate(LIT, (end + 3 * gap) / rate - 0.05)
    assert again.nth(1).evaluate("(line) => line.matches('.sounding[aria-current]')")
    page.evaluate(LIT, (end + 3 * gap) / rate + 0.05)
    expect(page.locator(".line.sounding")).to_have_count(0)


def test_with_little_motion_words_are_lit_whole(visit, studio, song):
    song_id, alignment = song
    page = open_player(visit, studio, song_id, reduced_motion="reduce")
    word = alignment["words"][1]
    page.evaluate(LIT, (word["start_ms"] + word["end_ms"]) / 2000)
    assert page.locator(".word.lit").evaluate("(word) => getComputedStyle(word).backgroundImage") == "none"
    assert page.locator(".line").first.evaluate("(line) => getComputedStyle(line).transitionDuration") in (
        "0s",
        "0s, 0s",
    )


def test_nothing_is_offered_that_is_not_there(visit, studio, song):
    page = open_player(visit, studio, song[0])
    assert page.get_by_text("transpose").count() == 0
    expect(page.get_by_role("slider", name="Voice")).to_have_count(0)
    expect(page.get_by_role("slider", name="Volume")).to_have_count(1)


def test_leaving_stops_the_sound(visit, studio, song):
    page = open_player(visit, studio, song[0])
    handle = page.evaluate_handle("document.querySelector('audio')")
    page.keyboard.press("Space")
    page.wait_for_function("(audio) => !audio.paused", arg=handle)
    page.get_by_role("link", name="Back to the library").click()
    expect(page.get_by_role("heading", name="Library")).to_be_focused()
    assert handle.evaluate("(audio) => audio.paused")


@pytest.fixture
def separated(studio, song, made_song, tmp_path):
    """The song with stems, kept as a job that is done keeps them: the voice in the middle, the rest around it."""
    import soundfile

    from melisma.server.workplace import copied
    from melisma.store.service import exports
    from melisma.store.service.exports import Made

    samples, rate = soundfile.read(made_song.path, dtype="float32")
    middle = samples.mean(axis=1, keepdims=True).repeat(2, axis=1)
    for kind, part in (("vocals", middle), ("instrumental", samples - middle)):
        path = tmp_path / f"{kind}.flac"
        soundfile.write(path, part, rate, subtype="PCM_16")
        with copied(studio.context, path) as file, studio.context.database.begin() as session:
            made = Made(song[0], kind, file.stored(".flac"), "audio/flac", ".flac")
            exports.keep(session, uuid.uuid4().hex, made, file)
    return song


HEARD = """() => {
  const [clock, voice] = document.querySelectorAll("audio");
  return { apart: Math.abs(clock.currentTime - voice.currentTime), volumes: [clock.volume, voice.volume],
    paused: [clock.paused, voice.paused], muted: [clock.muted, voice.muted], rate: voice.playbackRate };
}"""
TOGETHER = "() => [...document.querySelectorAll('audio')].every((one) => one.readyState >= 3 && !one.seeking)"
BOTH_PLAY = "() => [...document.querySelectorAll('audio')].every((one) => !one.paused && one.currentTime > 6)"


def test_voice_and_music_have_volumes_of_their_own_and_stay_together(visit, studio, separated):
    song_id, alignment = separated
    page = open_player(visit, studio, song_id)
    page.wait_for_function(TOGETHER)
    voice, music = page.get_by_role("slider", name="Voice"), page.get_by_role("slider", name="Music")
    voice.fill("0.25")
    music.fill("0.8")
    assert page.evaluate(HEARD)["volumes"] == [0.8, 0.25]
    page.evaluate("document.querySelector('audio').currentTime = 5.5")
    page.keyboard.press("-")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("Space")
    page.wait_for_function(BOTH_PLAY)
    # A machine with much else to do holds either back for a while; they have to find together again.
    page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('audio');"
        " return Math.abs(a.currentTime - b.currentTime) < 0.06; }"
    )
    heard = page.evaluate(HEARD)
    assert heard["rate"] == pytest.approx(0.9, rel=0.06)
    page.keyboard.press("m")
    assert page.evaluate(HEARD)["muted"] == [True, True]
    page.keyboard.press("Space")
    page.wait_for_function("() => [...document.querySelectorAll('audio')].every((one) => one.paused)")
    word = alignment["words"][3]
    assert page.evaluate(LIT, (word["start_ms"] + word["end_ms"]) / 2000)["index"] == 3
    page.wait_for_function(TOGETHER)
    page.wait_for_function(f"() => ({HEARD})().apart < 0.05")


def test_a_song_has_the_colours_of_its_karaoke_page(visit, studio, song):
    from melisma.formats.karaoke import _HUES

    page = open_player(visit, studio, song[0])
    style = "() => ['--hue', '--mood'].map((name) => Number(document.documentElement.style.getPropertyValue(name)))"
    assert tuple(page.evaluate(style)) == _HUES[zlib.crc32(b"Night") % len(_HUES)]
    titles = ["", "Night", "Ödýr – ça", "夜に駆ける", "🎤" * 40]
    crc32 = "async (all) => { const { crc32 } = await import('./js/player/hues.js'); return all.map(crc32); }"
    told = page.evaluate(crc32, titles)
    assert told == [zlib.crc32(title.encode()) for title in titles]
