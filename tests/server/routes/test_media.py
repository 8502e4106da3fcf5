"""The recording, its waveform and its onsets over HTTP."""

from __future__ import annotations

import hashlib
import threading
import uuid
from datetime import UTC, datetime

import numpy as np
import pytest
import soundfile

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.settings import ServiceSettings
from melisma.store.service.tables import SongRow


@pytest.fixture
def context(tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    made = Context(ServiceSettings(data=tmp_path / "data", library=library))
    yield made
    made.close()


@pytest.fixture
def client(context):
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def wave(tmp_path):
    """Three seconds with a click at 1.5 s."""
    samples = np.zeros((3 * 8000, 1), np.float32)
    samples[12000:12400, 0] = 0.5 * np.sin(np.arange(400))
    path = tmp_path / "wave.wav"
    soundfile.write(path, samples, 8000)
    return path.read_bytes()


def keep(context, data, **more):
    """Keep a song as an upload does; return its id."""
    with context.files.incoming() as coming:
        coming.write(data)
        stored = coming.keep(".wav")
    now = datetime.now(UTC)
    row = {
        "id": uuid.uuid4().hex,
        "content": stored.content,
        "media_type": "audio/wav",
        "suffix": ".wav",
        "size_bytes": len(data),
        "duration_ms": 3000,
        "file_name": "My “song”; ünï.wav",
        "library_path": None,
        "title": "",
        "artist": "",
        "language": "",
        "lyrics": "",
        "search": "",
        "created_at": now,
        "updated_at": now,
    } | more
    with context.database.begin() as session:
        session.add(SongRow(**row))
    return row["id"]


@pytest.fixture
def song(context, wave):
    return keep(context, wave)


def test_the_whole_file_comes_as_it_is(client, song, wave):
    answer = client.get(f"/v1/songs/{song}/audio")
    assert answer.status_code == 200
    assert answer.content == wave
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(wave))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{hashlib.sha256(wave).hexdigest()[:32]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    said = answer.headers["content-disposition"]
    assert said.startswith('inline; filename="')
    assert "filename*=UTF-8''My%20" in said


def test_head_says_the_same_and_sends_nothing(client, song, wave):
    answer = client.head(f"/v1/songs/{song}/audio")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == str(len(wave))
    assert client.head(f"/v1/songs/{song}/audio", headers={"Range": "bytes=0-9"}).headers["content-length"] == "10"


@pytest.mark.parametrize(
    ("asked", "first", "stop"),
    [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=40-99999999", 40, None)],
)
def test_a_range_comes_alone(client, song, wave, asked, first, stop):
    answer = client.get(f"/v1/songs/{song}/audio", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == wave[first:stop]
    begin = first % len(wave)
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(answer.content) - 1}/{len(wave)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-6", "lines=1-2", "bytes=9-3", "bytes=-", "bytes=a-b", "bytes=١-٢", "bytes=" + 400 * "9" + "-"],
)
def test_what_is_no_range_is_ignored(client, song, wave, asked):
    answer = client.get(f"/v1/songs/{song}/audio", headers={"Range": asked.encode()})
    assert (answer.status_code, answer.content) == (200, wave)


@pytest.mark.parametrize("behind", [0, 1, 10**15])
def test_a_range_behind_the_end_is_416(client, song, wave, behind):
    answer = client.get(f"/v1/songs/{song}/audio", headers={"Range": f"bytes={len(wave) + behind}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(wave)}"
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_has_not_changed_is_not_sent_again(client, song, wave):
    tag = client.head(f"/v1/songs/{song}/audio").headers["etag"]
    answer = client.get(f"/v1/songs/{song}/audio", headers={"If-None-Match": f'W/{tag}, "other"'})
    assert (answer.status_code, answer.content) == (304, b"")
    changed = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert client.get(f"/v1/songs/{song}/audio", headers=changed).content == wave
    same = {"Range": "bytes=0-9", "If-Range": tag}
    assert client.get(f"/v1/songs/{song}/audio", headers=same).content == wave[:10]


def test_a_song_that_is_not_there_is_404(client, song, context, wave):
    assert client.get(f"/v1/songs/{uuid.uuid4().hex}/audio").status_code == 404
    assert client.get("/v1/songs/..%2f..%2fetc/audio").status_code in (404, 422)
    context.files.remove(hashlib.sha256(wave).hexdigest(), ".wav")
    answer = client.get(f"/v1/songs/{song}/audio")
    assert answer.status_code == 404
    assert str(context.settings.data) not in answer.text


def test_a_song_of_the_library_is_read_there(client, context, wave):
    place = context.settings.library / "folder"
    place.mkdir()
    (place / "a.wav").write_bytes(wave)
    song = keep(context, wave, library_path="folder/a.wav")
    first = client.get(f"/v1/songs/{song}/audio")
    assert first.content == wave
    (place / "a.wav").write_bytes(wave[:-2])
    second = client.get(f"/v1/songs/{song}/audio")
    assert second.content == wave[:-2]
    assert first.headers["etag"] != second.headers["etag"]


def test_no_path_leads_out_of_the_library(client, context, wave, tmp_path):
    (tmp_path / "secret.wav").write_bytes(wave)
    (context.settings.library / "link.wav").symlink_to(tmp_path / "secret.wav")
    for k, path in enumerate(("../secret.wav", str(tmp_path / "secret.wav"), "link.wav")):
        song = keep(context, wave + bytes(k + 1), library_path=path)
        assert client.get(f"/v1/songs/{song}/audio").status_code == 404


def test_the_waveform_has_the_click(client, song):
    answer = client.get(f"/v1/songs/{song}/peaks", params={"per_second": 20}).json()
    assert (answer["per_second"], answer["duration_ms"], answer["channels"]) == (20, 3000, 1)
    assert len(answer["peaks"]) == 60
    assert [i for i, peak in enumerate(answer["peaks"]) if peak > 0.1] == [30]
    assert answer["peaks"][30] == pytest.approx(0.5, abs=0.01)


def test_a_part_of_the_waveform(client, song):
    whole = client.get(f"/v1/songs/{song}/peaks", params={"per_second": 100}).json()["peaks"]
    part = client.get(f"/v1/songs/{song}/peaks", params={"per_second": 100, "start_ms": 1400, "end_ms": 1600}).json()
    assert part["start_ms"] == 1400
    assert part["peaks"] == whole[140:160]


@pytest.mark.parametrize("wrong", [{"per_second": 0}, {"per_second": 401}, {"start_ms": -1}, {"per_second": "x"}])
def test_a_waveform_that_cannot_be_is_refused(client, song, wrong):
    assert client.get(f"/v1/songs/{song}/peaks", params=wrong).status_code == 422


def test_too_many_peaks_are_refused_in_a_sentence(client, song, monkeypatch):
    monkeypatch.setattr("melisma.server.routes.media._MOST", 100)
    answer = client.get(f"/v1/songs/{song}/peaks", params={"per_second": 50})
    assert answer.status_code == 422
    assert "at most 100 are sent" in answer.json()["detail"]


def test_what_is_derived_is_kept(client, song, context, monkeypatch):
    first = client.get(f"/v1/songs/{song}/peaks").json()
    sounds = client.get(f"/v1/songs/{song}/onsets").json()
    monkeypatch.setattr("melisma.server.routes.media.peaks", None)
    monkeypatch.setattr("melisma.server.routes.media.onset_times", None)
    assert client.get(f"/v1/songs/{song}/peaks").json() == first
    assert client.get(f"/v1/songs/{song}/onsets").json() == sounds
    kept = [path for path in (context.settings.data / "derived").rglob("*") if path.is_file()]
    assert len(kept) == 2


def test_the_onset_is_at_the_click(client, song):
    found = client.get(f"/v1/songs/{song}/onsets").json()["onsets_ms"]
    assert any(abs(at - 1500) <= 20 for at in found)


def test_a_damaged_recording_is_a_sentence(client, context):
    song = keep(context, b"RIFF" + bytes(200))
    for what in ("peaks", "onsets"):
        answer = client.get(f"/v1/songs/{song}/{what}")
        assert answer.status_code == 422
        assert str(context.settings.data) not in answer.text


def test_two_callers_wait_for_one_computation(context):
    n_made = []
    gate = threading.Barrier(4)

    def make():
        n_made.append(1)
        return b"result"

    def ask():
        gate.wait()
        assert context.derived.get(64 * "a", "thing", make) == b"result"

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert n_made == [1]


def test_everything_derived_from_a_recording_can_be_forgotten(context):
    for content in (64 * "a", 64 * "b"):
        context.derived.get(content, "thing", lambda: b"1")
        context.derived.get(content, "other", lambda: b"2")
    context.derived.forget(64 * "a")
    assert not context.derived.path(64 * "a", "thing").exists()
    assert context.derived.path(64 * "b", "other").exists()


def test_a_disk_that_takes_nothing_costs_the_copy_only(context):
    context.derived.folder.parent.mkdir(parents=True, exist_ok=True)
    context.derived.folder.write_bytes(b"not a folder")
    assert context.derived.get(64 * "a", "thing", lambda: b"1") == b"1"
