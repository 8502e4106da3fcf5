"""Alignments over HTTP: asked for, read in every format, corrected by version, undone, made anew, removed."""

from __future__ import annotations

import json
import threading

import pytest
from made_songs import LYRICS, aligned, make, upload, wav

pytest.importorskip("fastapi")

from melisma.core import plugins
from melisma.core.files import format_named
from melisma.formats import json as alignment_json
from melisma.store.entries import Source
from melisma.store.keys import Track
from melisma.store.service import alignments

MOVE = {"op": "move", "word": 0, "start_ms": 120, "end_ms": 240}


@pytest.fixture
def here(alignment_id):
    return f"/v1/alignments/{alignment_id}"


def ask(client, headers=None, **wish):
    return client.post("/v1/alignments", json=wish, headers=headers or {})


def request_of(context, job: dict) -> dict:
    return context.queue.get(job["id"]).request


def test_asking_makes_an_alignment_and_a_job(client, context, song):
    answer = ask(client, song_id=song["id"], language="fre", engine="phone", priority=3)
    job = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/jobs/{job['id']}")
    assert (job["kind"], job["state"], job["song_id"], job["priority"]) == ("align", "queued", song["id"], 3)
    assert job["links"]["alignment"] == f"/v1/alignments/{job['alignment_id']}"
    told = request_of(context, job)
    assert (told["language"], told["engine"], told["based_on"], told["fresh"]) == ("fr", "phone", 0, False)
    with context.database.begin(write=False) as session:
        found = alignments.get(session, job["alignment_id"])
    assert (found.version, found.lyrics, len(found.text_hash)) == (0, LYRICS, 64)
    info = client.get(f"/v1/alignments/{job['alignment_id']}/info").json()
    assert (info["version"], info["versions"], info["corrected"], info["source"]) == (0, 0, [], "")
    early = client.get(f"/v1/alignments/{job['alignment_id']}")
    assert early.status_code == 409
    assert "not ready yet" in early.json()["detail"]


def test_the_same_wish_is_the_same_alignment_and_the_same_job(client, song):
    first, again = ask(client, song_id=song["id"]).json(), ask(client, song_id=song["id"]).json()
    assert again == first
    spelt_out = ask(client, song_id=song["id"], lyrics={"text": LYRICS}, engine="auto").json()
    assert spelt_out == first
    other = ask(client, song_id=song["id"], refine="onset").json()
    assert other["alignment_id"] != first["alignment_id"]


def test_a_job_that_was_cancelled_is_asked_for_again(client, song, job):
    client.post(f"/v1/jobs/{job['id']}/cancel")
    again = ask(client, song_id=song["id"]).json()
    assert again["id"] != job["id"]
    assert again["alignment_id"] == job["alignment_id"]


@pytest.mark.parametrize(
    ("wish", "given"),
    [
        ({"lyrics": None}, None),
        (
            {"lyrics": {"artist": "Georges Bizet", "title": "Habanera"}},
            {"artist": "Georges Bizet", "title": "Habanera"},
        ),
    ],
)
def test_lyrics_may_be_heard_or_looked_for(client, context, song, wish, given):
    job = ask(client, song_id=song["id"], **wish).json()
    assert request_of(context, job)["lyrics"] == given


def test_the_language_of_the_song_is_that_of_its_lyrics(client, context):
    song = upload(client, language="hr", lyrics=LYRICS)
    assert request_of(context, ask(client, song_id=song["id"]).json())["language"] == "hr"
    assert request_of(context, ask(client, song_id=song["id"], language="sr").json())["language"] == "sr"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"engine": "gone"}, "no engine is called 'gone'"),
        ({"separate": "gone"}, "no separator is called 'gone'"),
        ({"refine": "gone"}, "gone"),
        ({"language": "klingon!"}, "is no language code"),
        ({"lyrics": {"text": "[Chorus]"}}, "the lyrics"),
        ({"lyrics": {"text": "   "}}, "the lyrics"),
        ({"lyrics": {"text": "a" * 200_001}}, "at most 200000"),
        ({"lyrics": {"artist": "A"}}, "give both artist and title"),
        ({"lyrics": {"text": "a", "title": "b", "artist": "c"}}, "give either text, or artist and title"),
        ({"lyrics": {"artist": "\u202e", "title": "x"}}, "cannot be empty"),
        ({"lyrics": "text"}, "body.lyrics"),
        ({"priority": 11}, "body.priority"),
        ({"fallback": "yes"}, "body.fallback"),
        ({"library": "a.wav"}, "give either song_id or library"),
        ({"other": 1}, "body.other"),
    ],
)
def test_wishes_that_cannot_be_are_refused_at_once(client, song, wish, said):
    answer = ask(client, song_id=song["id"], **wish)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert client.get("/v1/jobs").json()["items"] == client.get("/v1/alignments").json()["items"] == []


