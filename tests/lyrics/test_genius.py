import pytest
from lyrics_server import Reply, as_json

from melisma.lyrics.genius import Genius
from melisma.lyrics.protocol import ProviderFailed, SongQuery

QUERY = SongQuery("Ana Lund", "The River")
PAGE = b'<div data-lyrics-container="true">[Verse 1]<br>Over the river</div>'


def hit(title="The River", artist="Ana Lund", path="/Ana-lund-the-river-lyrics", kind="song"):
    song = {
        "id": 1,
        "title": title,
        "path": path,
        "url": f"https://genius.com{path}",
        "primary_artist": {"name": artist},
    }
    return {"index": kind, "type": kind, "highlights": [], "result": song}


def hits(*found):
    return as_json({"meta": {"status": 200}, "response": {"hits": list(found)}})


@pytest.fixture
def genius(server, hasty):
    return Genius(server.url, server.url, "secret", hasty)


def test_it_searches_with_the_token_and_reads_the_page_without(server, genius):
    server.routes["/search"] = hits(hit())
    server.routes["/Ana-lund-the-river-lyrics"] = Reply(200, PAGE, {"Content-Type": "text/html"})
    (found,) = genius.candidates(QUERY)
    assert found.plain == "[Verse 1]\nOver the river"
    assert (found.artist, found.title, found.synced) == ("Ana Lund", "The River", None)
    assert found.source == f"{server.url}/Ana-lund-the-river-lyrics"
    assert server.asked[0].params == {"q": "Ana Lund The River"}
    assert server.asked[0].headers["authorization"] == "Bearer secret"
    assert "authorization" not in server.asked[1].headers


def test_the_most_alike_comes_first_and_others_are_not_read(server, genius):
    server.routes["/search"] = hits(
        hit("The River (Türkçe Çeviri)", "Genius Türkçe Çeviriler", "/x"),
        hit("The River (Live)", path="/live"),
        hit(path="/studio"),
        hit("Another Song", path="/another"),
        hit(kind="article", path="/article"),
    )
    server.routes["/studio"] = Reply(200, PAGE)
    genius.candidates(QUERY)
    assert server.paths() == ["/search", "/studio"]


def test_a_page_without_lyrics_leads_to_the_next(server, genius):
    server.routes["/search"] = hits(hit(path="/empty"), hit("The River (Live)", path="/live"), hit(path="/gone"))
    server.routes["/empty"] = Reply(200, b"<html>nothing")
    server.routes["/gone"] = Reply(200, PAGE)
    assert [found.has_text for found in genius.candidates(QUERY)] == [False, True]


def test_a_page_that_is_gone(server, genius):
    server.routes["/search"] = hits(hit(path="/gone"))
    assert [found.has_text for found in genius.candidates(QUERY)] == [False]


@pytest.mark.parametrize(
    "path", ["//evil.example/x", "https://evil.example/", "/\\evil.example", "", "x", "/a b", 3, None]
)
def test_a_path_that_leads_elsewhere_is_not_followed(server, genius, path):
    server.routes["/search"] = hits(hit(path="/good"), hit(path=path))
    server.routes["/good"] = Reply(200, PAGE)
    assert len(genius.candidates(QUERY)) == 1
    assert server.paths() == ["/search", "/good"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused(server, genius, status):
    server.routes["/search"] = as_json({"error": "invalid_token"}, status)
    with pytest.raises(ProviderFailed, match=rf"refuses the token \({status}\)"):
        genius.candidates(QUERY)


@pytest.mark.parametrize(
    "reply", [as_json({"response": []}), as_json([]), Reply(200, b"<html>"), as_json({"response": {"hits": 3}})]
)
def test_what_is_no_answer_ends_in_a_sentence(server, genius, reply):
    server.routes["/search"] = reply
    with pytest.raises(ProviderFailed, match="none of its own"):
        genius.candidates(QUERY)


def test_a_page_that_is_refused(server, genius):
    server.routes["/search"] = hits(hit(path="/p"))
    server.routes["/p"] = Reply(403, b"captcha")
    with pytest.raises(ProviderFailed, match="answers 403 for the song's page"):
        genius.candidates(QUERY)


def test_without_a_token_it_is_not_asked(monkeypatch):
    assert "GENIUS_ACCESS_TOKEN" in (Genius().missing() or "")
    monkeypatch.setenv("GENIUS_ACCESS_TOKEN", "a")
    assert Genius().missing() is None
    monkeypatch.setenv("GENIUS_ACCESS_TOKEN", "a\nX-Evil: 1")
    assert "no token has" in (Genius().missing() or "")


def test_our_own_variable_goes_first(monkeypatch, server, hasty):
    monkeypatch.setenv("GENIUS_ACCESS_TOKEN", "theirs")
    monkeypatch.setenv("MELISMA_GENIUS_TOKEN", "ours")
    server.routes["/search"] = hits()
    Genius(server.url, server.url, http=hasty).candidates(QUERY)
    assert server.asked[0].headers["authorization"] == "Bearer ours"


def test_the_token_is_not_part_of_what_is_kept(genius):
    assert "secret" not in (genius.cache_key or "")
