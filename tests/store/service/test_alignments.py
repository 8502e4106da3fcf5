from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from melisma.core.errors import InputError, NotFound, StoreError, VersionConflict
from melisma.store.entries import Source
from melisma.store.service import alignments, songs
from melisma.store.service import jobs as ledger
from melisma.store.service.alignments import NewVersion
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.songs import Names, Recording
from melisma.store.service.tables import AlignmentRow, VersionRow

REQUEST = {"engine": "auto", "lyrics": {"sha256": "«é»"}, "language": None}


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


@pytest.fixture
def song(do):
    recording = Recording("a" * 64, "audio/wav", ".wav", 100, 4000, "a.wav")
    return do(songs.add, recording, Names("Habanera", "Georges Bizet"))[0]


@pytest.fixture
def made(do, song):
    return do(alignments.create, song.id, REQUEST, "l'amour", "b" * 64)[0]


@pytest.fixture
def save(do, made, alignment):
    def save(based_on, source=Source.USER_CORRECTED, **more):
        return do(alignments.add_version, made.id, NewVersion(alignment, based_on, source, **more))

    return save


def at_once(n, work):
    start, threads = threading.Barrier(n), []

    def run():
        start.wait()
        work()

    for _ in range(n):
        threads.append(threading.Thread(target=run))
        threads[-1].start()
    for thread in threads:
        thread.join()


def test_an_alignment_begins_without_a_version(do, made, song):
    assert (made.version, made.source, made.engine, made.n_words) == (0, "", "", 0)
    assert (made.request, made.lyrics, made.text_hash, made.song_id) == (REQUEST, "l'amour", "b" * 64, song.id)
    assert do(alignments.get, made.id) == made
    assert do(alignments.current, made.id) == alignments.Current(0, song.id, "Habanera", "Georges Bizet")
    with pytest.raises(NotFound, match="there is no version '0'"):
        do(alignments.version, made.id)


def test_what_is_asked_for_in_the_same_words_is_the_same(do, song, made):
    again, new = do(alignments.create, song.id, dict(reversed(REQUEST.items())))
    assert (again, new) == (made, False)
    other, new = do(alignments.create, song.id, {**REQUEST, "engine": "phone"})
    assert new
    assert other.id != made.id


def test_of_many_who_ask_for_the_same_at_once_one_makes_it(database, song):
    found = []

    def create():
        with database.begin() as session:
            found.append(alignments.create(session, song.id, REQUEST))

    at_once(6, create)
    assert [new for _, new in found].count(True) == 1
    assert len({each.id for each, _ in found}) == 1


def test_a_song_that_is_not_there_has_no_alignment(do):
    with pytest.raises(NotFound, match="there is no song"):
        do(alignments.create, "f" * 32, REQUEST)


def test_a_version_comes_back_as_it_was(do, made, save, alignment):
    assert save(0, Source.CTC, author="anna", summary="first", corrected=[3, 1, 1]) == 1
    found, version = do(alignments.version, made.id)
    assert found == alignment
    assert (version.version, version.parent, version.source, version.engine) == (1, 0, "ctc", alignment.engine)
    assert (version.author, version.summary, version.corrected) == ("anna", "first", (1, 3))
    record = do(alignments.get, made.id)
    assert (record.version, record.source, record.engine) == (1, "ctc", alignment.engine)
    assert (record.n_words, record.n_unsung) == (5, 1)
    assert record.confidence_avg == pytest.approx(alignment.confidence_avg)


def test_older_versions_stay_as_they_are(do, made, save, alignment):
    save(0, Source.CTC)
    changed = replace(alignment, language="de")
    do(alignments.add_version, made.id, NewVersion(changed, 1, Source.USER_CORRECTED))
    assert do(alignments.version, made.id, 1)[0] == alignment
    assert do(alignments.version, made.id)[0] == changed


@pytest.mark.parametrize(("source", "parent"), [(Source.USER_CORRECTED, 1), (Source.CTC, 0)])
def test_what_a_person_made_has_a_parent(do, made, save, source, parent):
    save(0, Source.CTC)
    save(1, source)
    assert do(alignments.version, made.id)[1].parent == parent


def test_a_parent_can_be_named(do, made, save):
    for based_on in range(2):
        save(based_on)
    save(2, parent=1)
    assert do(alignments.version, made.id)[1].parent == 1


