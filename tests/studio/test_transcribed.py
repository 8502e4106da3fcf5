"""A recording without words: it is written down by a model that is chosen, and the player lights what was heard."""

from __future__ import annotations

import pytest
import soundfile
from playwright.sync_api import expect

import transcription_server as fake

JOB_MS = 180_000  # that a job may take on a machine with much else to do
LIT = """async (seconds) => {
  const audio = document.querySelector("audio");
  audio.pause();
  audio.currentTime = seconds;
  await new Promise((done) => audio.addEventListener("seeked", done, { once: true }));
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
  return document.querySelector(".word.lit")?.textContent.trim() ?? null;
}"""


@pytest.fixture
def tones(tmp_path):
    heard, truth = fake.recording(12.0, seed=6)
    path = tmp_path / "tones.wav"
    soundfile.write(path, heard.samples, heard.sample_rate)
    return path, truth


def test_what_is_heard_is_lit_in_the_player(visit, tone_server, working, tones):
    path, truth = tones
    page = visit(working).page
    page.goto(f"{working.url}/")
    page.get_by_label("Recordings").set_input_files(path)
    dialog = page.get_by_role("dialog", name="Add a song")
    dialog.get_by_label("I have none").check()
    dialog.get_by_label("Engine").select_option("openai_http")
    dialog.get_by_role("button", name="Add and align").click()
    play = page.locator(".song").get_by_role("link", name="Play tones", exact=True).last
    expect(play).to_be_visible(timeout=JOB_MS)
    jobs = working.call("GET", "jobs")["items"]
    assert [(each["kind"], each["state"]) for each in jobs] == [("transcribe", "done")]
    play.click()
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 2")
    for tone in truth:
        assert page.evaluate(LIT, (tone.start_s + tone.end_s) / 2) == tone.text


def test_what_fails_can_be_tried_again(visit, tone_server, working, tones):
    tone_server.script.extend([lambda handler, asked: handler.send(401)] * 30)
    page = visit(working).page
    page.goto(f"{working.url}/")
    page.get_by_label("Recordings").set_input_files(tones[0])
    dialog = page.get_by_role("dialog", name="Add a song")
    dialog.get_by_label("I have none").check()
    dialog.get_by_label("Engine").select_option("openai_http")
    dialog.get_by_role("button", name="Add and align").click()
    song = page.locator(".song")
    expect(song.get_by_text("The recording could not be written down.")).to_be_visible(timeout=JOB_MS)
    tone_server.script.clear()
    song.get_by_role("button", name="Try again…").click()
    again = page.get_by_role("dialog", name="Align tones")
    again.get_by_label("I have none").check()
    again.get_by_label("Engine").select_option("openai_http")
    again.get_by_role("button", name="Align", exact=True).click()
    expect(song.get_by_role("link", name="Play tones", exact=True).last).to_be_visible(timeout=JOB_MS)
