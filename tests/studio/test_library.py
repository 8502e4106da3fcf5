"""The library: songs are found, added, followed, named and deleted, as a person does it."""

from __future__ import annotations

import re

from playwright.sync_api import expect


def open_library(visit, studio, **options):
    found = visit(studio, **options)
    found.page.goto(f"{studio.url}/")
    expect(found.page.get_by_role("heading", name="Library", level=1)).to_be_focused()
    return found.page


def test_the_root_shows_the_library_and_says_what_to_do(visit, studio):
    page = open_library(visit, studio)
    assert page.url == f"{studio.url}/studio/#/library"
    expect(page).to_have_title("Library · Melisma Studio")
    expect(page.get_by_role("heading", name="Nothing to sing yet")).to_be_visible()
    expect(page.get_by_role("link", name="Library", exact=True)).to_have_attribute("aria-current", "page")


def test_songs_are_found_by_name_and_by_state(visit, studio, made_song):
    studio.add_aligned(made_song, title="Night <b>song</b>", artist="Nobody & Co")
    page = open_library(visit, studio)
    song = page.locator(".song")
    expect(song).to_have_count(1)
    expect(song.get_by_role("heading")).to_have_text("Night <b>song</b>")  # as text, never as markup
    expect(song).to_contain_text("Nobody & Co")
    expect(song.get_by_role("link", name="Play Night <b>song</b>")).to_be_visible()
    page.get_by_label("Search").fill("no such song")
    expect(page.get_by_role("heading", name="No song like that")).to_be_visible()
    page.get_by_role("button", name="Show all songs").click()
    expect(song).to_have_count(1)
    page.get_by_label("Show", exact=True).select_option("new")
    expect(song).to_have_count(0)
    page.get_by_label("Show", exact=True).select_option("ready")
    expect(song).to_have_count(1)


def test_a_song_is_added_with_its_words_and_waits_its_turn(visit, studio, made_song):
    page = open_library(visit, studio)
    page.get_by_label("Recordings").set_input_files(made_song.path)
    dialog = page.get_by_role("dialog", name="Add a song")
    expect(dialog.get_by_label("Title", exact=True)).to_have_value("Night")
    expect(dialog.get_by_label("Artist", exact=True)).to_have_value("Nobody")
    dialog.get_by_label("I have the words").check()
    dialog.get_by_role("button", name="Add and align").click()
    expect(dialog.get_by_role("alert")).to_contain_text("paste the words")
    dialog.get_by_label("Words of the song").fill(made_song.lyrics)
    dialog.get_by_role("button", name="Add and align").click()
    song = page.locator(".song")
    expect(song.get_by_role("heading")).to_have_text("Night")
    expect(song.get_by_role("progressbar")).to_be_visible()
    expect(song).to_contain_text("Waiting its turn")
    found = studio.call("GET", "songs")["items"]
    assert [(each["title"], each["artist"], each["job"]["state"]) for each in found] == [("Night", "Nobody", "queued")]
    song.get_by_role("button", name=re.compile("Cancel")).click()
    expect(song.get_by_text("Not aligned yet")).to_be_visible()
    expect(song.get_by_role("button", name="Align…")).to_be_visible()


def test_what_is_no_recording_is_refused_in_a_sentence(visit, studio, tmp_path):
    page = open_library(visit, studio, expected=["status of 415", "status of 422"])
    bad = tmp_path / "notes.mp3"
    bad.write_bytes(b"this is no recording" * 100)
    page.get_by_label("Recordings").set_input_files(bad)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("I have none").check()
    dialog.get_by_role("button", name="Add and align").click()
    upload = page.get_by_role("region", name="Uploads")
    expect(upload.get_by_role("alert")).to_contain_text(re.compile("not|no ", re.I))
    expect(upload.get_by_role("button", name="Try again")).to_be_visible()
    upload.get_by_role("button", name="Cancel notes.mp3").click()
    expect(upload).to_be_hidden()
    assert studio.call("GET", "songs")["items"] == []