def test_a_song_that_is_not_there_is_said(client):
    answer = ask(client, song_id="0" * 32)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_a_form_brings_recording_and_lyrics_at_once(client, context):
    answer = client.post(
        "/v1/alignments",
        files={"audio": ("a.wav", wav()), "lyrics_file": ("a.txt", LYRICS.encode())},
        data={"title": "Habanera", "artist": "Bizet", "engine": "phone", "fallback": "true", "priority": "-2"},
    )
    assert answer.status_code == 202, answer.text
    job = answer.json()
    song = client.get(job["links"]["song"]).json()
    assert (song["title"], song["artist"], song["lyrics"], job["priority"]) == ("Habanera", "Bizet", LYRICS, -2)
    assert request_of(context, job)["fallback"] is True
    assert ask(client, song_id=song["id"], engine="phone", fallback=True).json()["alignment_id"] == job["alignment_id"]


def test_names_without_lyrics_are_what_to_look_for(client, context):
    data = {"title": "Habanera", "artist": "Bizet"}
    job = client.post("/v1/alignments", files={"audio": ("a.wav", wav())}, data=data).json()
    assert request_of(context, job)["lyrics"] == {"artist": "Bizet", "title": "Habanera"}


@pytest.mark.parametrize(
    ("data", "files", "said"),
    [
        ({"song_id": "0" * 32}, {"audio": ("a.wav", wav())}, "names another one"),
        ({"fallback": "perhaps"}, {"audio": ("a.wav", wav())}, "fallback is true or false"),
        ({"priority": "high"}, {"audio": ("a.wav", wav())}, "priority is a whole number"),
        ({"engine": "gone"}, {"audio": ("a.wav", wav())}, "no engine is called 'gone'"),
        ({"engine": "phone"}, {"lyrics_file": ("a.txt", b"hello")}, "give either song_id or library"),
        ({"lyrics": "hello"}, {"audio": ("a.wav", b"x" * 99)}, "a.wav is no recording"),
        ({}, {"audio": ("a.wav", wav()), "lyrics_file": ("words.txt", b" \n")}, "words.txt is empty"),
    ],
)
def test_forms_that_cannot_be_leave_nothing(client, data, files, said):
    answer = client.post("/v1/alignments", data=data, files=files)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    for path in ("songs", "alignments", "jobs"):
        assert client.get(f"/v1/{path}").json()["items"] == []


def test_a_form_may_name_a_song_that_is_here(client, song):
    answer = client.post("/v1/alignments", files={"lyrics_file": ("a.txt", b"hello")}, data={"song_id": song["id"]})
    assert (answer.status_code, answer.json()["song_id"]) == (202, song["id"])


def test_a_recording_of_the_library_is_aligned_where_it_lies(client, settings):
    (settings.library / "a.wav").write_bytes(wav(1.0))
    job = ask(client, library="a.wav", lyrics={"text": LYRICS}).json()
    assert client.get(job["links"]["song"]).json()["library"] == "a.wav"


def test_of_twins_with_one_key_one_makes_a_job(client, song):
    answers, start = [], threading.Barrier(4)

    def send():
        start.wait()
        answers.append(ask(client, {"Idempotency-Key": "twin"}, song_id=song["id"], lyrics={"text": "hello world"}))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 3
    assert len(client.get("/v1/jobs").json()["items"]) == 1
    other = ask(client, {"Idempotency-Key": "twin"}, song_id=song["id"], lyrics={"text": "other words"})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/key-used")


