"""Videos over HTTP: refused before any work where they cannot be made, made by a job, sent by ranges, removed."""

from __future__ import annotations

import io
import json
import shutil
import uuid

import pytest
from made_songs import LYRICS, make, upload, wav

from melisma.server.jobs.records import JobState

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
SMALL = {"width": 320, "height": 180, "fps": 10}


@pytest.fixture
def work(context):
    """Do the jobs that wait, as a worker does."""
    from melisma.server.jobs.runner import Runner

    def do(job_id):
        Runner(context).run(job_id)
        return context.queue.get(job_id)

    return do


def ask(client, alignment_id, **more):
    return client.post(f"/v1/alignments/{alignment_id}/videos", json=SMALL | more)


def picture(kind="PNG", size=(40, 30)):
    image = pytest.importorskip("PIL.Image").new("RGB", size, "#3366cc")
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(("container", "media_type"), [("mp4", "video/mp4"), ("webm", "video/webm")])
def test_a_video_is_made_and_fetched(client, alignment_id, work, container, media_type):
    answer = ask(client, alignment_id, container=container)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["alignment_id"]) == ("video", "queued", alignment_id)
    done = work(job["id"])
    assert done.state is JobState.DONE, done.problem
    assert done.result["video_id"] == job["id"]
    shown = client.get(f"/v1/jobs/{job['id']}").json()
    assert (shown["percent"], shown["links"]["video"]) == (100, f"/v1/videos/{job['id']}")
    whole = client.get(f"/v1/videos/{job['id']}")
    assert whole.status_code == 200
    assert whole.headers["content-type"] == media_type
    assert whole.headers["content-disposition"] == f'attachment; filename="Georges Bizet - Habanera.{container}"'
    assert len(whole.content) == done.result["size_bytes"]
    part = client.get(f"/v1/videos/{job['id']}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert client.head(f"/v1/videos/{job['id']}").headers["content-length"] == str(len(whole.content))


def test_the_song_lends_its_names(client, context, alignment_id):
    job = ask(client, alignment_id).json()
    request = context.queue.get(job["id"]).request
    assert (request["title"], request["artist"], request["version"]) == ("Habanera", "Georges Bizet", 1)
    job = ask(client, alignment_id, title="", artist="Somebody").json()
    request = context.queue.get(job["id"]).request
    assert (request["title"], request["artist"]) == ("", "Somebody")


def test_done_twice_it_is_one_video(client, context, alignment_id, work):
    from melisma.server.work import video

    job = ask(client, alignment_id).json()
    first = work(job["id"]).result
    again = video.run(context, context.queue.get(job["id"]), lambda stage, share: None)
    assert again["video_id"] == first["video_id"]
    assert len(client.get(f"/v1/alignments/{alignment_id}/videos").json()["items"]) == 1


def test_progress_is_told_as_the_share_of_the_whole(client, context, alignment_id):
    from melisma.server.work import video

    job, said = ask(client, alignment_id).json(), []
    video.run(context, context.queue.get(job["id"]), lambda stage, share: said.append((stage, share)))
    shares = [share for _, share in said]
    assert shares == sorted(shares)
    assert shares[0] >= 0
    assert 0.9 < shares[-1] <= 1
    assert [stage for stage, _ in said][-1] == "encode"


def test_a_cancelled_job_leaves_nothing(client, context, alignment_id):
    from melisma.server.jobs.records import Cancelled, Why
    from melisma.server.work import video

    job = ask(client, alignment_id).json()

    def stop(stage, share):
        if stage == "encode":
            raise Cancelled(Why.WANTED)

    with pytest.raises(Cancelled):
        video.run(context, context.queue.get(job["id"]), stop)
    assert client.get(f"/v1/videos/{job['id']}").status_code == 404
    assert list((context.settings.data / "work").iterdir()) == []


def test_a_video_is_listed_and_removed(client, context, alignment_id, work):
    job = ask(client, alignment_id).json()
    work(job["id"])
    (listed,) = client.get(f"/v1/alignments/{alignment_id}/videos").json()["items"]
    assert (listed["id"], listed["version"], listed["media_type"]) == (job["id"], 1, "video/mp4")
    assert client.delete(f"/v1/videos/{job['id']}").status_code == 204
    assert client.get(f"/v1/videos/{job['id']}").status_code == 404
    assert client.delete(f"/v1/videos/{job['id']}").status_code == 404
    assert not list((context.settings.data / "files").rglob("*.mp4"))


def test_a_song_takes_its_videos_along(client, context, song, alignment_id, work):
    job = ask(client, alignment_id).json()
    work(job["id"])
    assert client.delete(f"/v1/songs/{song['id']}").status_code == 204
    assert client.get(f"/v1/videos/{job['id']}").status_code == 404
    assert not [path for path in (context.settings.data / "files").rglob("*") if path.is_file()]


def test_a_song_that_goes_meanwhile_ends_the_job(client, context, song, alignment_id):
    from melisma.core.errors import NotFound
    from melisma.server.work import video

    job = context.queue.get(ask(client, alignment_id).json()["id"])

    def stop(stage, share):
        if stage == "encode" and share < 1:
            client.delete(f"/v1/songs/{song['id']}")

    with pytest.raises(NotFound):
        video.run(context, job, stop)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_kept_as_ours_and_gone_when_it_is_drawn(client, context, alignment_id, work, kind):
    fields = {name: str(value) for name, value in SMALL.items()} | {"sung": "#ff00ff", "dim": "0.2", "count_in": "no"}
    answer = client.post(
        f"/v1/alignments/{alignment_id}/videos", data=fields, files={"picture": ("x.svg", picture(kind), "text/html")}
    )
    assert answer.status_code == 202, answer.text
    job = context.queue.get(answer.json()["id"])
    assert job.request["colours"]["sung"] == "#ff00ff"
    assert (job.request["dim"], job.request["count_in"]) == (0.2, False)
    kept = list((context.settings.data / "files").rglob("*.png"))
    assert len(kept) == 1
    assert kept[0].read_bytes().startswith(b"\x89PNG")
    done = work(job.id)
    assert done.state is JobState.DONE, done.problem
    assert not list((context.settings.data / "files").rglob("*.png"))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415),
        (b"<!doctype html><script>1</script>", 415),
        (b"GIF89a" + bytes(20), 415),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), 415),
    ],
)
def test_what_is_no_picture_is_refused(client, context, alignment_id, data, status):
    answer = client.post(f"/v1/alignments/{alignment_id}/videos", files={"picture": ("picture.png", data, "image/png")})
    assert answer.status_code == status
    assert str(context.settings.data) not in answer.text
    assert not list((context.settings.data / "files").rglob("*.png"))


