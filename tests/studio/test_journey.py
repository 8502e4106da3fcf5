"""One song from its file to karaoke and out again, by the browser alone, on processes as people start them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from melisma.core.errors import InputError
from melisma.formats.load import load

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from programs import MELISMA, PATIENCE_S, Program, Service, Worker, ended
from whole_service import MadeSong, Studio, truth_of

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the path (apt install ffmpeg)")

LINES = ("the night is young", "we sing along", "the lights are low", "come home with me")
JOB_MS = 1000 * PATIENCE_S
FIRST, SECOND = 4, 7  # the first words of the second and the third line, which are dragged
EARLIER_MS, LINE_EARLIER_MS = 90, 260  # by about so much: a drag goes by whole pixels
EXACT_MS = 10  # LRC and its kin count hundredths of a second, UltraStar beats


class Whole(Service):
    """`melisma serve` in its default form: it does its jobs itself."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        Program.__init__(self, ("serve", "--port", "0"), environ, log)


@dataclass(frozen=True)
class Place:
    """Where a service runs, where it keeps its files, and the settings of its processes."""

    url: str
    data: Path
    environ: dict[str, str]


@pytest.fixture(params=["one process on SQLite", "service and worker on PostgreSQL and Redis"])
def place(request, tmp_path):
    """A service that was started by its commands."""
    data = tmp_path / "data"
    environ = {"MELISMA_DATA_DIR": str(data), "MELISMA_CACHE_URL": f"sqlite:///{tmp_path}/cache.sqlite"}
    environ |= {"MELISMA_STATE_DIR": str(tmp_path / "state"), "MELISMA_LOG": "json"}
    if request.param.startswith("one"):
        service = Whole(environ, tmp_path / "service.log")
        with ended(service):
            yield Place(service.address, data, environ)
        return
    postgres, redis = request.getfixturevalue("postgres"), request.getfixturevalue("redis_url")
    environ |= {"MELISMA_DATABASE_URL": postgres.new("served"), "MELISMA_CACHE_URL": postgres.new("migrated")}
    environ |= {"MELISMA_QUEUE_REDIS_URL": redis, "MELISMA_REDIS_URL": redis}
    service = Service(environ, tmp_path / "service.log")
    worker = Worker(environ, tmp_path / "worker.log")
    with ended(service, worker):
        worker.ready()
        yield Place(service.address, data, environ)


@pytest.fixture(scope="module")
def song(tmp_path_factory) -> MadeSong:
    """A song of four lines and 22 seconds whose every time is known, as FLAC."""
    import soundfile

    from melisma.synth.score import CLOCK, SongConfig
    from melisma.synth.songs import make_song

    made = make_song(SongConfig("en", LINES, tempo_bpm=110.0, seed=3, intro_bars=1, break_bars=1))
    path = tmp_path_factory.mktemp("journey") / "Nobody - Night.flac"
    soundfile.write(path, made.stereo, made.sample_rate, subtype="PCM_16")
    return MadeSong(path, made.lyrics, truth_of(made.words, LINES, len(made.stereo), CLOCK, "en"))


@pytest.fixture
def studio(place):
    """The service as the browser's fixtures know one; its pages are closed before it ends."""
    found = Studio(place.url, None)
    yield found
    for visitor in found.visitors:
        with contextlib.suppress(Exception):
            visitor.close()


DROP = """async (files) => {
  const transfer = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    window.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, cancelable: true }));
  }
}"""
# Keeps what a song's card says of its job, whenever it says something else.
WATCH = """() => {
  window.told = [];
  const look = () => {
    const bar = document.querySelector(".song progress");
    const line = document.querySelector(".song .progress-line");
    if (!bar || !line) return;
    const now = [line.firstChild.textContent, bar.hasAttribute("value") ? bar.value : null];
    if (String(now) !== String(told.at(-1))) told.push(now);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true,
    characterData: true });
}"""
# What is painted for the very moment at which the sound stands.
LIT = """async (seconds) => {
  const audio = document.querySelector("audio");
  audio.pause();
  audio.currentTime = seconds;
  await new Promise((done) => audio.addEventListener("seeked", done, { once: true }));
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  const lit = document.querySelector(".word.lit");
  return { ms: 1000 * audio.currentTime, word: lit && Number(lit.dataset.word),
    share: lit && Number(getComputedStyle(lit).getPropertyValue("--sung-share")) };
}"""
# What is painted while it plays, with the sound's time before and after each look.
PLAYED = """async (n) => {
  const audio = document.querySelector("audio");
  const seen = [];
  while (seen.length < n && !audio.ended) {
    const before = audio.currentTime;
    await new Promise(requestAnimationFrame);
    const lit = document.querySelector(".word.lit");
    if (!audio.paused && lit) {
      const share = Number(getComputedStyle(lit).getPropertyValue("--sung-share"));
      seen.push([1000 * before, Number(lit.dataset.word), share, 1000 * audio.currentTime]);
    }
  }
  return seen;
}"""


