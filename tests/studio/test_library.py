"""The library: songs are found, added, followed, named and deleted, as a person does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

JOB_MS = 180_000  # that a job may take on a machine with much else to do
# A page waits six seconds for the first word of a stream, which such a machine may take to say it.
PATIENT = """{
  const real = window.setTimeout;
  window.setTimeout = (work, ms, ...more) => real(work, ms > 5000 ? 10 * ms : ms, ...more);
}"""


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


def test_an_upload_goes_on_while_another_page_is_shown(visit, studio, made_song):
    page = visit(studio, expected=["ERR_FAILED"]).page
    held = []
    # Before the page is opened: what it asks for in the moment after a route is made goes past it.
    page.route("**/v1/songs", lambda route: held.append(route) if route.request.method == "POST" else route.fallback())
    page.goto(f"{studio.url}/")
    page.get_by_label("Recordings").set_input_files(made_song.path)
    dialog = page.get_by_role("dialog", name="Add a song")
    dialog.get_by_label("I have the words").check()
    dialog.get_by_label("Words of the song").fill(made_song.lyrics)
    dialog.get_by_role("button", name="Add and align").click()
    upload = page.get_by_role("region", name="Uploads").get_by_role("listitem")
    expect(upload).to_contain_text("Uploading")
    page.get_by_role("link", name="Engines").click()
    expect(page.get_by_role("heading", name="Engines", level=1)).to_be_visible()
    while not held:
        page.wait_for_timeout(50)
    held.pop().abort()
    expect(page.get_by_role("alert")).to_contain_text("was not added")  # it is told on whatever page one is
    page.get_by_role("link", name="Library", exact=True).first.click()
    expect(upload).to_contain_text("does not answer")
    page.unroute("**/v1/songs")
    upload.get_by_role("button", name="Try again").click()
    expect(page.locator(".song").get_by_role("heading")).to_have_text("Night")
    expect(upload).to_have_count(0)


def test_what_is_no_recording_is_refused_in_a_sentence(visit, studio, tmp_path):
    page = open_library(visit, studio, expected=["status of 415", "status of 422"])
    bad = tmp_path / "notes.mp3"
    bad.write_bytes(b"this is no recording" * 100)
    page.get_by_label("Recordings").set_input_files(bad)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("I have none").check()
    dialog.get_by_role("button", name="Add and align").click()
    upload = page.get_by_role("region", name="Uploads")
    expect(upload.get_by_role("alert")).to_contain_text("notes.mp3 is no recording")
    expect(upload.get_by_role("button", name="Try again")).to_be_visible()
    upload.get_by_role("button", name="Cancel notes.mp3").click()
    expect(upload).to_be_hidden()
    assert studio.call("GET", "songs")["items"] == []


def test_lyrics_files_are_read_whatever_they_are_called_and_however_they_are_encoded(visit, studio, tmp_path):
    page = open_library(visit, studio)
    texts = {"a.txt": "déjà vu".encode("cp1252"), "b.SRT": "été".encode(), "c.elrc": "naïf".encode("utf-16")}
    folder = tmp_path / "songs"
    folder.mkdir()
    for name, data in texts.items():
        (folder / name).write_bytes(data)
        (folder / name).with_suffix(".mp3").write_bytes(b"sound")
    page.get_by_label("Recordings").set_input_files(sorted(folder.iterdir()))
    fields = page.get_by_role("dialog", name="Add 3 songs").get_by_label("Words of the song")
    expect(fields).to_have_count(3)
    for i, words in enumerate(("déjà vu", "été", "naïf")):
        expect(fields.nth(i)).to_have_value(words)


DROP = """async (files) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name));
  for (const kind of ["dragenter", "dragover"]) {
    window.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, cancelable: true }));
  }
  const shown = getComputedStyle(document.querySelector(".drop-sign")).display;
  window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  return [shown, getComputedStyle(document.querySelector(".drop-sign")).display];
}"""


def test_files_are_dropped_anywhere_and_texts_go_to_their_recordings(visit, studio):
    page = open_library(visit, studio)
    files = [["01 One - First.mp3", "a"], ["Second.mp3", "b"], ["01 One - First.txt", "la la\nla"]]
    assert page.evaluate(DROP, files) == ["grid", "none"]
    dialog = page.get_by_role("dialog", name="Add 2 songs")
    first = dialog.get_by_role("region", name="01 One - First.mp3")
    expect(first.get_by_label("Title", exact=True)).to_have_value("First")
    expect(first.get_by_label("Artist", exact=True)).to_have_value("One")
    expect(first.get_by_label("Words of the song")).to_have_value("la la\nla")
    second = dialog.get_by_role("region", name="Second.mp3")
    expect(second.get_by_label("Words of the song")).to_have_value("")
    second.get_by_role("button", name="Leave out Second.mp3").click()
    expect(second).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert studio.call("GET", "songs")["items"] == []


def test_recordings_of_the_service_are_browsed_and_added(visit, studio, made_song):
    folder = studio.context.settings.library / "Nobody" / "Album"
    folder.mkdir(parents=True)
    (folder / "Night.wav").write_bytes(made_song.path.read_bytes())
    page = open_library(visit, studio)
    page.get_by_role("button", name="From the service").click()
    dialog = page.get_by_role("dialog", name="Recordings on the service")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_contain_text("choose at least one", ignore_case=True)
    dialog.get_by_role("button", name="Nobody").click()
    dialog.get_by_role("button", name="Album").click()
    expect(dialog.get_by_role("navigation", name="Folder")).to_have_text("Library / Nobody / Album")
    dialog.get_by_label("Night.wav").check()
    dialog.get_by_role("button", name="Library").click()
    dialog.get_by_label("Search in this folder").fill("night")
    expect(dialog.get_by_label("Night.wav")).to_be_checked()  # remembered from folder to folder
    dialog.get_by_role("button", name="Continue").click()
    dialog = page.get_by_role("dialog", name="Add a song")
    dialog.get_by_label("Words of the song").fill(made_song.lyrics)
    dialog.get_by_role("button", name="Add and align").click()
    expect(page.locator(".song").get_by_role("heading")).to_have_text("Night")
    assert studio.call("GET", "songs")["items"][0]["library"] == "Nobody/Album/Night.wav"


def test_a_song_is_deleted_only_when_a_person_is_sure(visit, studio, made_song):
    studio.add_aligned(made_song, title="Night", artist="Nobody")
    page = open_library(visit, studio)
    page.get_by_role("button", name="Delete Night").click()
    dialog = page.get_by_role("dialog", name="Delete Night by Nobody?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".song")).to_have_count(1)
    page.get_by_role("button", name="Delete Night").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Nothing to sing yet")).to_be_visible()
    assert studio.call("GET", "songs")["items"] == []


def test_a_song_is_named_anew_and_aligned_again(visit, studio, made_song):
    song_id, alignment_id = studio.add_aligned(made_song, title="Nihgt", artist="Nobody")
    page = open_library(visit, studio)
    page.get_by_role("button", name="About Nihgt").click()
    dialog = page.get_by_role("dialog", name="About this song")
    expect(dialog.get_by_label("Words of the song")).to_have_value(made_song.lyrics)
    dialog.get_by_label("Title").fill("Night")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".song").get_by_role("heading")).to_have_text("Night")
    page.get_by_role("button", name="Align Night again").click()
    dialog = page.get_by_role("dialog", name="Align Night by Nobody again")
    dialog.get_by_label("Engine").select_option("phone")
    dialog.get_by_role("button", name="Align again").click()
    expect(page.locator(".song").get_by_role("progressbar")).to_be_visible()
    job = studio.call("GET", f"songs/{song_id}")["job"]
    assert (job["kind"], job["state"]) == ("align", "queued")
    assert studio.call("GET", f"jobs/{job['id']}")["alignment_id"] == alignment_id
    expect(page.get_by_role("link", name="Play Night")).to_be_visible()  # the old version can be sung meanwhile


def test_a_job_that_fails_says_why_and_what_to_do(visit, working, made_song):
    song = working.add_song(made_song, title="Night")
    lyrics = "wholly other words about something else entirely\n" * 40
    working.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": lyrics}, "language": "en"})
    page = open_library(visit, working)
    card = page.locator(".song")
    expect(card.get_by_text("These words could not be put on the timeline.")).to_be_visible(timeout=JOB_MS)
    job = working.call("GET", f"songs/{song['id']}")["job"]
    reason = working.call("GET", f"jobs/{job['id']}")["problem"]["detail"]
    expect(card.locator(".notice")).to_contain_text(reason[1:])
    card.get_by_role("button", name="Try again…").click()
    expect(page.get_by_role("dialog", name="Align Night")).to_be_visible()


def test_many_jobs_are_followed_at_once_and_none_is_forgotten(visit, studio, made_song):
    """A browser opens six connections; ten streams of events would leave none for anything else."""
    import soundfile

    samples, rate = soundfile.read(made_song.path, dtype="int16", stop=48000)
    ids = []
    for i in range(10):
        path = made_song.path.with_name(f"{i}.wav")
        soundfile.write(path, samples[i * 100 :], rate, subtype="PCM_16")
        song = studio.add_song(type(made_song)(path, "", made_song.truth), title=f"Song {i}")
        ids.append(studio.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": "la"}})["id"])
    page = open_library(visit, studio)
    expect(page.locator(".song progress")).to_have_count(10)
    page.get_by_role("button", name="About Song 9").click()  # asks the service
    expect(page.get_by_role("dialog").get_by_label("Title")).to_have_value("Song 9")
    page.keyboard.press("Escape")
    for job_id in ids:
        studio.call("POST", f"jobs/{job_id}/cancel")
    expect(page.locator(".song progress")).to_have_count(0, timeout=JOB_MS)


def test_long_lists_come_in_pages(visit, studio, made_song):
    import soundfile

    samples, rate = soundfile.read(made_song.path, dtype="int16", stop=24000)
    for i in range(26):
        path = made_song.path.with_name(f"p{i}.wav")
        soundfile.write(path, samples[i * 50 :], rate, subtype="PCM_16")
        studio.add_song(type(made_song)(path, "", made_song.truth), title=f"Song {i}")
    page = open_library(visit, studio)
    expect(page.locator(".song")).to_have_count(24)
    expect(page.get_by_text("24 and more songs")).to_be_visible()
    page.get_by_role("button", name="Show more songs").click()
    expect(page.locator(".song")).to_have_count(26)
    expect(page.locator(".song").nth(24).locator("button").first).to_be_focused()
    titles = page.locator(".song h2").all_text_contents()
    assert titles == [f"Song {i}" for i in reversed(range(26))]


@pytest.mark.parametrize("cut", [False, True])
def test_progress_is_streamed_and_asked_for_where_no_stream_comes_through(visit, studio, made_song, cut):
    song = studio.add_song(made_song, title="Night")
    job = studio.call("POST", "alignments", {"song_id": song["id"], "lyrics": {"text": made_song.lyrics}})
    page = visit(studio, expected=["ERR_FAILED"]).page
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(f"{studio.url}/v1/")))
    page.add_init_script(PATIENT)
    if cut:  # as a proxy does that knows no streams
        page.route("**/events", lambda route: route.abort())
    page.goto(f"{studio.url}/")
    expect(page.locator(".song").get_by_text("Waiting its turn")).to_be_visible()
    report(studio, job["id"], "listen", 0.43)
    expect(page.locator(".song").get_by_text("Listening")).to_be_visible()
    expect(page.locator(".song").get_by_text("43 %")).to_be_visible()
    assert asked.count(f"jobs/{job['id']}/events") == (2 if cut else 1)  # cut once may be chance
    assert (asked.count(f"jobs/{job['id']}") > 0) is cut
    studio.call("POST", f"jobs/{job['id']}/cancel")


def report(studio, job_id: str, stage: str, share: float) -> None:
    """Write down how far a job is, as a worker that has it does."""
    from sqlalchemy import update

    from melisma.store.service.tables import JobRow

    with studio.context.database.begin() as session:
        values = {"state": "running", "stage": stage, "percent": 100 * share}
        session.execute(update(JobRow).where(JobRow.id == job_id).values(**values))
