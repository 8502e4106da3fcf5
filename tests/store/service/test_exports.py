from __future__ import annotations

import threading

import pytest

from melisma.core.errors import NotFound
from melisma.store.service import exports, songs
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.exports import Made
from melisma.store.service.files import FileStore, Stored
from melisma.store.service.songs import Names, Recording

ID, ALIGNMENT = "1" * 32, "2" * 32


@pytest.fixture
def do(service_url):
    """Call a function of the store in a transaction of its own."""
    database = ServiceDatabase(service_url)

    def do(function, *arguments, **options):
        with database.begin() as session:
            return function(session, *arguments, **options)

    yield do
    database.close()


@pytest.fixture
def video(do, tmp_path):
    recording = Recording("a" * 64, "audio/wav", ".wav", 100, 4000, "a.wav")
    song = do(songs.add, recording, Names("Habanera"))[0]
    return Made(song.id, "video", Stored("d" * 64, 77, tmp_path / "v"), "video/mp4", ".mp4", ALIGNMENT, 3)


def test_an_export_comes_back_as_it_was(do, video):
    kept = do(exports.add, ID, video)
    assert do(exports.get, ID) == kept
    assert (kept.kind, kept.content, kept.size_bytes, kept.version) == ("video", "d" * 64, 77, 3)


def test_one_that_is_there_stays(do, video):
    kept = do(exports.add, ID, video)
    assert do(exports.add, ID, Made(video.song_id, "video", Stored("e" * 64, 1, None), "video/webm", ".webm")) == kept


def test_they_are_found_by_what_they_are_of(do, video):
    kept = do(exports.add, ID, video)
    assert do(exports.of_song, video.song_id, ["video"]) == (kept,)
    assert do(exports.of_song, video.song_id, ["vocals"]) == ()
    assert do(exports.of_alignment, ALIGNMENT) == (kept,)
    assert do(exports.of_alignment, "3" * 32) == ()


def test_a_file_that_two_are_made_of_goes_with_the_last(do, video):
    first, second = do(exports.add, ID, video), do(exports.add, "4" * 32, video)
    assert do(exports.remove, [first]) == ()
    assert do(exports.remove, [second]) == (("d" * 64, ".mp4"),)


def test_one_that_is_not_there_is_said(do):
    with pytest.raises(NotFound, match="there is no export"):
        do(exports.get, ID)


def test_one_of_a_song_that_is_gone_is_said(do, video):
    do(songs.remove, video.song_id)
    with pytest.raises(NotFound, match="there is no song"):
        do(exports.add, ID, video)


@pytest.fixture
def both(service_url, video, tmp_path):
    """Two exports of the same bytes, of which the first is kept: the database, the files and what makes the second."""
    database, files = ServiceDatabase(service_url), FileStore(tmp_path / "files")

    def made(session, export_id):
        with files.incoming() as coming:
            coming.write(b"the same bytes")
            what = Made(video.song_id, "video", coming.stored(".mp4"), "video/mp4", ".mp4")
            return exports.keep(session, export_id, what, coming)

    with database.begin() as session:
        first = made(session, ID)
    yield database, files, first, made
    database.close()


def removed(database, files, export, gone):
    with database.begin() as session:
        for content, suffix in exports.remove(session, [export]):
            gone.append(files.remove(content, suffix))


def test_a_file_that_somebody_is_about_to_keep_stays(both):
    database, files, first, made = both
    gone = []
    other = threading.Thread(target=removed, args=(database, files, first, gone))
    with database.begin() as session:
        second = made(session, "4" * 32)
        other.start()
        other.join(0.5)  # it waits, or is done by then if it is wrong
    other.join()
    assert gone == []
    assert files.path(second.content, second.suffix).read_bytes() == b"the same bytes"


def test_a_file_that_somebody_is_about_to_remove_is_there_again(both):
    database, files, first, made = both

    def keep():
        with database.begin() as session:
            made(session, "4" * 32)

    other = threading.Thread(target=keep)
    with database.begin() as session:
        unused = exports.remove(session, [first])
        other.start()
        other.join(0.5)
        assert [files.remove(content, suffix) for content, suffix in unused] == [True]
    other.join()
    assert files.path(first.content, first.suffix).read_bytes() == b"the same bytes"
