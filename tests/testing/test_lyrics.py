"""The built-in lyrics providers keep the contract, and what breaks it is caught."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "lyrics"))

from lyrics_server import Reply, Server, as_json, track

from melisma.lyrics.folder import Folder
from melisma.lyrics.genius import Genius
from melisma.lyrics.http import HttpConfig
from melisma.lyrics.lrclib import LrcLib
from melisma.lyrics.protocol import Candidate, ProviderFailed, SongQuery
from melisma.testing.engines import ContractBroken
from melisma.testing.lyrics import check_provider

KNOWN = SongQuery("Ana Lund", "The River")
HASTY = HttpConfig(timeout_s=60.0, connect_s=60.0, wait_initial_s=0.01, wait_jitter_s=0.01)


@pytest.fixture
def server(monkeypatch):
    made = Server()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield made
    made.close()


def test_lrclib(server):
    server.routes["/api/search"] = as_json([])
    server.routes["/api/get"] = lambda asked: (
        as_json(track()) if asked.params["artist_name"] == KNOWN.artist else Reply(404, b"{}")
    )
    check_provider(lambda: LrcLib(server.url, HASTY), "lrclib", KNOWN)


def test_genius(server, monkeypatch):
    song = {"title": "The River", "path": "/p", "primary_artist": {"name": "Ana Lund"}}
    server.routes["/search"] = as_json({"response": {"hits": [{"type": "song", "result": song}]}})
    server.routes["/p"] = Reply(200, b'<div data-lyrics-container="true">Over</div>')
    check_provider(lambda: Genius(server.url, server.url, "t", HASTY), "genius", KNOWN)
    for name in ("GENIUS_ACCESS_TOKEN", "MELISMA_GENIUS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    check_provider(Genius, "genius")


def test_folder(tmp_path):
    (tmp_path / "Ana Lund - The River.txt").write_text("Over", encoding="utf-8")
    check_provider(lambda: Folder(tmp_path), "folder", KNOWN)
    check_provider(lambda: Folder(tmp_path / "nowhere"), "folder")


class Good:
    name, cache_key = "good", None

    def missing(self):
        return None

    def candidates(self, query):
        return [Candidate("Ana Lund", "The River", plain="Over")]


def test_a_good_one_passes():
    check_provider(Good, "good", KNOWN)


def broken(**members):
    return type("Broken", (Good,), members)


def raising(error):
    def candidates(self, query):
        raise error

    return candidates


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (object, "object lacks a member"),
        (broken(name="other"), "it calls itself 'other'"),
        (broken(cache_key=3), "cache_key is no text"),
        (broken(cache_key=property(lambda self: str(id(object())) + str(id(self)))), "cache_key"),
        (broken(missing=lambda self: " "), "no clause for a person"),
        (broken(candidates=lambda self, query: ["Over"]), "not a Candidate"),
        (broken(candidates=lambda self, query: [Candidate("a", "b", plain="")]), "an empty text"),
        (broken(candidates=lambda self, query: [Candidate("a", "b", duration_s=float("nan"))]), "a song lasts nan s"),
        (broken(candidates=lambda self, query: []), "does not find 'The River'"),
        (broken(candidates=raising(ProviderFailed(""))), "its failure is no clause"),
    ],
)
def test_a_broken_promise_is_named(make, said):
    keep = []  # two objects at one address would have one id

    def made():
        keep.append(make())
        return keep[-1]

    with pytest.raises(ContractBroken, match=said):
        check_provider(made, "good", KNOWN)