def test_a_key_of_a_call_that_failed_can_be_used_again(client, song):
    key = {"Idempotency-Key": "again"}
    assert ask(client, key, song_id="0" * 32).status_code == 404
    assert ask(client, key, song_id=song["id"]).status_code == 202


def test_json_comes_exactly_as_the_format_writes_it(client, here):
    answer = client.get(here)
    assert answer.content == alignment_json.write(aligned()).encode()
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["etag"], answer.headers["x-version"]) == ('"1"', "1")
    assert answer.headers["vary"] == "Accept"
    plain, full = (
        'filename="Georges Bizet  Habanera.json"',
        "filename*=UTF-8''Georges%20Bizet%20%E2%80%93%20Habanera.json",
    )
    assert answer.headers["content-disposition"] == f"inline; {plain}; {full}"


@pytest.mark.parametrize("name", sorted(plugins.names(plugins.FORMATS)))
def test_every_format_is_had_by_name(client, here, name):
    answer = client.get(here, params={"format": name})
    wanted = format_named(name)
    assert answer.content == wanted.write(aligned()).encode()
    assert answer.headers["content-type"].startswith(wanted.media_type)
    assert answer.headers["content-disposition"].startswith("inline" if name == "json" else "attachment")
    assert answer.headers["content-disposition"].split('"')[1].endswith(wanted.suffixes[0])


def test_the_karaoke_page_holds_the_recording(client, here, song):
    import base64

    answer = client.get(here, headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert base64.b64encode(wav()).decode() in answer.text
    assert "Habanera" in answer.text


def test_formats_have_tags_of_their_own(client, here):
    tags = {client.get(here, params={"format": name}).headers["etag"] for name in ("json", "vtt", "lrc", "html")}
    assert len(tags) == 4


def test_what_is_not_changed_is_not_sent_again(client, here):
    tag = client.get(here).headers["etag"]
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = client.get(here, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert client.get(here, headers={"If-None-Match": '"2"'}).status_code == 200
    assert client.get(here, headers={"If-None-Match": tag, "Accept": "text/vtt"}).status_code == 200
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    changed = client.get(here, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize(
    ("query", "accept", "status", "said"),
    [
        ("?format=mp3", "*/*", 422, "no format is called 'mp3'"),
        ("", "image/png", 406, "text/vtt (vtt)"),
        ("?version=2", "*/*", 404, "there is no version '2'"),
        ("?version=0", "*/*", 422, "query.version"),
        ("?version=x", "*/*", 422, "query.version"),
    ],
)
def test_what_there_is_not_is_said(client, here, query, accept, status, said):
    answer = client.get(here + query, headers={"Accept": accept})
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert client.get(here + query, headers={"Accept": accept, "If-None-Match": '"2"'}).status_code == status


def test_info_says_which_words_are_worth_a_look(client, here, alignment_id, song):
    info = client.get(f"{here}/info").json()
    assert (info["id"], info["song_id"], info["version"], info["versions"]) == (alignment_id, song["id"], 1, 1)
    assert (info["doubtful"], info["corrected"], info["source"], info["engine"]) == ([1], [], "ctc", "phone")
    assert info["links"]["audio"] == song["links"]["audio"]
    client.patch(f"{here}/words", json={"version": 1, "edits": [{"op": "confirm", "words": [1, 2]}]})
    info = client.get(f"{here}/info").json()
    assert (info["doubtful"], info["corrected"]) == ([], [1])


def test_a_correction_is_a_new_version(client, here):
    answer = client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE], "summary": "Hello earlier"})
    assert answer.status_code == 200, answer.text
    saved = answer.json()
    assert (saved["version"], saved["corrected"]) == (2, [0])
    word = client.get(here).json()["words"][0]
    assert (word["start_ms"], word["end_ms"], word["confidence"]) == (120, 240, 1.0)
    assert [(each["text"], each["start_ms"]) for each in saved["alignment"]["words"]] == [
        (each["text"], each["start_ms"]) for each in client.get(here).json()["words"]
    ]
    assert client.get(f"{here}?version=1").json()["words"][0]["start_ms"] == 100
    assert client.get(f"{here}/versions/1").json() == client.get(f"{here}?version=1").json()
    found = client.get(f"{here}/versions").json()["items"]
    told = [(each["version"], each["parent"], each["source"], each["summary"], each["n_corrected"]) for each in found]
    assert told == [(2, 1, "user_corrected", "Hello earlier", 1), (1, 0, "ctc", "by an engine", 0)]


