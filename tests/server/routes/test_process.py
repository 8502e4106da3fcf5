"""The path of the document on Whisper: a song in, its record out, by a service that works."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from made_songs import upload, wav

import transcription_server as fake

pytest.importorskip("fastapi")

from melisma.formats import elrc, word_timestamps
from melisma.server.settings import JobSettings

WISH = {"model": "openai_http"}
PATIENTLY = "/process/whisper/{}?wait=120"  # a busy machine takes longer than callers wait by themselves


@pytest.fixture
def settings(settings):
    return replace(settings, jobs=JobSettings(workers=1, retry_s=0.1, attempts=1))


@pytest.fixture
def tones(tone_server, client):
    import soundfile

    heard, truth = fake.recording(12.0, seed=6)
    file = io.BytesIO()
    soundfile.write(file, heard.samples, heard.sample_rate, format="WAV")
    return upload(client, file.getvalue(), "tones.wav")["id"], [tone.text for tone in truth]


def test_a_song_is_answered_with_its_record(client, tones, tone_server):
    song_id, truth = tones
    answer = client.post(PATIENTLY.format(song_id), json=WISH, headers={"X-Request-ID": "call-9"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert [word["word"] for word in said["words"]] == truth
    assert (said["schema"], said["file_id"], said["audio"]) == ("melisma.transcription/1", song_id, "tones.wav")
    assert (said["request_id"], answer.headers["x-request-id"]) == ("call-9", "call-9")
    assert [word.text for word in word_timestamps.read(answer.text).words] == truth
    assert " ".join(each["text"] for each in said["segments"]).split() == truth
    lrc = client.get(said["links"]["lrc"])
    assert [word.text for word in elrc.read(lrc.text).words] == truth
    again = client.get(f"/process/whisper/{song_id}")
    assert again.json() == said
    sung = client.get(f"/process/whisper/{song_id}", params={"format": "lrc"})
    assert (sung.text, sung.headers["content-type"]) == (lrc.text, "application/x-lrc; charset=utf-8")
    assert client.get(f"/process/whisper/{song_id}", params={"format": "txt"}).text.startswith("[00:00.")
    # The player, the editor and the videos have it too.
    assert client.get(f"/v1/songs/{song_id}").json()["alignment"]["version"] == 1


def test_what_was_transcribed_is_not_transcribed_again_unless_it_is_asked_for(client, tones, tone_server):
    song_id, _ = tones
    first = client.post(PATIENTLY.format(song_id), json=WISH).json()
    n_asked = len(tone_server.asked)
    second = client.post(PATIENTLY.format(song_id), json=WISH).json()
    assert (second["transcription_id"], len(tone_server.asked)) == (first["transcription_id"], n_asked)
    third = client.post(PATIENTLY.format(song_id), json={**WISH, "again": True}).json()
    assert third["transcription_id"] != first["transcription_id"]
    other = client.post(PATIENTLY.format(song_id), json={**WISH, "language": "fr"}).json()
    assert other["transcription_id"] not in (first["transcription_id"], third["transcription_id"])


def test_a_call_that_does_not_wait_is_answered_with_the_job(client, tones):
    song_id, _ = tones
    answer = client.post(f"/process/whisper/{song_id}", params={"wait": 0}, json=WISH)
    assert (answer.status_code, answer.json()["kind"]) == (202, "transcribe")
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    done = client.post(PATIENTLY.format(song_id), json=WISH).json()
    assert done["transcription_id"] == answer.json()["id"]


def test_a_job_that_fails_says_why(client, tones, tone_server):
    song_id, _ = tones
    tone_server.script.extend([lambda handler, asked: handler.send(401)] * 9)
    answer = client.post(PATIENTLY.format(song_id), json=WISH)
    assert answer.status_code >= 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "MELISMA_OPENAI_API_KEY" in answer.json()["detail"]
    tone_server.script.clear()
    assert client.post(PATIENTLY.format(song_id), json=WISH).status_code == 200


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ({"model": "phone"}, 422, "hears no words"),
        ({"model": "gone"}, 422, "gone"),
        ({"model": "path:/etc"}, 422, "no model is called"),
        ({"language": "klingon"}, 422, "klingon"),
        ({"beams": 3}, 422, "beams"),
    ],
)
def test_wishes_that_cannot_be_are_refused(client, tones, wish, status, said):
    answer = client.post(f"/process/whisper/{tones[0]}", json=wish)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)


def test_a_song_without_one_is_not_found(client, song):
    assert client.get(f"/process/whisper/{song['id']}").status_code == 404
    assert client.get(f"/process/whisper/{'0' * 32}").status_code == 404
    assert client.post(f"/process/whisper/{'0' * 32}").status_code == 404
    assert client.post("/process/whisper/..%2Fetc").status_code in (404, 422)


def test_strangers_are_kept_out(settings, tmp_path):
    import hashlib

    from fastapi.testclient import TestClient

    from melisma.server.app import create_app
    from melisma.server.context import Context

    token = "a-token-that-nobody-guesses"
    closed = replace(settings, data=tmp_path / "closed", tokens={hashlib.sha256(token.encode()).hexdigest(): "me"})
    with TestClient(create_app(Context(closed)), base_url="http://127.0.0.1:8765") as client:
        assert client.post(f"/process/whisper/{'0' * 32}").status_code == 401
        assert client.get(f"/process/whisper/{'0' * 32}").status_code == 401
        mine = {"Authorization": f"Bearer {token}"}
        song = client.post("/v1/songs", files={"audio": ("a.wav", wav())}, headers=mine).json()
        assert client.get(f"/process/whisper/{song['id']}", headers=mine).status_code == 404


def test_the_description_says_who_may_call(client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    for method in ("get", "post"):
        told = paths["/process/whisper/{song_id}"][method]
        assert {"token": []} in told["security"]
        assert {"200", "202", "401", "404", "503"} <= set(told["responses"])
