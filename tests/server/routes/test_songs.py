"""Songs over HTTP: uploads, the library, names, lists, and what is removed with them."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest
from made_songs import LYRICS, aligned, make, upload, wav

pytest.importorskip("fastapi")

from melisma.server.settings import Limits
from melisma.store.entries import Source
from melisma.store.keys import Track
from melisma.store.service import alignments, exports
from melisma.store.service.exports import Made


def files_of(context) -> list[str]:
    found = []
    for folder, _, names in os.walk(context.settings.data):
        found += [name for name in names if "sqlite" not in name and name not in ("session.key",)]
        assert not folder.endswith("incoming") or not names  # nothing waits
    return sorted(found)


def test_an_upload_is_a_song(client, context):
    answer = client.post(
        "/v1/songs",
        files={"audio": ("../../My song.MP3", wav(), "text/html")},
        data={"title": "<b>Habanera</b>", "artist": "Georges Bizet", "language": "fre", "lyrics": LYRICS},
    )
    assert answer.status_code == 201
    song = answer.json()
    assert answer.headers["location"] == song["links"]["self"] == f"/v1/songs/{song['id']}"
    told = {name: song[name] for name in ("title", "artist", "language", "lyrics", "file_name", "media_type")}
    assert told == {
        "title": "<b>Habanera</b>",
        "artist": "Georges Bizet",
        "language": "fr",
        "lyrics": LYRICS,
        "file_name": "My song.MP3",
        "media_type": "audio/wav",
    }
    assert (song["duration_ms"], song["size_bytes"], song["has_lyrics"]) == (2000, len(wav()), True)
    assert (song["alignment"], song["job"], song["stems"], song["library"]) == (None, None, [], None)
    assert client.get(f"/v1/songs/{song['id']}").json() == song
    assert client.get(song["links"]["audio"]).content == wav()
    assert len(files_of(context)) == 1


def test_the_same_bytes_are_the_same_song(client, context, song):
    answer = client.post("/v1/songs", files={"audio": ("other.flac", wav())}, data={"title": "Another"})
    assert answer.status_code == 200
    assert answer.json() == song
    assert answer.headers["location"] == f"/v1/songs/{song['id']}"
    assert len(files_of(context)) == 1


def test_the_title_is_that_of_the_file_where_nothing_else_says_it(client):
    assert upload(client, name="Carmen Suite.ogg")["title"] == "Carmen Suite"


def test_lyrics_come_as_a_file_in_any_encoding(client):
    answer = client.post(
        "/v1/songs",
        files={"audio": ("a.wav", wav()), "lyrics_file": ("a.txt", "élève à l'été\r\ndéjà vu".encode("cp1252"))},
    )
    assert answer.json()["lyrics"] == "élève à l'été\ndéjà vu"


REFUSED = {
    "no recording": ({"audio": ("a.mp3", b"hello" * 99)}, {}, 422, "a.mp3 is no recording"),
    "empty": ({"audio": ("a.mp3", b"")}, {}, 422, "the part 'audio' is empty"),
    "no audio": ({"lyrics_file": ("a.txt", b"hello")}, {}, 422, "there is no recording: send the part 'audio'"),
    "other part": (
        {"audio": ("a.wav", wav()), "picture": ("p", b"x")},
        {},
        422,
        "takes no part 'picture', only artist, audio",
    ),
    "both lyrics": (
        {"audio": ("a.wav", wav()), "lyrics_file": ("a.txt", b"hello")},
        {"lyrics": "hello"},
        422,
        "both lyrics and lyrics_file",
    ),
    "long title": ({"audio": ("a.wav", wav())}, {"title": "x" * 301}, 422, "the title has 301 characters"),
    "huge title": ({"audio": ("a.wav", wav())}, {"title": "x" * 5000}, 413, "the part 'title' is larger than"),
    "no language": ({"audio": ("a.wav", wav())}, {"language": "klingon!"}, 422, "is no language code"),
    "nothing sung": ({"audio": ("a.wav", wav())}, {"lyrics": "[Chorus]"}, 422, "the lyrics"),
    "long lyrics": ({"audio": ("a.wav", wav())}, {"lyrics": "la " * 70_000}, 422, "at most 200000 are taken"),
    "binary lyrics": (
        {"audio": ("a.wav", wav()), "lyrics_file": ("a.txt", bytes(range(256)) * 9)},
        {},
        422,
        "a.txt",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_nothing(client, context, name):
    files, data, status, said = REFUSED[name]
    answer = client.post("/v1/songs", files=files, data=data)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]
    assert str(context.settings.data) not in answer.text
    assert files_of(context) == []
    assert client.get("/v1/songs").json()["items"] == []


@pytest.mark.parametrize(
    ("limits", "status", "said"),
    [
        (Limits(duration_s=1.5), 422, "song.wav is longer than the 1.5 s that this service takes"),
        (Limits(upload_bytes=20_000), 413, "larger than"),
    ],
)
def test_limits_hold(settings, limits, status, said):
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app
    from melisma.server.context import Context

    context = Context(replace(settings, limits=limits))
    with TestClient(create_app(context), base_url="http://127.0.0.1:8765") as client:
        answer = client.post("/v1/songs", files={"audio": ("song.wav", wav())})
        assert answer.status_code == status
        assert said in answer.json()["detail"]
        assert files_of(context) == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"hello", 415),
        ("application/x-www-form-urlencoded", b"a=b", 415),
        ("", b"", 415),
        ("application/json", b"{", 422),
        ("application/json", b"[" * 100_000, 422),
        ("application/json", b'{"library": "a.wav", "other": 1}', 422),
        ("application/json", b'{"library": 1}', 422),
        ("application/json", b'{"library": "a.wav", "title": "\\u0000"}', 422),
        ("application/json", b'{"library": "a.wav", "title": "\\ud800"}', 422),
        ("application/json", b'{"library": "\xff"}', 422),
        ("multipart/form-data", b"x", 422),
        ("multipart/form-data; boundary=b", b"x", 422),
    ],
)
def test_bodies_that_are_none_are_refused(client, kind, body, status):
    answer = client.post("/v1/songs", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture
def in_library(settings):
    folder = settings.library / "folder"
    folder.mkdir()
    (folder / "song.wav").write_bytes(wav(1.0, seed=3))
    return "folder/song.wav"


def test_a_recording_of_the_library_stays_where_it_is(client, context, in_library):
    answer = client.post("/v1/songs", json={"library": in_library, "artist": "Anna", "lyrics": LYRICS})
    assert answer.status_code == 201
    song = answer.json()
    assert (song["library"], song["title"], song["artist"]) == (in_library, "song", "Anna")
    assert files_of(context) == []
    assert client.get(song["links"]["audio"]).content == wav(1.0, seed=3)
    assert client.post("/v1/songs", json={"library": in_library}).status_code == 200
    assert client.delete(song["links"]["self"]).status_code == 204
    assert (context.settings.library / in_library).exists()


def test_what_was_in_the_library_is_kept_once_it_is_uploaded(client, context, in_library):
    there = client.post("/v1/songs", json={"library": in_library}).json()
    uploaded = client.post("/v1/songs", files={"audio": ("b.wav", wav(1.0, seed=3))})
    assert (uploaded.status_code, uploaded.json()["id"]) == (200, there["id"])
    assert uploaded.json()["library"] is None
    (context.settings.library / in_library).unlink()
    assert client.get(there["links"]["audio"]).content == wav(1.0, seed=3)


@pytest.mark.parametrize(
    ("path", "status"), [("../data/melisma.sqlite", 404), ("/etc/passwd", 404), ("gone.wav", 404), ("a\\b", 422)]
)
def test_nothing_outside_the_library_is_named(client, settings, path, status):
    answer = client.post("/v1/songs", json={"library": path})
    assert answer.status_code == status
    assert str(settings.library) not in answer.text


def test_a_text_in_the_library_is_no_song(client, settings):
    (settings.library / "passwd.mp3").write_text("root:x:0:0\n" * 50)
    answer = client.post("/v1/songs", json={"library": "passwd.mp3"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/not-audio"
    assert "root" not in answer.text


def test_names_can_be_changed(client, song):
    here = song["links"]["self"]
    changed = client.patch(here, json={"title": "  Carmen \n ", "language": "FR", "lyrics": "L'amour\nest"}).json()
    assert (changed["title"], changed["artist"], changed["language"]) == ("Carmen", "Georges Bizet", "fr")
    assert client.get(here).json() == changed
    emptied = client.patch(here, json={"lyrics": "", "language": ""}).json()
    assert (emptied["has_lyrics"], emptied["lyrics"], emptied["language"]) == (False, "", "")


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x" * 301},
        {"other": 1},
        {"title": 1},
        {"language": "klingon!"},
        {"lyrics": "[Chorus]"},
        {"id": "x"},
        [],
    ],
)
def test_changes_that_are_none_change_nothing(client, song, change):
    assert client.patch(song["links"]["self"], json=change).status_code == 422
    assert client.get(song["links"]["self"]).json() == song


def test_songs_are_listed_page_by_page(client):
    made = [upload(client, wav(0.2, seed=k), title=f"Song {k}")["id"] for k in range(5)]
    first = client.get("/v1/songs", params={"limit": 3}).json()
    second = client.get("/v1/songs", params={"limit": 3, "cursor": first["next"]}).json()
    assert [song["id"] for song in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
    assert first["items"][0]["lyrics"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=x", "status=other", "search=" + "x" * 301]
)
def test_lists_that_cannot_be_are_refused(client, query):
    assert client.get(f"/v1/songs?{query}").status_code == 422


def test_a_list_shows_what_has_become_of_songs(client, context, song, job):
    def only(**query):
        return client.get("/v1/songs", params=query).json()["items"]

    assert only(status="working")[0]["job"] == {
        "id": job["id"],
        "kind": "align",
        "state": "queued",
        "stage": "",
        "percent": 0.0,
    }
    make(context, job["alignment_id"])
    client.post(f"/v1/jobs/{job['id']}/cancel")
    found = only(status="ready", search="bizet HABA")
    assert [each["id"] for each in found] == [song["id"]]
    assert found[0]["alignment"]["id"] == job["alignment_id"]
    assert (found[0]["alignment"]["version"], found[0]["alignment"]["n_words"]) == (1, 6)
    assert found[0]["job"] is None
    assert only(status="new") == only(status="failed") == only(search="verdi") == only(search="%") == []


def test_removing_a_song_removes_all_of_it(settings, tmp_path, monkeypatch):
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app
    from melisma.server.context import Context

    monkeypatch.setenv("MELISMA_CACHE_URL", f"sqlite:///{tmp_path}/cache.sqlite")
    context = Context(settings)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8765") as client:
        song = upload(client, title="Habanera", lyrics=LYRICS)
        job = client.post("/v1/alignments", json={"song_id": song["id"]}).json()
        make(context, job["alignment_id"])
        sound, track = "5" * 64, Track("5" * 64, "6" * 64)
        with context.database.begin() as session:
            alignments.know_track(session, job["alignment_id"], audio_hash=sound, text_hash="6" * 64)
        with context.files.incoming() as coming:
            coming.write(b"a film")
            film = coming.keep(".mp4")
        with context.database.begin() as session:
            exports.add(session, "e" * 32, Made(song["id"], "video", film, "video/mp4", ".mp4", job["alignment_id"], 1))
        from melisma.audio.decode import SOUND_VERSION
        from melisma.store.service import songs

        with context.database.begin(write=False) as session:
            content = songs.get(session, song["id"]).recording.content
        context.cache.remember_sound(content, SOUND_VERSION, sound)
        assert context.cache.keep(Source.USER_CORRECTED, track, aligned())
        other = Track("7" * 64, "6" * 64)
        assert context.cache.keep(Source.USER_CORRECTED, other, aligned())
        assert client.get(f"{song['links']['peaks']}").status_code == 200
        assert len(files_of(context)) == 3

        assert client.delete(song["links"]["self"]).status_code == 204
        assert files_of(context) == []
        assert context.cache.sound_of(content, SOUND_VERSION) is None
        assert context.cache.best(track) is None
        assert context.cache.best(other) is not None
        for path in (song["links"]["self"], song["links"]["audio"], f"/v1/jobs/{job['id']}", job["links"]["alignment"]):
            assert client.get(path).status_code == 404, path
        assert client.delete(song["links"]["self"]).status_code == 404


def test_a_song_that_is_uploaded_while_it_is_removed_has_its_file(client):
    """Whatever the order, a song that is there has its recording."""
    for _ in range(5):
        song = upload(client)
        threads = [
            threading.Thread(target=client.delete, args=(song["links"]["self"],)),
            threading.Thread(target=upload, args=(client,)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each in client.get("/v1/songs").json()["items"]:
            assert client.get(each["links"]["audio"]).status_code == 200


@pytest.mark.parametrize("id", ["0" * 32, "x", "A" * 32, "..", "%2e%2e", "0" * 33])
def test_songs_that_are_not_there(client, id):
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/v1/songs/{id}").status_code in (404, 405, 422)


def test_the_same_key_and_the_same_upload_is_answered_the_same(client):
    def post(data, **fields):
        return client.post(
            "/v1/songs", files={"audio": ("a.wav", data)}, data=fields, headers={"Idempotency-Key": "key-1"}
        )

    first, again = post(wav(), title="A"), post(wav(), title="A")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    other = post(wav(seed=9), title="A")
    assert other.status_code == 409
    assert other.json()["type"] == "/problems/key-used"
    assert post(wav(), title="B").status_code == 409
    assert len(client.get("/v1/songs").json()["items"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é"])
def test_keys_that_are_none_are_refused(client, key):
    headers = {"Idempotency-Key": key.encode("utf-8")}
    assert client.post("/v1/songs", files={"audio": ("a.wav", wav())}, headers=headers).status_code == 422
