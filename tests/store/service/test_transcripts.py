from __future__ import annotations

import pytest

from melisma.core.errors import NotFound
from melisma.store.service import songs, transcripts
from melisma.store.service.database import ServiceDatabase
from melisma.store.service.songs import Names, Recording

ID = "1" * 32


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
def song(do):
    return do(songs.add, Recording("a" * 64, "audio/wav", ".wav", 100, 4000, "a.wav"), Names("Habanera"))[0]


def test_a_transcript_comes_back_as_it_was(do, song, alignment):
    assert do(transcripts.add, ID, song.id, "a/model", alignment)
    heard, found = do(transcripts.get, ID)
    assert heard == alignment
    assert (found.id, found.song_id, found.model) == (ID, song.id, "a/model")


def test_a_job_that_runs_again_keeps_what_it_kept(do, song, alignment):
    do(transcripts.add, ID, song.id, "a/model", alignment)
    assert not do(transcripts.add, ID, song.id, "another", alignment)
    assert do(transcripts.get, ID)[1].model == "a/model"


def test_they_are_listed_and_removed(do, song, alignment):
    for k in range(3):
        do(transcripts.add, f"{k}" * 32, song.id, f"model {k}", alignment)
    first = do(transcripts.page, song_id=song.id, limit=2)
    rest = do(transcripts.page, limit=2, cursor=first.next)
    assert [each.model for each in first.items + rest.items] == ["model 2", "model 1", "model 0"]
    assert rest.next is None
    do(transcripts.delete, "1" * 32)
    assert len(do(transcripts.page).items) == 2


@pytest.mark.parametrize("function", [transcripts.get, transcripts.delete])
def test_what_is_not_there_is_said(do, function):
    with pytest.raises(NotFound, match="there is no transcription"):
        do(function, ID)


def test_it_goes_with_its_song(do, song, alignment):
    do(transcripts.add, ID, song.id, "a/model", alignment)
    do(songs.remove, song.id)
    assert do(transcripts.page).items == ()