def test_who_saves_on_an_older_version_is_told(do, made, save):
    save(0)
    save(1)
    with pytest.raises(VersionConflict, match="at version 2 by now, the change was made on version 1") as caught:
        save(1)
    assert (caught.value.based_on, caught.value.current) == (1, 2)
    assert do(alignments.get, made.id).version == 2
    assert len(do(alignments.versions, made.id)[0]) == 2


def test_of_many_who_save_at_once_one_gets_through(do, made, save):
    outcomes = []

    def one():
        try:
            outcomes.append(save(0))
        except VersionConflict as error:
            outcomes.append(error.current)

    at_once(6, one)
    assert outcomes == [1] * 6
    assert len(do(alignments.versions, made.id)[0]) == 1


def test_a_version_of_nothing_is_refused(do, alignment):
    with pytest.raises(NotFound, match="there is no alignment"):
        do(alignments.add_version, "f" * 32, NewVersion(alignment, 0, Source.CTC))


def test_what_cannot_be_kept_changes_nothing(do, made, alignment):
    broken = replace(alignment, words=(replace(alignment.words[0], confidence=float("nan")), *alignment.words[1:]))
    with pytest.raises(InputError, match="cannot be kept"):
        do(alignments.add_version, made.id, NewVersion(broken, 0, Source.CTC))
    assert do(alignments.get, made.id).version == 0


def test_a_version_that_is_damaged_is_said_to_be(do, database, made, save):
    save(0)
    with database.begin() as session:
        session.get(VersionRow, (made.id, 1)).payload = b"x"
    with pytest.raises(StoreError, match="a version of an alignment is damaged"):
        do(alignments.version, made.id)


def test_a_version_that_is_not_there_is_said(do, made, save):
    save(0)
    with pytest.raises(NotFound, match="there is no version '2'"):
        do(alignments.version, made.id, 2)
    with pytest.raises(NotFound, match="there is no alignment"):
        do(alignments.version, "f" * 32, 2)


def test_versions_are_listed_the_newest_first(do, made, save):
    for based_on in range(5):
        save(based_on, summary=str(based_on))
    first, more = do(alignments.versions, made.id, limit=2)
    assert ([each.version for each in first], more) == ([5, 4], 4)
    rest, more = do(alignments.versions, made.id, limit=3, before=more)
    assert ([each.version for each in rest], more) == ([3, 2, 1], None)


def test_pages_hold_every_alignment_once(do, song):
    made = [do(alignments.create, song.id, {"engine": str(k)})[0] for k in range(5)]
    seen, cursor = [], None
    while True:
        found = do(alignments.page, song_id=song.id, limit=2, cursor=cursor)
        seen += found.items
        cursor = found.next
        if cursor is None:
            break
    assert seen == made[::-1]
    assert do(alignments.page, song_id="f" * 32).items == ()


def test_several_are_found_at_once(do, song, made):
    other, _ = do(alignments.create, song.id, {"engine": "phone"})
    assert do(alignments.several, [made.id, other.id, "f" * 32]) == {made.id: made, other.id: other}
    assert do(alignments.several, []) == {}


def test_what_becomes_known_of_a_track_is_kept(do, song, made):
    do(alignments.know_track, made.id, audio_hash="5" * 64)
    do(alignments.know_track, made.id)
    do(alignments.know_track, made.id, text_hash="6" * 64, lyrics="found by name")
    found = do(alignments.get, made.id)
    assert (found.audio_hash, found.text_hash, found.lyrics) == ("5" * 64, "6" * 64, "found by name")
    assert do(alignments.of_track, "5" * 64, "6" * 64) == (made.id,)
    assert do(alignments.of_track, "5" * 64, "7" * 64) == ()


@pytest.mark.parametrize(("state", "known"), [("queued", True), ("running", True), ("done", True), ("failed", False)])
def test_the_job_that_makes_an_alignment_is_found(do, database, song, made, state, known):
    job = do(ledger.add, ledger.NewJob("align", {}, song_id=song.id, alignment_id=made.id))
    do(ledger.add, ledger.NewJob("video", {}, song_id=song.id, alignment_id=made.id))
    from melisma.store.service.tables import JobRow

    with database.begin() as session:
        session.get(JobRow, job.id).state = state
    found = do(alignments.job_of, made.id, "align")
    assert (None if found is None else found.id) == (job.id if known else None)


def test_an_alignment_goes_with_its_versions(do, database, made, save):
    save(0)
    assert do(alignments.delete, made.id).id == made.id
    with database.begin(write=False) as session:
        assert session.query(AlignmentRow).count() == session.query(VersionRow).count() == 0
    with pytest.raises(NotFound, match="there is no alignment"):
        do(alignments.delete, made.id)
