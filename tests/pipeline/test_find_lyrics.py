"""From a provider's answer to lines that can be aligned, over a real server on loopback."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lyrics"))

from lyrics_server import Server, as_json, track

from melisma.core.errors import LyricsError
from melisma.lyrics.protocol import LyricsNotFound, SongQuery
from melisma.lyrics.search import SearchConfig
from melisma.pipeline.find_lyrics import find

QUERY = SongQuery("Ana Lund", "The River", duration_s=203)


@pytest.fixture
def server(monkeypatch):
    for name in ("GENIUS_ACCESS_TOKEN", "MELISMA_GENIUS_TOKEN", "MELISMA_LYRICS_DIR", "MELISMA_LYRICS_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MELISMA_LRCLIB_URL", made.url)
    yield made
    made.close()


def test_synced_lyrics_become_lines_with_hints(server):
    server.routes["/api/get"] = as_json(track())
    found = find(QUERY)
    assert (found.provider, found.synced, found.duration_s) == ("lrclib", True, 203)
    lines = found.lyrics.lines
    assert [(line.text, line.start_ms, line.end_ms) for line in lines] == [
        ("Over the river", 12_500, None),
        ("under the moon", 16_000, 21_250),
    ]


def test_plain_lyrics_have_no_hints(server):
    server.routes["/api/get"] = as_json(track(syncedLyrics=None, plainLyrics="[Verse 1]\r\nOver the river\r\n"))
    server.routes["/api/search"] = as_json([])
    found = find(QUERY)
    assert (found.text, found.synced) == ("[Verse 1]\nOver the river\n", False)
    assert found.lyrics.words == ("Over", "the", "river")


def test_plain_lyrics_that_look_like_a_format_stay_text(server):
    server.routes["/api/get"] = as_json(track(syncedLyrics=None, plainLyrics="WEBVTT\nOver the river"))
    server.routes["/api/search"] = as_json([])
    assert find(QUERY).lyrics.words == ("WEBVTT", "Over", "the", "river")


def test_words_of_synced_lyrics_alone(server):
    server.routes["/api/get"] = as_json(track(plainLyrics=None, syncedLyrics="[00:30.00][00:10.00]Oh\n[00:20.00]Ah"))
    assert find(QUERY, SearchConfig(synced=False)).text == "Oh\nAh\nOh\n"


def test_times_that_cannot_be_read_give_way_to_plain_text(server):
    broken = "[00:10.00]Over\n[1:2:3:4:5]the river\n[00:20.00]moon"
    server.routes["/api/get"] = as_json(track(syncedLyrics=broken))
    found = find(QUERY)
    assert not found.synced
    assert "cannot be read" in found.notes[0]
    server.routes["/api/get"] = as_json(track(syncedLyrics=broken, plainLyrics=None))
    with pytest.raises(LyricsError, match="the lyrics from lrclib cannot be read: lrc, line 2"):
        find(QUERY)


def test_a_file_of_an_older_encoding(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(tmp_path))
    words = "L'été s'en va déjà\nla forêt s'éveille à l'aube\nje préfère rêver encore\noù sont passées les années\n"
    (tmp_path / "Ana Lund - The River.txt").write_bytes(words.encode("cp1252"))
    found = find(QUERY)
    assert (found.provider, found.text) == ("folder", words)
    assert server.asked == []


def test_a_local_lrc(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_LYRICS_DIR", str(tmp_path))
    (tmp_path / "Ana Lund - The River.lrc").write_text("\ufeff[00:12.50]Over the river\n", encoding="utf-8")
    assert find(QUERY).lyrics.lines[0].start_ms == 12_500
    assert find(QUERY, SearchConfig(synced=False)).text == "Over the river\n"


def test_nothing_anywhere(server):
    with pytest.raises(
        LyricsNotFound, match=r"folder was not asked .*; lrclib knows no such song; genius was not asked"
    ):
        find(QUERY)
