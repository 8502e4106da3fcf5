"""Stems over HTTP: made by a tiny Demucs with random weights, and refused where nothing makes them."""

from __future__ import annotations

import io
import uuid

import numpy as np
import pytest
import soundfile
import tiny_demucs
from made_songs import upload

from melisma.audio.separation import choose
from melisma.server.jobs.records import JobState

RATE = tiny_demucs.RATE


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("demucs")
    return tiny_demucs.save(tmp_path_factory.mktemp("demucs"))


@pytest.fixture
def demucs(weights, monkeypatch):
    """Let the service find that network."""
    monkeypatch.setenv("MELISMA_DEMUCS_REPO", str(weights))
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    monkeypatch.setattr("melisma.audio.separation.demucs.n_threads", lambda: 1)
    choose.separator.cache_clear()
    yield
    choose.separator.cache_clear()


@pytest.fixture
def no_demucs(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_DEMUCS_REPO", str(tmp_path / "nowhere"))
    choose.separator.cache_clear()
    yield
    choose.separator.cache_clear()


@pytest.fixture
def stereo(client):
    samples = 0.2 * np.random.default_rng(4).standard_normal((2 * RATE, 2))
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return upload(client, file.getvalue(), title="Habanera") | {"sound": file.getvalue()}


@pytest.fixture
def work(context):
    from melisma.server.jobs.runner import Runner

    def do(job_id):
        Runner(context).run(job_id)
        return context.queue.get(job_id)

    return do


def whole_numbers(data):
    return soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)[0].astype(int)


def test_both_add_up_to_the_song(client, demucs, stereo, work):
    answer = client.post(f"/v1/songs/{stereo['id']}/stems")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["kind"], job["song_id"]) == ("stems", stereo["id"])
    done = work(job["id"])
    assert done.state is JobState.DONE, done.problem
    assert done.result["stems"] == ["vocals", "instrumental"]
    parts = {name: client.get(f"/v1/songs/{stereo['id']}/stems/{name}") for name in ("vocals", "instrumental")}
    for name, part in parts.items():
        assert part.status_code == 200
        assert part.headers["content-type"] == "audio/flac"
        assert f"({name}).flac" in part.headers["content-disposition"]
    total = sum(whole_numbers(part.content) for part in parts.values())
    np.testing.assert_array_equal(total, whole_numbers(stereo["sound"]))
    ranged = client.get(f"/v1/songs/{stereo['id']}/stems/vocals", headers={"Range": "bytes=0-3"})
    assert (ranged.status_code, ranged.content) == (206, b"fLaC")
    assert client.get(f"/v1/songs/{stereo['id']}").json()["stems"] == ["vocals", "instrumental"]


def test_done_twice_it_is_one_pair(client, context, demucs, stereo, work):
    first = client.post(f"/v1/songs/{stereo['id']}/stems").json()
    work(first["id"])
    second = client.post(f"/v1/songs/{stereo['id']}/stems").json()
    assert second["id"] != first["id"]
    assert work(second["id"]).result == work(first["id"]).result
    assert len(list((context.settings.data / "files").rglob("*.flac"))) == 2


def test_a_song_is_separated_by_one_job_at_a_time(client, demucs, stereo):
    first = client.post(f"/v1/songs/{stereo['id']}/stems").json()
    assert client.post(f"/v1/songs/{stereo['id']}/stems", json={"priority": 3}).json()["id"] == first["id"]
    client.post(f"/v1/jobs/{first['id']}/cancel")
    assert client.post(f"/v1/songs/{stereo['id']}/stems").json()["id"] != first["id"]


def test_a_cancelled_job_leaves_nothing(client, context, demucs, stereo):
    from melisma.server.jobs.records import Cancelled, Why
    from melisma.server.work import stems

    job = client.post(f"/v1/songs/{stereo['id']}/stems").json()

    def stop(stage, share):
        raise Cancelled(Why.WANTED)

    with pytest.raises(Cancelled):
        stems.run(context, context.queue.get(job["id"]), stop)
    assert client.get(f"/v1/songs/{stereo['id']}/stems/vocals").status_code == 404
    assert list((context.settings.data / "work").iterdir()) == []
    assert not list((context.settings.data / "files").rglob("*.flac"))


def test_the_instrumental_can_be_heard_in_a_video(client, context, demucs, song, alignment_id, work):
    work(client.post(f"/v1/songs/{song['id']}/stems").json()["id"])
    small = {"width": 320, "height": 180, "fps": 10, "audio": "instrumental"}
    job = client.post(f"/v1/alignments/{alignment_id}/videos", json=small)
    assert job.status_code == 202, job.text
    assert work(job.json()["id"]).state is JobState.DONE


def test_a_song_takes_its_stems_along(client, context, demucs, stereo, work):
    work(client.post(f"/v1/songs/{stereo['id']}/stems").json()["id"])
    assert client.delete(f"/v1/songs/{stereo['id']}").status_code == 204
    assert not [path for path in (context.settings.data / "files").rglob("*") if path.is_file()]


def test_without_a_separator_it_is_501_and_the_service_says_so(client, no_demucs, stereo):
    answer = client.post(f"/v1/songs/{stereo['id']}/stems")
    assert answer.status_code == 501
    assert "no separator that makes two recordings of a song can run here" in answer.json()["detail"]
    assert client.get("/v1/service").json()["stems"] is False


def test_with_one_the_service_says_so(client, demucs):
    assert client.get("/v1/service").json()["stems"] is True


def test_in_commercial_mode_research_weights_are_refused(client, demucs, stereo, monkeypatch):
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    answer = client.post(f"/v1/songs/{stereo['id']}/stems")
    assert answer.status_code == 422
    assert "refused in commercial mode" in answer.json()["detail"]
    assert client.get("/v1/service").json()["stems"] is False


def test_what_is_not_there_is_said(client, demucs, stereo):
    assert client.post(f"/v1/songs/{uuid.uuid4().hex}/stems").status_code == 404
    assert client.get(f"/v1/songs/{stereo['id']}/stems/vocals").status_code == 404
    assert client.get(f"/v1/songs/{stereo['id']}/stems/drums").status_code == 422
    assert client.get(f"/v1/songs/{stereo['id']}/stems/..%2faudio").status_code in (404, 422)
    assert client.post(f"/v1/songs/{stereo['id']}/stems", json={"strange": 1}).status_code == 422
