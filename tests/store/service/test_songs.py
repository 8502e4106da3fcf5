from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from melisma.core.errors import InputError, NotFound
from melisma.store.entries import Source
from melisma.store.service import alignments, exports, songs
from melisma.store.service import jobs as ledger
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.exports import Made
from melisma.store.service.files import Stored
from melisma.store.service.songs import Names, Recording, Wanted
from melisma.store.service.tables import AlignmentRow, JobRow, SongRow

NAMES = Names("Habanera", "Georges Bizet", "fr", "L'amour est")


@pytest.fixture
def database(service_url):
    database = ServiceDatabase(service_url)
    yield database
    database.close()


@pytest.fixture
def do(database):
    """Call a function of the store in a transaction of its own."""

    def do(function, *arguments, **options):
        with database.begin() as session:
            return function(session, *arguments, **options)

    return do


def recording(number: int = 0, **changes) -> Recording:
    made = Recording(f"{number:064x}", "audio/mpeg", ".mp3", 1000 + number, 60_000, f"Track {number}.mp3")
    return replace(made, **changes)


@pytest.fixture
def song(do):
    return do(songs.add, recording(), NAMES)[0]


def count(database, table) -> int:
    from sqlalchemy import func, select

    with database.begin(write=False) as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_song_comes_back_as_it_was_added(do, song):
    assert do(songs.get, song.id) == song
    assert (song.title, song.artist, song.language, song.lyrics) == ("Habanera", "Georges Bizet", "fr", "L'amour est")
    assert song.recording == recording()
    assert do(songs.of_content, recording().content) == song
    assert do(songs.of_content, "f" * 64) is None


def test_the_same_bytes_are_the_same_song(do, song):
    again, made = do(songs.add, recording(file_name="other.mp3"), Names("Another title", lyrics="other words"))
    assert not made
    assert again == song


def test_lyrics_that_were_missing_are_taken(do):
    first, _ = do(songs.add, recording(), Names("Habanera"))
    again, made = do(songs.add, recording(), Names(lyrics="L'amour"))
    assert (again.id, again.lyrics, made) == (first.id, "L'amour", False)


def test_a_recording_of_the_library_that_is_uploaded_is_kept_from_then_on(do):
    there, _ = do(songs.add, recording(library_path="a/b.mp3"), NAMES)
    assert there.recording.library_path == "a/b.mp3"
    named_again, _ = do(songs.add, recording(library_path="c.mp3"), NAMES)
    assert named_again.recording.library_path == "a/b.mp3"
    uploaded, _ = do(songs.add, recording(), NAMES)
    assert uploaded.recording.library_path is None


def test_of_many_who_add_the_same_at_once_one_makes_it(database):
    found, start = [], threading.Barrier(6)

    def add():
        start.wait()
        with database.begin() as session:
            found.append(songs.add(session, recording(), NAMES))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [made for _, made in found].count(True) == 1
    assert len({song.id for song, _ in found}) == 1
    assert count(database, SongRow) == 1


def test_what_is_left_out_of_a_change_stays(do, song):
    changed = do(songs.change, song.id, Names(title="Carmen", lyrics=""))
    assert (changed.title, changed.artist, changed.lyrics) == ("Carmen", "Georges Bizet", "")
    assert changed.updated_at > song.updated_at
    assert do(songs.get, song.id) == changed
    assert do(songs.page, Wanted("carmen")).items == (changed,)
    assert do(songs.page, Wanted("habanera")).items == ()


@pytest.mark.parametrize("function", [songs.get, songs.remove])
def test_what_is_not_there_is_said(do, function):
    with pytest.raises(NotFound, match="there is no song 'ffff'"):
        do(function, "ffff")


def test_pages_hold_every_song_once_the_newest_first(do):
    added = [do(songs.add, recording(k), Names(f"Song {k}"))[0] for k in range(7)]
    seen, cursor = [], None
    for _ in range(4):
        found = do(songs.page, Wanted(limit=2, cursor=cursor))
        seen += found.items
        if cursor is None:  # what comes meanwhile is on none of the pages that follow
            do(songs.add, recording(99), Names("Late"))
        cursor = found.next
    assert cursor is None
    assert seen == added[::-1]


def test_songs_of_one_moment_are_told_apart(do, database):
    for k in range(5):
        do(songs.add, recording(k), Names(f"Song {k}"))
    with database.begin() as session:
        for row in session.query(SongRow):
            row.created_at = datetime(2026, 5, 4, tzinfo=UTC)
    first = do(songs.page, Wanted(limit=3))
    second = do(songs.page, Wanted(limit=3, cursor=first.next))
    assert len({song.id for song in first.items + second.items}) == 5


@pytest.mark.parametrize("cursor", ["", "x", "€", "AAAA", "a" * 900, "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5OTkgYQ"])
def test_a_cursor_that_is_none_is_refused(do, cursor):
    with pytest.raises(InputError, match="the cursor is none that a page of this service has given"):
        do(songs.page, Wanted(cursor=cursor))


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("habanera", 1),
        ("BIZET haban", 1),
        ("track 0", 1),
        ("bizet verdi", 0),
        ("%", 0),
        ("_abanera", 0),
        ("\\", 0),
        ("' OR 1=1 --", 0),
        ("", 1),
        ("  ", 1),
    ],
)
def test_search_takes_words_as_they_are(do, song, search, found):
    assert len(do(songs.page, Wanted(search)).items) == found


