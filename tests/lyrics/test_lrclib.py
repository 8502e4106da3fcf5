import pytest
from lyrics_server import NOT_FOUND, PLAIN, SYNCED, Reply, as_json, track

from melisma.lyrics.lrclib import LrcLib
from melisma.lyrics.protocol import ProviderFailed, SongQuery

QUERY = SongQuery("Ana Lund", "The River", "Water", 203.4)


@pytest.fixture
def lrclib(server, hasty):
    return LrcLib(server.url, hasty)


def test_the_exact_track_is_asked_for_as_documented(server, lrclib):
    server.routes["/api/get"] = as_json(track())
    (found,) = lrclib.candidates(QUERY)
    asked = server.asked[0]
    assert asked.params == {
        "artist_name": "Ana Lund",
        "track_name": "The River",
        "album_name": "Water",
        "duration": "203",
    }
    assert "melisma/" in asked.headers["user-agent"]
    assert (found.artist, found.title, found.album, found.duration_s) == ("Ana Lund", "The River", "Water", 203)
    assert (found.synced, found.plain, found.instrumental) == (SYNCED, PLAIN, False)
    assert found.source.endswith("/api/get/3396226")
    assert server.paths() == ["/api/get"]


def test_what_is_not_known_is_not_sent(server, lrclib):
    server.routes["/api/get"] = as_json(track())
    lrclib.candidates(SongQuery("Ana Lund", "The River"))
    assert set(server.asked[0].params) == {"artist_name", "track_name"}


def test_after_a_miss_it_searches(server, lrclib):
    server.routes["/api/get"] = NOT_FOUND
    server.routes["/api/search"] = as_json([track(duration=190), track(id=2)])
    assert [found.duration_s for found in lrclib.candidates(QUERY)] == [190, 203]
    assert server.asked[1].params == {"track_name": "The River", "artist_name": "Ana Lund"}


def test_after_two_misses_it_searches_in_all_fields(server, lrclib):
    server.routes["/api/get"] = NOT_FOUND
    server.routes["/api/search"] = [as_json([]), as_json([track()])]
    assert len(lrclib.candidates(QUERY)) == 1
    assert server.asked[2].params == {"q": "Ana Lund The River"}


def test_a_song_that_it_does_not_know(server, lrclib):
    server.routes["/api/get"] = NOT_FOUND
    server.routes["/api/search"] = as_json([])
    assert lrclib.candidates(QUERY) == []


def test_plain_lyrics_alone_send_it_looking_for_times(server, lrclib):
    server.routes["/api/get"] = as_json(track(syncedLyrics=None))
    server.routes["/api/search"] = as_json([track(id=2)])
    found = lrclib.candidates(QUERY)
    assert [each.has_synced for each in found] == [False, True]


def test_an_older_server_that_wants_every_field_is_searched(server, lrclib):
    server.routes["/api/get"] = as_json({"message": "missing field", "name": "ValidationError", "statusCode": 400}, 400)
    server.routes["/api/search"] = as_json([track()])
    assert len(lrclib.candidates(SongQuery("Ana Lund", "The River"))) == 1


def test_an_instrumental_has_no_text(server, lrclib):
    server.routes["/api/get"] = as_json(track(instrumental=True, plainLyrics=None, syncedLyrics=None))
    (found,) = lrclib.candidates(QUERY)
    assert found.instrumental
    assert not found.has_text
    assert server.paths() == ["/api/get"]


@pytest.mark.parametrize(
    "synced", ["", "  ", None, "[00:00.00]", "[00:01.00] \n[00:05.00]", "Over the river\nno times"]
)
def test_synced_lyrics_without_a_timed_word_are_none(server, lrclib, synced):
    server.routes["/api/get"] = as_json(track(syncedLyrics=synced))
    server.routes["/api/search"] = as_json([])
    (found,) = lrclib.candidates(QUERY)
    assert not found.has_synced
    assert found.plain == PLAIN


def test_synced_lyrics_whose_times_are_all_zero_are_none(server, lrclib):
    server.routes["/api/get"] = as_json(track(syncedLyrics="[00:00.00]Over\n[00:00.00]under"))
    assert not lrclib.candidates(QUERY)[0].has_synced


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b'{"id": 3, "trackName": "The Ri', {"Content-Type": "application/json"}),
        Reply(200, b"\xff\xfe\x00", {"Content-Type": "application/json"}),
        Reply(200, b"<!doctype html><title>Just a moment</title>", {"Content-Type": "text/html"}),
        Reply(200, b"<!doctype html>"),
        Reply(418, b"{}"),
        as_json([]),
        as_json({}),
        as_json({"trackName": 3, "artistName": None}),
        as_json(track(duration="NaN")),
        as_json(track(plainLyrics=["a"])),
        as_json(track(plainLyrics="x" * 600_000)),
        Reply(200, b"[" * 100_000, {"Content-Type": "application/json"}),
    ],
)
def test_what_is_no_answer_ends_in_a_sentence(server, lrclib, reply):
    server.routes["/api/get"] = reply
    with pytest.raises(ProviderFailed, match=r"gives an answer that is none of its own|not JSON|answers 418"):
        lrclib.candidates(QUERY)


def test_broken_entries_of_a_search_are_passed_over(server, lrclib):
    server.routes["/api/search"] = as_json([{"trackName": 1}, track(duration=-4), track(id="x"), track(id=7)])
    (found,) = lrclib.candidates(QUERY)
    assert found.source.endswith("/7")


def test_a_search_that_is_no_list_ends_in_a_sentence(server, lrclib):
    server.routes["/api/search"] = as_json({"tracks": []})
    with pytest.raises(ProviderFailed, match="none of its own"):
        lrclib.candidates(QUERY)


def test_the_address_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("MELISMA_LRCLIB_URL", server.url + "/")
    server.routes["/api/get"] = as_json(track())
    assert len(LrcLib().candidates(QUERY)) == 1
    assert LrcLib().cache_key != LrcLib("https://lrclib.net").cache_key
