"""What is left of a recording whose song could not be written down: nothing, unless something else is made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_songs import upload, wav


@pytest.fixture
def settings(settings, service_url):
    return replace(settings, database_url=service_url, limits=replace(settings.limits, queued_jobs=1))


@pytest.fixture
def files(client, context, job):
    """Return the names of all files of a service where no more jobs may wait."""

    def files() -> list[str]:
        return sorted(path.name for path in context.files.folder.rglob("*") if path.is_file())

    return files


def ask(client, data: bytes):
    return client.post("/v1/alignments", files={"audio": ("more.wav", data)}, data={"lyrics": "Hello my love"})


def test_a_recording_whose_job_may_not_wait_is_not_kept(client, song, files):
    before = files()
    answer = ask(client, wav(seed=1))
    assert (answer.status_code, answer.json()["type"]) == (429, "/problems/too-many-requests")
    assert files() == before
    assert [each["id"] for each in client.get("/v1/songs").json()["items"]] == [song["id"]]


def test_a_recording_that_is_a_song_already_stays_whatever_comes_of_its_job(client, files):
    other = upload(client, wav(seed=1))
    before = files()
    assert ask(client, wav(seed=1)).status_code == 429
    assert files() == before
    assert client.get(f"/v1/songs/{other['id']}/audio").content == wav(seed=1)
