"""The job that hears words, against a transcription server on the loopback that really listens."""

from __future__ import annotations

import importlib.util
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_songs import upload

from melisma.core.errors import MelismaError
from melisma.pipeline import tiers

_SPEC = importlib.util.spec_from_file_location(
    "transcription_server", Path(__file__).parents[2] / "engines" / "transcription_server.py"
)
fake = importlib.util.module_from_spec(_SPEC)
sys.modules.setdefault("transcription_server", fake)
_SPEC.loader.exec_module(fake)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with fake.running() as running:
        monkeypatch.setenv("MELISMA_OPENAI_URL", running.url)
        tiers.engine_named.cache_clear()
        yield running
    tiers.engine_named.cache_clear()


@pytest.fixture
def job(server, client):
    import soundfile

    heard, _ = fake.recording(20.0, seed=6)
    file = io.BytesIO()
    soundfile.write(file, heard.samples, heard.sample_rate, format="WAV")
    song = upload(client, file.getvalue(), "tones.wav")
    answer = client.post("/v1/transcriptions", json={"song_id": song["id"], "engine": "openai_http"})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_words_are_heard_once_and_kept_under_the_id_of_the_job(job, run, client, server, told):
    assert run(job) == {"transcription_id": job["id"]}
    n_asked = len(server.asked)
    assert run(job, 2) == {"transcription_id": job["id"]}
    assert len(server.asked) == n_asked
    found = client.get(f"/v1/transcriptions/{job['id']}", params={"format": "json"}).json()
    _, truth = fake.recording(20.0, seed=6)
    assert [word["text"] for word in found["words"]] == [tone.text for tone in truth]
    assert [stage for stage, _ in told][-1] == "save"


def test_a_server_that_fails_is_an_error_and_nothing_is_kept(job, run, client, server):
    server.script.extend([lambda handler, asked: handler.send(500)] * 20)
    with pytest.raises(MelismaError):
        run(job)
    assert client.get(f"/v1/transcriptions/{job['id']}").status_code == 409


def test_the_model_that_was_chosen_is_the_one_that_hears(server, context, client, run, monkeypatch):
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
    assert {asked.fields["model"][0] for asked in server.asked} == {"small-sr"}
    assert client.get("/v1/transcriptions").json()["items"][0]["model"] == "small-sr"