def test_a_song_is_dropped_sung_corrected_taken_home_and_deleted(visit, studio, place, song, tmp_path):
    page = visit(studio).page
    drop(page, studio, song)
    found = studio.call("GET", "songs")["items"][0]
    alignment_id, aligned = found["alignment"]["id"], alignment_of(studio, found["alignment"]["id"])
    close_to_truth(aligned, song, range(len(aligned["words"])))
    sing(page, aligned)
    moved = correct(page, studio, found["id"], alignment_id)
    assert by_command(place, song, tmp_path)["words"] == moved["words"]  # from the cache, as it was corrected
    fixed = fix(page, studio, alignment_id, song)
    take_home(page, studio, place, fixed, tmp_path)
    delete(page, studio, place, found["id"])
    again = by_command(place, song, tmp_path)
    assert again["words"] == aligned["words"]  # what was corrected is forgotten with the song


def drop(page: Page, studio: Studio, song: MadeSong) -> None:
    """Drop a recording and its lyrics on the library, and follow the job until the song is ready."""
    page.goto(f"{studio.url}/")
    expect(page.get_by_role("heading", name="Nothing to sing yet")).to_be_visible()
    page.evaluate(WATCH)
    text = base64.b64encode(song.lyrics.encode()).decode()
    sound = base64.b64encode(song.path.read_bytes()).decode()
    files = [[song.path.name, "audio/flac", sound], [f"{song.path.stem}.txt", "text/plain", text]]
    page.evaluate(DROP, files)
    dialog = page.get_by_role("dialog", name="Add a song")
    expect(dialog.get_by_label("Words of the song")).to_have_value(song.lyrics)
    dialog.get_by_label("Language").fill("en")
    dialog.get_by_role("button", name="Add and align").click()
    expect(page.locator(".song").get_by_text("Ready", exact=True)).to_be_visible(timeout=JOB_MS)
    told = page.evaluate("told")
    percents = [percent for _, percent in told if percent is not None]
    assert percents == sorted(percents), told
    assert told  # at least that it works: where nothing else runs, a short song is done before there is more to say


def alignment_of(studio: Studio, alignment_id: str) -> dict[str, Any]:
    return studio.call("GET", f"alignments/{alignment_id}?format=json")


def close_to_truth(alignment: dict[str, Any], song: MadeSong, words: range) -> None:
    """Compare the starts of words with when they truly sound."""
    assert [word["text"] for word in alignment["words"]] == [word.text for word in song.truth.words]
    off = [abs(alignment["words"][i]["start_ms"] - song.truth.words[i].start_ms) for i in words]
    assert statistics.median(off) < 80, off
    assert max(off) < 300, off


def sing(page: Page, aligned: dict[str, Any]) -> None:
    """Play the song: what is lit and how far it is filled is what the alignment says for the audio element's clock."""
    page.get_by_role("link", name="Play Night").click()
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 2")
    words = aligned["words"]
    for i, share in ((0, 0.2), (3, 0.5), (6, 0.9), (9, 0.4), (len(words) - 1, 0.7)):
        start, end = words[i]["start_ms"], words[i]["end_ms"]
        lit = page.evaluate(LIT, (start + share * (end - start)) / 1000)
        assert lit["word"] == i
        assert lit["share"] == pytest.approx((lit["ms"] - start) / (end - start), abs=0.01)
    assert page.evaluate(LIT, words[0]["start_ms"] / 2000)["word"] is None
    page.evaluate(LIT, words[3]["start_ms"] / 1000)
    page.keyboard.press("Space")
    page.wait_for_function("() => !document.querySelector('audio').paused")
    seen = page.evaluate(PLAYED, 30)
    page.keyboard.press("Space")
    assert seen[-1][3] > seen[0][0]
    for before, i, share, after in seen:
        start, end = words[i]["start_ms"], words[i]["end_ms"]
        painted = start + share * (end - start)  # the moment that it was painted for
        # The clock of an audio element runs on while a page reads it, and is corrected now and then.
        assert before - 50 <= painted <= after + 50 or (share == 1 and before >= end - 50), (before, i, share, after)