def test_a_bomb_is_refused(client, alignment_id):
    data = picture(size=(9000, 9000))
    answer = client.post(f"/v1/alignments/{alignment_id}/videos", files={"picture": ("p.png", data, "image/png")})
    assert answer.status_code == 413
    assert "pixels" in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 321},
        {"width": 10},
        {"height": 99999},
        {"fps": 0},
        {"container": "avi"},
        {"background": "red"},
        {"background": "#00000g"},
        {"colours": {"sung": "#fff"}},
        {"colours": {"strange": "#ffffff"}},
        {"font": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"},
        {"font": "DejaVu Sans,1,&H0"},
        {"font_size": 5},
        {"title": 400 * "x"},
        {"title": "a\0b"},
        {"audio": "drums"},
        {"picture": "/etc/passwd"},
        {"version": 0},
    ],
)
def test_what_no_video_can_be_is_refused_before_any_job(client, context, alignment_id, wrong):
    answer = ask(client, alignment_id, **wrong)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not [job for job in context.queue.page()[0] if job.kind == "video"]


@pytest.mark.parametrize("wrong", [{"dim": "much"}, {"width": "wide"}, {"count_in": "perhaps"}, {"strange": "1"}])
def test_a_form_is_held_to_the_same(client, alignment_id, wrong):
    files = {"picture": ("p.png", picture(), "image/png")}
    assert client.post(f"/v1/alignments/{alignment_id}/videos", data=wrong, files=files).status_code == 422


def test_what_is_not_there_is_said(client, alignment_id, job):
    assert ask(client, uuid.uuid4().hex).status_code == 404
    assert ask(client, alignment_id, version=7).status_code == 404
    assert client.get(f"/v1/alignments/{uuid.uuid4().hex}/videos").status_code == 404
    answer = ask(client, alignment_id, audio="instrumental")
    assert answer.status_code == 409
    assert "/stems makes it" in answer.json()["detail"]


def test_an_alignment_that_is_not_ready_is_a_conflict(client, job):
    answer = ask(client, job["alignment_id"])
    assert answer.status_code == 409
    assert "not ready yet" in answer.json()["detail"]


def test_without_ffmpeg_it_is_501(client, alignment_id, monkeypatch):
    assert client.get("/v1/service").json()["video"] is True
    monkeypatch.setattr("melisma.audio.ffmpeg.shutil.which", lambda name: None)
    assert client.get("/v1/service").json()["video"] is False
    answer = ask(client, alignment_id)
    assert answer.status_code == 501
    assert "a video needs ffmpeg" in answer.json()["detail"]


def test_the_same_key_is_the_same_job(client, alignment_id):
    first = client.post(f"/v1/alignments/{alignment_id}/videos", json=SMALL, headers={"Idempotency-Key": "k"}).json()
    again = client.post(f"/v1/alignments/{alignment_id}/videos", json=SMALL, headers={"Idempotency-Key": "k"}).json()
    assert first["id"] == again["id"]
    other = client.post(
        f"/v1/alignments/{alignment_id}/videos", json=SMALL | {"fps": 20}, headers={"Idempotency-Key": "k"}
    )
    assert other.status_code == 409


def test_a_stem_is_no_video(client, context, song):
    from melisma.store.service import exports
    from melisma.store.service.exports import Made

    with context.files.incoming() as coming:
        coming.write(b"fLaC")
        stored = coming.keep(".flac")
    id = uuid.uuid4().hex
    with context.database.begin() as session:
        exports.add(session, id, Made(song["id"], "vocals", stored, "audio/flac", ".flac"))
    assert client.get(f"/v1/videos/{id}").status_code == 404
    assert client.delete(f"/v1/videos/{id}").status_code == 404


def test_words_that_hold_markup_make_a_video(client, context, work):
    from dataclasses import replace

    from made_songs import aligned

    song = upload(client, wav(seed=3), title=r"{\p1}", artist="<script>", lyrics=LYRICS)
    job = client.post("/v1/alignments", json={"song_id": song["id"]}).json()
    plain = aligned()
    words = tuple(replace(word, text=r"{\fs999}\N" + word.text) for word in plain.words)
    make(context, job["alignment_id"], replace(plain, words=words))
    video = ask(client, job["alignment_id"]).json()
    assert work(video["id"]).state is JobState.DONE
    said = client.get(f"/v1/videos/{video['id']}").headers["content-disposition"]
    assert "<" not in said


def test_fonts_are_listed(client):
    found = client.get("/v1/fonts").json()
    assert found["default"] in [*found["fonts"], "sans-serif"]
    assert not any("/" in name for name in found["fonts"])
    assert json.dumps(found)
