from __future__ import annotations

import pytest

from melisma.core.errors import NotFound
from melisma.store.service import exports, songs
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.exports import Made
from melisma.store.service.files import Stored
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