def correct(page: Page, studio: Studio, song_id: str, alignment_id: str) -> dict[str, Any]:
    """Drag one word by mouse, save, and load the page anew; return what the service has then."""
    before = alignment_of(studio, alignment_id)
    page.get_by_role("link", name=re.compile("^Edit")).click()
    expect(page.locator('.word[data-word="0"]')).to_be_visible()
    by_ms = drag(page, FIRST, -EARLIER_MS, before["duration_ms"])
    expect(page.locator(".ed-status")).to_contain_text("1 change not saved")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".ed-status")).to_contain_text("Version 2, corrected by hand")
    page.reload()
    expect(page.locator(f'.word[data-word="{FIRST}"]')).to_have_class(re.compile("corrected"))
    expect(page.locator(".ed-status")).to_contain_text("Version 2, corrected by hand")
    after = alignment_of(studio, alignment_id)
    for edge in ("start_ms", "end_ms"):
        assert after["words"][FIRST][edge] == pytest.approx(before["words"][FIRST][edge] + by_ms, abs=1)
    others = [i for i in range(len(before["words"])) if i != FIRST]
    assert [after["words"][i] for i in others] == [before["words"][i] for i in others]
    info = studio.call("GET", f"alignments/{alignment_id}/info")
    assert (info["version"], info["source"], info["corrected"]) == (2, "user_corrected", [FIRST])
    page.locator(f'.ed-lyric[data-word="{FIRST}"]').click()
    start = after["words"][FIRST]["start_ms"]
    shown = page.get_by_label("Selected word").get_by_label("Start", exact=True)
    expect(shown).to_have_value(f"{start // 60_000}:{start % 60_000 / 1000:06.3f}")
    return after


