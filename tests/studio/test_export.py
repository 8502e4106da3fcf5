"""From a file to karaoke and home with it: with a service that works, each step by the browser alone."""

from __future__ import annotations

import json
import re
import shutil
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

NAME = "Nobody – Night"  # of a file, by artist and title
JOB_MS = 180_000  # that a job may take on a machine with much else to do
LIT = """async (seconds) => {
  const audio = document.querySelector("audio");
  audio.currentTime = seconds;
  await new Promise((done) => audio.addEventListener("seeked", done, { once: true }));
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  const lit = document.querySelector(".word.lit");
  return lit && Number(lit.dataset.word);
}"""


def saved(page, press) -> tuple[str, bytes]:
    """Return name and content of what the browser saves."""
    with page.expect_download(timeout=JOB_MS) as waiting:
        press()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def test_a_song_goes_up_is_aligned_is_sung_and_goes_home(visit, working, made_song, tmp_path):
    page = visit(working).page
    page.goto(f"{working.url}/")
    words = tmp_path / "Nobody - Night.txt"
    words.write_text(made_song.lyrics, encoding="utf-8")
    page.get_by_label("Recordings").set_input_files([made_song.path, words])
    dialog = page.get_by_role("dialog", name="Add a song")
    expect(dialog.get_by_label("Words of the song")).to_have_value(made_song.lyrics)  # from the file of the same name
    dialog.get_by_label("Language").fill("en")
    dialog.get_by_role("button", name="Add and align").click()
    song = page.locator(".song")
    expect(song.get_by_text("Ready", exact=True)).to_be_visible(timeout=JOB_MS)
    expect(page.locator("#announcer")).to_have_text("Night by Nobody is ready")
    song.get_by_role("link", name="Play Night").click()
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 2")
    alignment_id = working.call("GET", "songs")["items"][0]["alignment"]["id"]
    alignment = working.call("GET", f"alignments/{alignment_id}?format=json")
    assert [word["text"] for word in alignment["words"]] == [word.text for word in made_song.truth.words]
    for i, word in enumerate(alignment["words"]):
        assert page.evaluate(LIT, (word["start_ms"] + word["end_ms"]) / 2000) == i
    page.get_by_role("link", name="Export").click()
    name, content = saved(page, page.get_by_role("link", name="Download Melisma JSON").click)
    assert (name, json.loads(content)) == (f"{NAME}.json", alignment)
    name, content = saved(page, page.get_by_role("link", name="Download LRC").click)
    assert name == f"{NAME}.lrc"
    sung = [line.partition("]")[2].strip() for line in content.decode().splitlines()]
    assert [line for line in sung if line] == [line for line in made_song.lyrics.splitlines() if line]
    name, content = saved(page, page.get_by_role("link", name="Download Karaoke page").click)
    assert name == f"{NAME}.html"
    assert content.startswith(b"<!DOCTYPE html>")


def test_every_format_of_the_service_is_offered(visit, studio, made_song):
    song_id, _ = studio.add_aligned(made_song, title="Night")
    page = visit(studio).page
    page.goto(f"{studio.url}/studio/#/songs/{song_id}/export")
    expect(page.get_by_role("heading", name="Files")).to_be_visible()
    names = page.locator("[data-format]").evaluate_all("(all) => all.map((one) => one.dataset.format)")
    assert sorted(names) == sorted(each["name"] for each in studio.call("GET", "formats")["formats"])
    for link in page.locator("[data-format] a").all():
        with urlopen(link.get_attribute("href"), timeout=JOB_MS / 1000) as answer:
            assert answer.status == 200
            assert "filename=" in answer.headers["content-disposition"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not on the path (apt install ffmpeg)")
def test_a_video_is_made_followed_and_taken_home(visit, working, made_song, tmp_path):
    from PIL import Image

    song_id, _ = aligned(working, made_song)
    page = visit(working).page
    page.goto(f"{working.url}/studio/#/songs/{song_id}/export")
    picture = tmp_path / "sea.png"
    Image.new("RGB", (400, 300), (10, 60, 120)).save(picture)
    page.get_by_label("Kind").select_option("webm")
    page.get_by_label("Size", exact=True).select_option("854x480")
    page.get_by_label("Frame rate").select_option("24")
    page.get_by_label("Sung", exact=True).fill("#00ff00")
    page.get_by_label("Picture behind the words").set_input_files(picture)
    page.get_by_role("button", name="Make the video").click()
    expect(page.get_by_role("progressbar", name="The video")).to_be_visible()
    link = page.get_by_role("link", name="Download the video")
    expect(link).to_be_visible(timeout=JOB_MS)
    name, content = saved(page, link.click)
    assert name == "Nobody - Night.webm"
    assert content[:4] == b"\x1aE\xdf\xa3"  # EBML
    request = working.call("GET", "jobs")["items"][0]
    assert request["kind"] == "video"
    page.reload()
    videos = page.get_by_role("link", name=re.compile("^WEBM, "))
    expect(videos).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Delete WEBM")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(videos).to_have_count(0)


def test_a_video_that_cannot_be_is_refused_in_a_sentence(visit, studio, made_song, tmp_path):
    song_id, _ = studio.add_aligned(made_song, title="Night")
    page = visit(studio, expected=["status of 415", "status of 422"]).page
    page.goto(f"{studio.url}/studio/#/songs/{song_id}/export")
    bad = tmp_path / "sea.png"
    bad.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    page.get_by_label("Picture behind the words").set_input_files(bad)
    page.get_by_role("button", name="Make the video").click()
    expect(page.get_by_role("alert")).to_contain_text("The picture is neither PNG nor JPEG nor WebP")
    expect(page.get_by_role("button", name="Make the video")).to_be_enabled()


def aligned(studio, made) -> tuple[str, str]:
    """Upload a song and have it aligned; return its id and its alignment's."""
    song = studio.add_song(made, title="Night", artist="Nobody", lyrics=made.lyrics)
    job = studio.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": made.lyrics}, "language": "en"})
    with urlopen(f"{studio.url}/v1/jobs/{job['id']}/events", timeout=JOB_MS / 1000) as events:
        said = events.read().decode()
    assert "event: end" in said
    assert studio.call("GET", f"jobs/{job['id']}")["state"] == "done"
    return song["id"], job["alignment_id"]