def test_of_two_editors_one_is_told(client, here):
    first = client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    second = client.patch(f"{here}/words", json={"version": 1, "edits": [{**MOVE, "start_ms": 130}]})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["type"] == "/problems/version-conflict"
    assert "at version 2 by now" in second.json()["detail"]
    assert client.get(here).json()["words"][0]["start_ms"] == 120


def test_of_many_editors_at_once_one_gets_through(client, here):
    statuses, start = [], threading.Barrier(5)

    def save():
        start.wait()
        statuses.append(client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]}).status_code)

    threads = [threading.Thread(target=save) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert len(client.get(f"{here}/versions").json()["items"]) == 2


@pytest.mark.parametrize(
    ("body", "tag", "status"),
    [
        ({}, '"1"', 200),
        ({}, '"1-vtt"', 200),
        ({"version": 1}, '"1"', 200),
        ({}, None, 422),
        ({"version": 1}, '"2"', 422),
        ({}, '"x"', 422),
        ({}, "*", 422),
        ({}, '"3"', 409),
    ],
)
def test_the_version_is_said_in_the_body_or_by_its_tag(client, here, body, tag, status):
    headers = {} if tag is None else {"If-Match": tag}
    assert client.patch(f"{here}/words", json={**body, "edits": [MOVE]}, headers=headers).status_code == status


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [{"op": "other", "word": 0}],
        [{"op": "move", "word": 99, "start_ms": 0, "end_ms": 10}],
        [{"op": "move", "word": 0, "start_ms": 20, "end_ms": 10}],
        [MOVE, {"op": "retype", "word": 0, "text": "two words"}],
        [{"op": "retype", "word": 0, "text": ""}],
        [{"op": "merge", "word": 2}],
        [{"op": "shift", "words": [0, 6], "by_ms": 10_000_000}],
        [{**MOVE, "word": -1}],
        [{**MOVE, "more": 1}],
        "move",
    ],
)
def test_edits_that_cannot_be_done_change_nothing(client, here, edits):
    before = client.get(here).content
    answer = client.patch(f"{here}/words", json={"version": 1, "edits": edits})
    assert answer.status_code == 422, answer.text
    assert (client.get(here).content, client.get(here).headers["etag"]) == (before, '"1"')


def start_of(client, here) -> int:
    return client.get(here).json()["words"][0]["start_ms"]


def test_undo_goes_back_and_restore_goes_forth(client, here):
    for k, start in enumerate((120, 130, 140)):
        client.patch(f"{here}/words", json={"version": k + 1, "edits": [{**MOVE, "start_ms": start}]})
    assert start_of(client, here) == 140
    for version, start in ((4, 130), (5, 120), (6, 100)):
        undone = client.post(f"{here}/undo", json={"version": version})
        assert undone.status_code == 200
        assert undone.json()["version"] == version + 1
        assert start_of(client, here) == start
    end = client.post(f"{here}/undo", json={"version": 7})
    assert (end.status_code, end.json()["type"]) == (409, "/problems/conflict")
    assert "nothing to undo" in end.json()["detail"]
    redone = client.post(f"{here}/restore", json={"version": 7, "to": 4}).json()
    assert (redone["version"], redone["corrected"], start_of(client, here)) == (8, [0], 140)
    assert client.post(f"{here}/undo", json={"version": 8}).json()["version"] == 9
    assert start_of(client, here) == 100
    assert len(client.get(f"{here}/versions").json()["items"]) == 9


def test_what_is_undone_has_the_source_of_what_it_goes_back_to(client, here):
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    client.post(f"{here}/undo", json={"version": 2})
    info = client.get(f"{here}/info").json()
    assert (info["version"], info["source"], info["corrected"]) == (3, "ctc", [])