def drag(page: Page, word: int, by_ms: float, duration_ms: int) -> float:
    """Drag a word by whole pixels, without snapping to onsets; return by how many milliseconds that is."""
    page.locator(f'.ed-lyric[data-word="{word}"]').click()
    element = page.locator(f'.word[data-word="{word}"]')
    expect(element).to_have_attribute("aria-selected", "true")
    element.scroll_into_view_if_needed()
    width = page.evaluate(
        "document.querySelector('.ed-timeline > div').shadowRoot.querySelector('.wrapper').clientWidth"
    )
    box = element.bounding_box()
    assert box is not None
    x, y = round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)
    pixels = round(by_ms * width / duration_ms)
    page.mouse.move(x, y)
    page.mouse.down()
    page.keyboard.down("Alt")
    page.mouse.move(x + pixels // 2, y)
    page.mouse.move(x + pixels, y)
    page.mouse.up()
    page.keyboard.up("Alt")
    return pixels * duration_ms / width


def by_command(place: Place, song: MadeSong, tmp_path: Path) -> dict[str, Any]:
    """Align the same recording and lyrics on the command line, with the cache of the service."""
    lyrics, out = tmp_path / "lyrics.txt", tmp_path / "out.json"
    lyrics.write_text(song.lyrics, encoding="utf-8")
    command = [*MELISMA, "align", str(song.path), str(lyrics), "--language", "en", "-o", str(out), "--quiet"]
    subprocess.run(command, env={**os.environ, **place.environ}, check=True, timeout=PATIENCE_S)
    return json.loads(out.read_text(encoding="utf-8"))


def fix(page: Page, studio: Studio, alignment_id: str, song: MadeSong) -> dict[str, Any]:
    """Drag a whole line off its place, and have all of it but the word in hand found anew; return what is saved."""
    before = alignment_of(studio, alignment_id)
    page.get_by_label("What goes along with a word that is moved").select_option("line")
    by_ms = drag(page, SECOND, -LINE_EARLIER_MS, before["duration_ms"])
    panel = page.get_by_role("region", name="Fix the neighbours")
    page.get_by_role("button", name="Fix the neighbours").click()
    panel.get_by_role("button", name="The whole song").click()
    expect(panel).to_contain_text("would move", timeout=JOB_MS)
    assert studio.call("GET", f"alignments/{alignment_id}/info")["version"] == 2  # it is only shown
    panel.get_by_role("button", name="Take them and save").click()
    expect(page.locator(".ed-status")).to_contain_text("Version 3, corrected by hand", timeout=JOB_MS)
    after = alignment_of(studio, alignment_id)
    assert after["words"][FIRST] == before["words"][FIRST]
    assert after["words"][SECOND]["start_ms"] == pytest.approx(before["words"][SECOND]["start_ms"] + by_ms, abs=1)
    assert studio.call("GET", f"alignments/{alignment_id}/info")["corrected"] == [FIRST, SECOND]
    close_to_truth(after, song, range(SECOND + 1, len(LINES[2].split()) + SECOND))  # no longer dragged along
    return after


def take_home(page: Page, studio: Studio, place: Place, fixed: dict[str, Any], tmp_path: Path) -> None:
    """Save every format and a video by clicking; read what was saved."""
    page.get_by_role("link", name="Export").first.click()
    expect(page.get_by_role("heading", name="Files")).to_be_visible()
    formats = [each["name"] for each in studio.call("GET", "formats")["formats"]]
    for n, name in enumerate(formats):
        if n % 8 == 7:
            page.reload()  # without a window, Chromium lets a page save ten files and asks nobody for more
        path = saved(page, page.locator(f'[data-format="{name}"]').get_by_role("link"), tmp_path / name)
        assert firsts(path, name) == pytest.approx(
            [fixed["words"][i]["start_ms"] for i in (FIRST, SECOND)], abs=EXACT_MS
        )
    page.reload()
    for value in ("webm", "854x480", "24"):  # small, with few pictures
        page.locator("select").filter(has=page.locator(f'option[value="{value}"]')).select_option(value)
    page.get_by_role("button", name=re.compile("^Make the ")).click()
    link = page.get_by_role("link", name=re.compile("^Download the "))
    expect(link).to_be_visible(timeout=3 * JOB_MS)
    video = saved(page, link, tmp_path / "video")
    probe = ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format=duration:stream=codec_type", str(video)]
    said = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)
    assert float(said["format"]["duration"]) == pytest.approx(fixed["duration_ms"] / 1000, abs=0.1)
    assert sorted(stream["codec_type"] for stream in said["streams"]) == ["audio", "video"]


def saved(page: Page, link: Any, folder: Path) -> Path:
    """Click on a link and return the file that the browser saves, under the name that it proposes."""
    with page.expect_download(timeout=JOB_MS) as waiting:
        link.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def firsts(path: Path, name: str) -> list[int]:
    """Read a file of a format; return when its second and its third line begin, in milliseconds."""
    if name == "html":
        page = path.read_text("ascii")
        song = json.loads(re.search(r'<script type="application/json" id="song">(.+?)</script>', page, re.S)[1])
        return [song["lines"][n]["words"][0][1] for n in (1, 2)]
    try:
        alignment = load(path, name)
    except InputError as error:
        pytest.fail(f"{name}: {error}")
    return [alignment.words[alignment.lines[n].first].start_ms for n in (1, 2)]


def delete(page: Page, studio: Studio, place: Place, song_id: str) -> None:
    """Delete the song; nothing of it is left in the data folder but an empty database."""
    assert recordings(place)
    page.get_by_role("link", name="Library").first.click()
    page.get_by_role("button", name="Delete Night").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Nothing to sing yet")).to_be_visible()
    assert recordings(place) == []
    assert studio.call("GET", "songs")["items"] == []


def recordings(place: Place) -> list[Path]:
    """Return the recordings and videos on the service's disk, told by what they begin with."""
    files = [path for path in place.data.rglob("*") if path.is_file()]
    return [path for path in files if path.read_bytes()[:4] in (b"fLaC", b"\x1aE\xdf\xa3", b"RIFF", b"OggS")]
