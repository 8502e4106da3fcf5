"""Transcriptions over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_songs import aligned, wav

pytest.importorskip("fastapi")

from melisma.formats import json as alignment_json
from melisma.pipeline import packages
from melisma.pipeline.transcript_files import LRC, RECORD, TEXT, About
from melisma.server import heard_words
from melisma.store.service import jobs as ledger
from melisma.store.service import transcripts
from melisma.testing.whisper_checkpoints import save_random_whisper


@pytest.fixture
def asked(client, song):
    return client.post(
        "/v1/transcriptions", json={"song_id": song["id"], "engine": "whisper", "language": "fre"}
    ).json()


@pytest.fixture
def heard(client, context, song, asked):
    """A transcription that is there; its path."""
    with context.database.begin() as session:
        transcripts.add(session, asked["id"], song["id"], "a/model", aligned())
        ledger.claim(session, asked["id"], "a worker", 30.0)
        ledger.finish(session, asked["id"], "a worker", {"transcription_id": asked["id"]})
    return client.get(f"/v1/jobs/{asked['id']}").json()["links"]["transcription"]


def test_asking_makes_a_job(client, context, song, asked):
    assert (asked["kind"], asked["state"], asked["song_id"]) == ("transcribe", "queued", song["id"])
    told = context.queue.get(asked["id"]).request
    assert told == {"song_id": song["id"], "engine": "whisper", "language": "fr", "align": True, "adopt": False}
    early = client.get(f"/v1/transcriptions/{asked['id']}")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/conflict")


def test_a_form_brings_the_recording(client, context):
    data = {"priority": "2", "align": "false", "adopt": "true"}
    answer = client.post("/v1/transcriptions", files={"audio": ("a.wav", wav())}, data=data)
    assert (answer.status_code, answer.json()["priority"]) == (202, 2)
    told = context.queue.get(answer.json()["id"]).request
    assert (told["align"], told["adopt"]) == (False, True)
    assert client.get(answer.json()["links"]["song"]).json()["file_name"] == "a.wav"


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ({}, 422, "give either song_id or library"),
        ({"song_id": "0" * 32}, 404, "there is no song"),
        ({"library": "../x.wav"}, 404, "there is no recording"),
        ({"song_id": "0" * 32, "engine": "phone"}, 422, "the engine 'phone' hears no words"),
        ({"song_id": "0" * 32, "engine": "gone"}, 422, "no engine is called 'gone'"),
        ({"song_id": "0" * 32, "engine": "whisper", "model": "groq"}, 422, "a model names its engine"),
    ],
)
def test_wishes_that_cannot_be_are_refused(client, wish, status, said):
    answer = client.post("/v1/transcriptions", json=wish)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


def test_lyrics_have_no_place_in_it(client):
    answer = client.post("/v1/transcriptions", files={"audio": ("a.wav", wav())}, data={"lyrics": "hello"})
    assert answer.status_code == 422


def test_what_was_heard_is_had_in_every_format(client, heard):
    answer = client.get(heard)
    assert answer.content == alignment_json.write(aligned()).encode()
    assert client.get(heard, params={"format": "srt"}).headers["content-type"] == "application/x-subrip"
    assert client.get(heard, headers={"Accept": "text/vtt"}).text.startswith("WEBVTT")
    assert client.get(heard, headers={"Accept": "image/png"}).status_code == 406
    page = client.get(heard, params={"format": "html"})
    assert (page.status_code, "no karaoke page" in page.json()["detail"]) == (422, True)


def test_they_are_listed_and_removed(client, song, heard):
    found = client.get("/v1/transcriptions", params={"song_id": song["id"]}).json()["items"]
    assert [(f"/v1/transcriptions/{each['id']}", each["model"]) for each in found] == [(heard, "a/model")]
    assert client.delete(heard).status_code == 204
    assert client.get("/v1/transcriptions").json()["items"] == []
    assert client.get(heard).status_code == client.delete(heard).status_code == 404


def test_their_files_go_with_them(client, context, song, heard):
    place = heard_words.folder(context, song["id"])
    second = client.post("/v1/transcriptions", json={"song_id": song["id"], "engine": "whisper"}).json()["id"]
    with context.database.begin() as session:
        transcripts.add(session, second, song["id"], "another", aligned())
    newer = replace(aligned(), model_id="another")
    heard_words.write(context, song["id"], second, newer, About(song["id"], "song.wav"))
    (place / "vocals.wav").write_bytes(b"of somebody else")
    assert {each.name for each in place.iterdir()} == {"vocals.wav", RECORD, TEXT, LRC}
    assert client.delete(f"/v1/transcriptions/{second}").status_code == 204
    kept = json.loads((place / RECORD).read_text(encoding="utf-8"))
    assert (kept["model"], kept["text"]) == (aligned().model_id, aligned().text)  # of the one that is left
    assert client.delete(heard).status_code == 204
    assert [each.name for each in place.iterdir()] == ["vocals.wav"]


@pytest.mark.parametrize("id", ["0" * 32])
def test_one_that_is_not_there_is_said(client, id, job):
    assert client.get(f"/v1/transcriptions/{id}").status_code == 404
    assert client.get(f"/v1/transcriptions/{job['id']}").status_code == 404  # a job of another kind


def test_the_same_key_makes_one_job(client, song):
    def post(**more):
        body = {"song_id": song["id"], **more}
        return client.post("/v1/transcriptions", json=body, headers={"Idempotency-Key": "k"})

    assert post().json() == post().json()
    assert post(language="fr").status_code == 409


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """A Whisper of one's own, added by a name, and the default of Croatian."""
    pytest.importorskip("transformers")
    pytest.importorskip("faster_whisper")
    folder = save_random_whisper(tmp_path / "whisper").parent / "transformers"
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    packages.add("ours", folder)
    packages.set_default("hr", "ours")


def test_a_model_that_was_added_may_be_chosen_and_its_languages_are_told(client, context, song, ours):
    told = client.get("/v1/models").json()
    choice = next(each for each in told["choices"] if each["name"] == "ours")
    assert (choice["task"], choice["default_for"], "hr" in choice["languages"]) == ("transcribe", ["hr"], True)
    assert told["defaults"] == {"hr": "ours"}
    job = client.post("/v1/transcriptions", json={"song_id": song["id"], "model": "ours"}).json()
    assert context.queue.get(job["id"]).request["engine"] == "ours"


def test_the_default_of_the_language_hears(client, context, song, ours):
    def engine(**wish):
        job = client.post("/v1/transcriptions", json={"song_id": song["id"], **wish}).json()
        return context.queue.get(job["id"]).request["engine"]

    assert engine(language="hr") == "ours"
    assert engine(language="fr") == engine() == "auto"
    assert engine(language="hr", model="whisper") == "whisper"


def test_folders_of_the_machine_may_not_be_named(client, song, tmp_path):
    answer = client.post("/v1/transcriptions", json={"song_id": song["id"], "model": f"path:{tmp_path}"[:60]})
    assert (answer.status_code, "no model is called" in answer.json()["detail"]) == (422, True)
