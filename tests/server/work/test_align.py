"""The job that aligns a song: by an engine, once however often it is run, and by what a person has brought."""

from __future__ import annotations

import numpy as np
import pytest

from melisma.core.errors import NotFound, VersionConflict
from melisma.lyrics.protocol import LyricsNotFound
from melisma.server.jobs.records import Cancelled, Why


def info(client, alignment_id: str) -> dict:
    return client.get(f"/v1/alignments/{alignment_id}/info").json()


def starts(document: dict) -> list[int | None]:
    return [word["start_ms"] for word in document["words"]]


def move(client, alignment_id: str, version: int, word: int, start_ms: int, end_ms: int) -> dict:
    edit = {"op": "move", "word": word, "start_ms": start_ms, "end_ms": end_ms}
    answer = client.patch(f"/v1/alignments/{alignment_id}/words", json={"version": version, "edits": [edit]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_words_are_placed_where_they_are_sung(ask, run, read, client, sung, told):
    job = ask()
    assert run(job) == {"alignment_id": job["alignment_id"], "version": 1}
    found = np.array(starts(read(job["alignment_id"])), float)
    true = np.array([1000 * word.starts_s[0] for word in sung.words])
    assert np.median(np.abs(found - true)) < 100
    said = info(client, job["alignment_id"])
    assert (said["version"], said["source"], said["engine"], said["corrected"]) == (1, "ctc", "phone", [])
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    assert [stage for stage, _ in told][-1] == "save"


def test_a_job_that_is_run_twice_makes_one_version(ask, run, client):
    job = ask()
    assert run(job) == run(job, 2)
    assert info(client, job["alignment_id"])["version"] == 1


def test_a_job_that_is_cancelled_keeps_nothing(ask, context, client):
    from melisma.server.work import align

    def report(stage: str, share: float) -> None:
        if stage == "align":
            raise Cancelled(Why.WANTED)

    job = ask()
    with pytest.raises(Cancelled):
        align.run(context, context.queue.get(job["id"]), report)
    assert info(client, job["alignment_id"])["version"] == 0


def test_a_song_that_was_removed_meanwhile_is_said_to_be_gone(ask, context, client, song, told):
    from melisma.server.work import align

    job = context.queue.get(ask()["id"])
    client.delete(f"/v1/songs/{song['id']}")
    with pytest.raises(NotFound):
        align.run(context, job, told)


def test_lyrics_are_found_by_name_and_kept(ask, run, context, client, song, tmp_path, monkeypatch, sung):
    folder = tmp_path / "lyrics"
    folder.mkdir()
    (folder / "Somebody - A Song.txt").write_text(sung.lyrics)
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(folder))
    monkeypatch.setenv("MELISMA_LYRICS_PROVIDERS", "folder")
    job = ask(lyrics={"artist": "Somebody", "title": "A Song"})
    result = run(job)
    assert info(client, result["alignment_id"])["n_words"] == len(sung.words)
    (folder / "Somebody - A Song.txt").unlink()
    again = client.post(f"/v1/alignments/{result['alignment_id']}/regenerate", json={}).json()
    assert run(again)["version"] == 2  # with the lyrics as they were found


def test_lyrics_that_nobody_has_are_one_sentence_and_no_version(ask, run, client, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(tmp_path))
    monkeypatch.setenv("MELISMA_LYRICS_PROVIDERS", "folder")
    job = ask(lyrics={"artist": "Nobody", "title": "Nothing"})
    with pytest.raises(LyricsNotFound, match="Nothing"):
        run(job)
    assert info(client, job["alignment_id"])["version"] == 0


def test_regenerating_makes_a_new_version_and_keeps_the_old(ask, run, read, client):
    id = run(ask())["alignment_id"]
    move(client, id, 1, 0, 0, 100)
    job = client.post(f"/v1/alignments/{id}/regenerate", json={}).json()
    assert run(job) == {"alignment_id": id, "version": 3}
    assert run(job, 2) == {"alignment_id": id, "version": 3}
    assert starts(read(id)) == starts(read(id, 1))
    assert starts(read(id, 2))[0] == 0
    assert (info(client, id)["source"], info(client, id)["corrected"]) == ("ctc", [])


def test_regenerating_may_keep_what_a_person_has_set(ask, run, read, client):
    id = run(ask())["alignment_id"]
    before = starts(read(id))
    moved = before[4] + 90
    client.patch(
        f"/v1/alignments/{id}/words",
        json={
            "version": 1,
            "edits": [
                {"op": "move", "word": 4, "start_ms": moved, "end_ms": moved + 150},
                {"op": "retype", "word": 7, "text": "hey"},
            ],
        },
    )
    job = client.post(f"/v1/alignments/{id}/regenerate", json={"keep_corrections": True}).json()
    assert run(job)["version"] == 3
    now = read(id)
    assert (now["words"][4]["start_ms"], now["words"][4]["end_ms"]) == (moved, moved + 150)
    assert now["words"][7]["text"] == "hey"
    assert (info(client, id)["source"], info(client, id)["corrected"]) == ("user_corrected", [4])


def test_what_somebody_saved_meanwhile_is_not_covered(ask, run, client):
    id = run(ask())["alignment_id"]
    job = client.post(f"/v1/alignments/{id}/regenerate", json={}).json()
    move(client, id, 1, 0, 0, 100)
    for attempt in (1, 2):
        with pytest.raises(VersionConflict, match="at version 2 by now, the change was made on version 1"):
            run(job, attempt)


def test_a_correction_is_what_the_next_alignment_of_the_same_finds(
    ask, run, read, client, tmp_path, monkeypatch, context, recording, sung
):
    """The command line's too: both have one cache."""
    from melisma import align
    from melisma.pipeline.align import AlignConfig
    from melisma.text.lyrics import from_text

    monkeypatch.setenv("MELISMA_CACHE_URL", f"sqlite:///{tmp_path / 'cache.sqlite'}")
    id = run(ask())["alignment_id"]
    moved = starts(read(id))[2] + 70
    move(client, id, 1, 2, moved, moved + 100)
    (tmp_path / "copy.flac").write_bytes(recording)
    found = align(tmp_path / "copy.flac", from_text(sung.lyrics), config=AlignConfig(cache=context.cache))
    assert found.words[2].start_ms == moved
    again = ask(refine="onset")  # other options: another alignment of the same track
    assert again["alignment_id"] != id
    run(again)
    said = info(client, again["alignment_id"])
    assert (said["source"], said["corrected"]) == ("user_corrected", [2])


def test_no_path_of_the_server_is_in_an_error(ask, context, told, client, song):
    from melisma.core.errors import MelismaError
    from melisma.server.recordings import recording as recording_of
    from melisma.server.work import align

    job = context.queue.get(ask()["id"])
    path = recording_of(context, song["id"]).path
    path.chmod(0o600)
    path.write_bytes(b"no recording at all")
    with pytest.raises(MelismaError) as error:
        align.run(context, job, told)
    assert "sung.flac" in str(error.value)
    assert str(path.parent) not in str(error.value)