@pytest.mark.parametrize(("path", "body"), [("undo", {"version": 9}), ("restore", {"version": 9, "to": 1})])
def test_undo_and_restore_need_the_current_version(client, here, path, body):
    answer = client.post(f"{here}/{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/version-conflict")


def test_a_version_that_is_not_there_is_not_restored(client, here):
    assert client.post(f"{here}/restore", json={"version": 1, "to": 7}).status_code == 404


def test_versions_are_listed_page_by_page(client, here):
    for k in range(1, 5):
        client.patch(f"{here}/words", json={"version": k, "edits": [MOVE]})
    first = client.get(f"{here}/versions?limit=3").json()
    second = client.get(f"{here}/versions", params={"limit": 3, "cursor": first["next"]}).json()
    assert [each["version"] for each in first["items"] + second["items"]] == [5, 4, 3, 2, 1]
    assert second["next"] is None
    assert client.get(f"{here}/versions?cursor=x").status_code == 422


@pytest.fixture
def kept(context, alignment_id, monkeypatch):
    """A cache of the service's, and the track of the alignment in it."""
    from melisma.store.cache import Cache
    from melisma.store.settings import CacheSettings

    cache = Cache(CacheSettings(url=f"sqlite:///{context.settings.data}/cache.sqlite"))
    monkeypatch.setitem(context.__dict__, "cache", cache)
    with context.database.begin() as session:
        alignments.know_track(session, alignment_id, audio_hash="5" * 64, text_hash="6" * 64)
    return cache, Track("5" * 64, "6" * 64)


def test_the_cache_learns_of_corrections_and_forgets_what_is_taken_back(client, here, kept):
    cache, track = kept
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    found = cache.best(track)
    assert (found.source, found.title, found.alignment.words[0].start_ms) == (Source.USER_CORRECTED, "Habanera", 120)
    client.post(f"{here}/undo", json={"version": 2})
    assert cache.best(track) is None
    client.post(f"{here}/restore", json={"version": 3, "to": 2})
    assert cache.best(track).alignment.words[0].start_ms == 120
    client.delete(here)
    assert cache.best(track) is None


@pytest.fixture
def meanwhile(kept, monkeypatch):
    """Have something happen after a version was saved, and right before the cache hears of it, once."""
    cache, _ = kept
    keep = cache.keep

    def after(happen):
        def keep_late(*arguments, **names):
            monkeypatch.setattr(cache, "keep", keep)
            happen()
            keep(*arguments, **names)

        monkeypatch.setattr(cache, "keep", keep_late)

    return after


def test_whoever_comes_to_the_cache_last_tells_it_what_is_newest(client, here, kept, meanwhile):
    cache, track = kept
    later = {**MOVE, "start_ms": 130}
    meanwhile(lambda: client.patch(f"{here}/words", json={"version": 2, "edits": [later]}))
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    assert cache.best(track).alignment.words[0].start_ms == 130


def test_what_is_taken_back_meanwhile_does_not_come_back_to_the_cache(client, here, kept, meanwhile):
    cache, track = kept
    meanwhile(lambda: client.post(f"{here}/restore", json={"version": 2, "to": 1}))
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    assert cache.best(track) is None


def test_nor_does_what_is_removed_meanwhile(client, here, kept, meanwhile):
    cache, track = kept
    meanwhile(lambda: client.delete(here))
    client.patch(f"{here}/words", json={"version": 1, "edits": [MOVE]})
    assert cache.best(track) is None


def test_making_it_anew_is_a_job_past_the_cache(client, context, here, alignment_id):
    answer = client.post(f"{here}/regenerate", json={"engine": "phone", "keep_corrections": True})
    assert answer.status_code == 202
    told = request_of(context, answer.json())
    wanted = {"alignment_id": alignment_id, "based_on": 1, "fresh": True, "keep_corrections": True, "engine": "phone"}
    assert {name: told[name] for name in wanted} == wanted
    assert client.post(f"{here}/regenerate", json={"engine": "gone"}).status_code == 422
    assert client.post(f"{here}/regenerate", json={"other": 1}).status_code == 422


