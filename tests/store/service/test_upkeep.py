"""What gathers dust is removed, what anything refers to stays, and what is young is left alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from melisma.core.errors import StoreError
from melisma.store.service import exports, songs
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.files import FileStore
from melisma.store.service.upkeep import Swept, files_named, sweep

OLD = timedelta(days=3)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def database(service_url):
    database = ServiceDatabase(service_url)
    yield database
    database.close()


@pytest.fixture
def files(data):
    return FileStore(data / "files")


def keep(files: FileStore, content: bytes, suffix: str = ".mp3", *, old: bool = True):
    """Store a file, as if some days ago."""
    with files.incoming() as coming:
        coming.write(content)
        stored = coming.keep(suffix)
    if old:
        make_old(stored.path)
    return stored


def make_old(path: Path) -> None:
    then = (datetime.now(UTC) - OLD).timestamp()
    os.utime(path, (then, then))


def song_of(database, stored, library_path=None):
    recording = songs.Recording(stored.content, "audio/mpeg", ".mp3", stored.size_bytes, 1000, "a.mp3", library_path)
    with database.begin() as session:
        return songs.add(session, recording, songs.Names(title="A"))[0]


def test_nothing_there_is_nothing_removed(database, data):
    assert sweep(database, data, 30) == Swept()
    assert not data.exists()


def test_files_that_no_row_names_are_removed_once_they_are_old(database, data, files):
    named, orphan, young = keep(files, b"named"), keep(files, b"orphan"), keep(files, b"young", old=False)
    song_of(database, named)
    assert sweep(database, data, 30) == Swept(n_files=1, n_bytes=6)
    assert (named.path.exists(), orphan.path.exists(), young.path.exists()) == (True, False, True)
    assert sweep(database, data, 30) == Swept()


def test_a_file_of_an_export_stays(database, data, files):
    song, video = song_of(database, keep(files, b"song")), keep(files, b"video", ".mp4")
    made = exports.Made(song.id, "video", video, "video/mp4", ".mp4")
    with database.begin() as session:
        exports.add(session, "e" * 32, made)
        assert files_named(session) == {song.recording.content: ".mp3", video.content: ".mp4"}
    assert sweep(database, data, 30) == Swept()
    assert video.path.exists()


def test_a_song_of_the_library_has_no_file_in_the_store(database, files):
    song_of(database, keep(files, b"song"), library_path="a.mp3")
    with database.begin(write=False) as session:
        assert files_named(session) == {}


def test_uploads_that_never_ended_and_what_was_derived_of_songs_that_are_gone(database, data, files):
    song = song_of(database, keep(files, b"song"))
    (data / "files" / "incoming").mkdir(exist_ok=True)
    derived = data / "derived" / "ab"
    derived.mkdir(parents=True)
    stale, fresh = data / "files" / "incoming" / "stale", data / "files" / "incoming" / "fresh"
    ours, theirs = derived / f"{song.recording.content}.peaks-1", derived / f"{'f' * 64}.peaks-1"
    for path in (stale, fresh, ours, theirs):
        path.write_bytes(b"123")
        if path is not fresh:
            make_old(path)
    assert sweep(database, data, 30) == Swept(n_uploads=1, n_derived=1, n_bytes=6)
    assert [path.exists() for path in (stale, fresh, ours, theirs)] == [False, True, True, False]


def test_what_is_not_called_by_a_hash_is_not_ours_to_remove(database, data, files):
    keep(files, b"orphan")
    strange = data / "files" / "aa" / "notes.txt"
    strange.parent.mkdir(exist_ok=True)
    strange.write_text("mine")
    make_old(strange)
    assert sweep(database, data, 30).n_files == 1
    assert strange.exists()


def test_jobs_that_are_long_over_and_receipts_that_hold_no_more_are_removed(database, data):
    from melisma.store.service.tables import JobRow, ReceiptRow

    moment = datetime.now(UTC)
    with database.begin() as session:
        for n, (state, days) in enumerate([("done", 40), ("failed", 20), ("queued", 40), ("cancelled", 31)]):
            then = moment - timedelta(days=days)
            over = None if state == "queued" else then
            texts = dict.fromkeys(("owner", "request_id", "request", "result", "problem", "stage", "worker"), "")
            job = JobRow(id=f"{n:032x}", kind="align", state=state, priority=0, percent=0.0, n_attempts=0, causes="[]")
            job.cancel_wanted, job.created_at, job.finished_at = False, then, over
            for name, value in texts.items():
                setattr(job, name, value)
            session.add(job)
        for key, hours in (("old", 25), ("new", 1)):
            made = moment - timedelta(hours=hours)
            session.add(ReceiptRow(owner="", key=key, fingerprint="0" * 64, status=202, body="{}", created_at=made))
    assert sweep(database, data, 30) == Swept(n_jobs=2, n_receipts=1)
    with database.begin(write=False) as session:
        assert sorted(job.state for job in session.query(JobRow)) == ["failed", "queued"]
        assert [receipt.key for receipt in session.query(ReceiptRow)] == ["new"]


def test_nothing_is_removed_where_the_database_cannot_say_what_it_names(data, files, dead_port):
    orphan = keep(files, b"orphan")
    database = ServiceDatabase(f"postgresql://melisma@127.0.0.1:{dead_port}/melisma")
    with pytest.raises(StoreError, match="the service's database cannot be used now"):
        sweep(database, data, 30)
    assert orphan.path.exists()