def test_search_knows_no_case_in_any_script(do):
    do(songs.add, recording(), Names("ΣΊΣΥΦΟΣ Straße"))
    assert len(do(songs.page, Wanted("σίσυφοσ STRASSE")).items) == 1


@pytest.fixture
def add_job(do):
    def add(song, state="queued", kind="align", later_s=0):
        job = do(ledger.add, ledger.NewJob(kind, {}, song_id=song.id))

        def change(session):
            row = session.get(JobRow, job.id)
            row.state, row.created_at = state, row.created_at + timedelta(seconds=later_s)

        do(change)
        return job

    return add


@pytest.fixture
def add_alignment(do, alignment):
    def add(song, n_versions=1, **request):
        made, _ = do(alignments.create, song.id, request)
        for k in range(n_versions):
            do(alignments.add_version, made.id, alignments.NewVersion(alignment, k, Source.CTC))
        return made

    return add


def test_status_tells_what_has_become_of_a_song(do, add_job, add_alignment):
    new, working, failed, ready, again = (do(songs.add, recording(k), Names(str(k)))[0] for k in range(5))
    add_job(working, "running")
    add_job(failed, "failed")
    add_alignment(ready)
    add_alignment(again)
    add_job(again, "queued")

    def ids(status):
        return {song.id for song in do(songs.page, Wanted(status=status)).items}

    assert ids("new") == {new.id}
    assert ids("working") == {working.id, again.id}
    assert ids("failed") == {failed.id}
    assert ids("ready") == {ready.id, again.id}


def test_the_job_that_matters_is_the_one_that_is_not_over_else_the_last_if_it_failed(do, song, add_job):
    def telling():
        found = do(songs.around, [song.id])[song.id].job
        return None if found is None else found.id

    assert telling() is None
    failed = add_job(song, "failed")
    assert telling() == failed.id
    add_job(song, "done", later_s=10)
    assert telling() is None
    running = add_job(song, "running", later_s=5)
    assert telling() == running.id


def test_beside_a_song_stand_its_newest_alignment_and_its_stems(do, song, add_alignment):
    add_alignment(song, engine="one")
    newest = add_alignment(song, engine="two")
    add_alignment(song, 0, engine="not made yet")
    other, _ = do(songs.add, recording(1), Names("Other"))
    file = Stored("d" * 64, 5, None)
    for kind in ("instrumental", "vocals", "video"):
        do(exports.add, kind.ljust(32, "0"), Made(song.id, kind, file, "audio/flac", ".flac"))
    found = do(songs.around, [song.id, other.id])
    assert found[song.id].alignment_id == newest.id
    assert found[song.id].stems == ("vocals", "instrumental")
    assert found[other.id] == songs.Around()


def test_a_song_goes_with_everything_that_was_made_of_it(do, database, song, add_alignment, add_job):
    made = add_alignment(song)
    do(alignments.know_track, made.id, audio_hash="5" * 64, text_hash="6" * 64)
    add_job(song)
    do(exports.add, "e" * 32, Made(song.id, "video", Stored("d" * 64, 5, None), "video/mp4", ".mp4"))
    removed = do(songs.remove, song.id)
    assert removed.files == ((recording().content, ".mp3"), ("d" * 64, ".mp4"))
    assert removed.sounds == ("5" * 64,)
    assert [count(database, table) for table in (SongRow, AlignmentRow, JobRow)] == [0, 0, 0]


def test_what_others_use_stays(do, song, add_alignment):
    other, _ = do(songs.add, recording(1), Names("The same sound with other tags"))
    for each in (song, other):
        made = add_alignment(each)
        do(alignments.know_track, made.id, audio_hash="5" * 64)
        do(exports.add, each.id, Made(each.id, "video", Stored("d" * 64, 5, None), "video/mp4", ".mp4"))
    removed = do(songs.remove, song.id)
    assert removed.files == ((recording().content, ".mp3"),)
    assert removed.sounds == ()


def test_the_file_of_the_library_is_nobodys_to_remove(do):
    song, _ = do(songs.add, recording(library_path="a.mp3"), NAMES)
    assert do(songs.remove, song.id).files == ()


def test_a_song_that_is_removed_while_it_is_added_is_there_or_new(database):
    """Who adds a song that somebody removes at that moment gets one that is there."""
    faults, stop = [], threading.Event()

    def remove():
        while not stop.is_set():
            with database.begin() as session:
                found = songs.of_content(session, recording().content)
                try:
                    if found is not None:
                        songs.remove(session, found.id)
                except NotFound:  # another one was faster
                    pass

    def add():
        try:
            for _ in range(40):
                with database.begin() as session:
                    song, _ = songs.add(session, recording(), NAMES)
                    assert songs.get(session, song.id) == song
        except Exception as error:
            faults.append(error)

    removing = [threading.Thread(target=remove) for _ in range(2)]
    adding = [threading.Thread(target=add) for _ in range(2)]
    for thread in removing + adding:
        thread.start()
    for thread in adding:
        thread.join()
    stop.set()
    for thread in removing:
        thread.join()
    assert faults == []