def test_realigning_is_a_job_on_the_current_version(client, context, here, alignment_id):
    body = {"version": 1, "words": [0, 3], "corrected": [0], "edits": [MOVE], "preview": True}
    answer = client.post(f"{here}/realign", json=body)
    assert (answer.status_code, answer.json()["kind"]) == (202, "realign")
    told = request_of(context, answer.json())
    assert told["edits"] == [{**MOVE, "ripple": False}]
    assert (told["words"], told["corrected"], told["preview"], told["based_on"]) == ([0, 3], [0], True, 1)
    assert client.post(f"{here}/realign", json={"version": 2}).status_code == 409
    assert client.post(f"{here}/realign", json={}).status_code == 422


@pytest.mark.parametrize("path", ["regenerate", "realign"])
def test_jobs_on_an_alignment_are_asked_for_once_by_key(client, here, path):
    def post(**body):
        return client.post(f"{here}/{path}", json=body, headers={"Idempotency-Key": "k"}).json()

    body = {"version": 1} if path == "realign" else {}
    assert post(**body) == post(**body)
    assert post(**body, priority=1)["type"] == "/problems/key-used"


def test_removing_an_alignment_leaves_its_song(client, here, job, song):
    assert client.delete(here).status_code == 204
    for path in (here, f"{here}/info", f"{here}/versions", f"/v1/jobs/{job['id']}"):
        assert client.get(path).status_code == 404
    assert client.delete(here).status_code == 404
    assert client.get(song["links"]["self"]).json()["alignment"] is None


def test_alignments_are_listed(client, context, song, alignment_id):
    other = upload(client, wav(seed=5), lyrics=LYRICS)
    ask(client, song_id=other["id"])
    found = client.get("/v1/alignments").json()["items"]
    assert [each["version"] for each in found] == [0, 1]
    mine = client.get("/v1/alignments", params={"song_id": song["id"]}).json()["items"]
    assert [each["id"] for each in mine] == [alignment_id]
    first = client.get("/v1/alignments?limit=1").json()
    second = client.get("/v1/alignments", params={"limit": 1, "cursor": first["next"]}).json()
    assert [each["id"] for each in first["items"] + second["items"]] == [each["id"] for each in found]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/info", None),
        ("GET", "/versions", None),
        ("GET", "/versions/1", None),
        ("PATCH", "/words", {"version": 1, "edits": [MOVE]}),
        ("POST", "/undo", {"version": 1}),
        ("POST", "/restore", {"version": 1, "to": 1}),
        ("POST", "/regenerate", {}),
        ("POST", "/realign", {"version": 1}),
        ("DELETE", "", None),
    ],
)
def test_an_alignment_that_is_not_there_is_said(client, method, path, body):
    answer = client.request(method, f"/v1/alignments/{'0' * 32}{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def test_what_was_written_is_kept_for_the_next(client, context, here, monkeypatch):
    first = client.get(here).content

    def version(*_):
        raise AssertionError("the words were read again")

    monkeypatch.setattr("melisma.store.service.alignments.version", version)
    assert client.get(here).content == first
    assert json.loads(first)["schema"] == "melisma.alignment/1"


def test_another_process_that_saves_is_noticed(client, context, here, alignment_id):
    client.get(here)
    make(context, alignment_id, source=Source.USER_CORRECTED)
    assert client.get(here).headers["etag"] == '"2"'


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb", "\\u0000"])
def test_a_summary_that_no_database_can_hold_is_refused(client, alignment_id, text):
    body = f'{{"version": 1, "summary": "{text}", "edits": [{{"op": "confirm", "words": [0, 1]}}]}}'
    path = f"/v1/alignments/{alignment_id}/words"
    answer = client.patch(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].startswith("body.summary cannot be taken: the text holds ")
    assert client.get(f"/v1/alignments/{alignment_id}/info").json()["version"] == 1


def test_an_answer_repeats_little_of_what_was_sent(client, alignment_id):
    edits = [{"op": "x" * 100_000, "word": 0}]
    for body in ({"version": 1, "x" * 100_000: 1, "edits": edits}, {"version": 1, "edits": edits}):
        answer = client.patch(f"/v1/alignments/{alignment_id}/words", json=body)
        assert answer.status_code == 422
        assert "xxx" in answer.json()["detail"]
        assert len(answer.content) < 4000
