"""The job that hears words, against a transcription server on the loopback that really listens."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from made_songs import upload

import transcription_server as fake
from melisma.core.errors import MelismaError


@pytest.fixture
def job(tone_server, client):
    import soundfile

    heard, _ = fake.recording(20.0, seed=6)
    file = io.BytesIO()
    soundfile.write(file, heard.samples, heard.sample_rate, format="WAV")
    song = upload(client, file.getvalue(), "tones.wav")
    answer = client.post("/v1/transcriptions", json={"song_id": song["id"], "engine": "openai_http"})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_words_are_heard_once_and_kept_under_the_id_of_the_job(job, run, client, tone_server, told):
    assert run(job) == {"transcription_id": job["id"]}
    n_asked = len(tone_server.asked)
    assert run(job, 2) == {"transcription_id": job["id"]}
    assert len(tone_server.asked) == n_asked
    found = client.get(f"/v1/transcriptions/{job['id']}", params={"format": "json"}).json()
    _, truth = fake.recording(20.0, seed=6)
    assert [word["text"] for word in found["words"]] == [tone.text for tone in truth]
    assert [stage for stage, _ in told][-1] == "save"


def test_a_server_that_fails_is_an_error_and_nothing_is_kept(job, run, client, tone_server):
    tone_server.script.extend([lambda handler, asked: handler.send(401)] * 20)
    with pytest.raises(MelismaError):
        run(job)
    assert client.get(f"/v1/transcriptions/{job['id']}").status_code == 409


def test_the_model_that_was_chosen_is_the_one_that_hears(tone_server, context, client, run, monkeypatch):
    import soundfile

    heard, _ = fake.recording(20.0, seed=6)
    file = io.BytesIO()
    soundfile.write(file, heard.samples, heard.sample_rate, format="WAV")
    song = upload(client, file.getvalue(), "tones.wav")
    wish = {"song_id": song["id"], "model": "openai_http:small-sr"}
    refused = client.post("/v1/transcriptions", json=wish)
    assert (refused.status_code, "no model is called" in refused.json()["detail"]) == (422, True)
    assert client.post("/v1/alignments", json={"song_id": song["id"], "engine": wish["model"]}).status_code == 422

    settings = replace(context.settings, models=("openai_http:small-sr",))
    monkeypatch.setitem(context.__dict__, "settings", settings)
    choices = {each["name"]: each for each in client.get("/v1/models").json()["choices"]}
    assert (choices["openai_http:small-sr"]["model_id"], choices["phone"]["task"]) == ("small-sr", "emit")
    answer = client.post("/v1/transcriptions", json=wish)
    assert answer.status_code == 202, answer.text
    run(answer.json())
    assert {asked.fields["model"][0] for asked in tone_server.asked} == {"small-sr"}
    assert client.get("/v1/transcriptions").json()["items"][0]["model"] == "small-sr"


def test_record_text_and_lrc_lie_where_the_contract_has_them(
    job, run, client, tone_server, context, monkeypatch, tmp_path
):
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path / "root"))
    run(job)
    folder = tmp_path / "root" / "outputs" / job["song_id"]
    said = json.loads((folder / "transcription_base.json").read_text(encoding="utf-8"))
    _, truth = fake.recording(20.0, seed=6)
    assert [word["word"] for word in said["words"]] == [tone.text for tone in truth]
    assert said["request_id"] == context.queue.get(job["id"]).request_id
    assert (folder / "karaoke.lrc").read_text(encoding="utf-8").count("<") > len(truth)
    client.delete(f"/v1/songs/{job['song_id']}")
    assert not folder.exists()


def test_without_a_root_they_lie_in_the_data_folder(job, run, context, monkeypatch):
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    run(job)
    folder = context.settings.data / "outputs" / job["song_id"]
    assert (folder / "transcription_base.txt").read_text(encoding="utf-8").startswith("[00:00.")


def test_files_that_cannot_be_written_cost_no_transcription(job, run, client, context, monkeypatch):
    monkeypatch.delenv("MELISMA_ROOT", raising=False)
    (context.settings.data / "outputs").write_text("a file where a folder is to be", encoding="utf-8")
    run(job)
    assert client.get(f"/v1/transcriptions/{job['id']}").status_code == 200


def test_an_adopted_one_is_an_alignment_of_the_song(job, run, client, tone_server):
    again = client.post(
        "/v1/transcriptions", json={"song_id": job["song_id"], "engine": "openai_http", "adopt": True}
    ).json()
    made = run(again)
    assert run(again, 2) == made
    found = client.get(f"/v1/alignments/{made['alignment_id']}", params={"format": "json"}).json()
    _, truth = fake.recording(20.0, seed=6)
    assert [word["text"] for word in found["words"]] == [tone.text for tone in truth]
    assert client.get(f"/v1/songs/{job['song_id']}").json()["alignment"]["id"] == made["alignment_id"]
    listed = client.get("/v1/alignments", params={"song_id": job["song_id"]}).json()["items"]
    assert [each["id"] for each in listed] == [made["alignment_id"]]


def test_jobs_of_an_older_version_are_done_as_they_were_meant(job, run, client, context):
    old = {"song_id": job["song_id"], "engine": "openai_http", "language": None}
    made = context.queue.submit("transcribe", old, song_id=job["song_id"])
    assert run({"id": made.id}) == {"transcription_id": made.id}
