"""Attacks with words: scripts in titles and lyrics, SQL in searches, keys and sessions of others, names in headers."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient
from made_songs import LYRICS, aligned, make, upload, wav

from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.guard.tokens import Tokens, digest
from melisma.server.settings import Limits

SCRIPTS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "\u2028alert(1)",
    "{{7*7}}${7*7}<%=7*7%>",
    "javascript:alert(1)",
    '"onmouseover="alert(1)',
]
SQL = [
    "'", "' OR '1'='1", "'; DROP TABLE service_songs; --", '" OR ""="', "\\", "%", "_", "*", "x%' UNION SELECT 1 --",
    "1; SELECT pg_sleep(10)", "' || (SELECT 1) || '", "\x00", "(((((", "a" * 300, "NULL", "0x27", "é' --",
]  # fmt: skip
ANNA, BERT = "token-of-anna-123456", "token-of-bert-123456"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def two(settings):
    """A service with two callers."""
    tokens = {hashlib.sha256(token.encode()).hexdigest(): name for token, name in ((ANNA, "anna"), (BERT, "bert"))}
    context = Context(replace(settings, tokens=tokens, limits=Limits(requests_per_minute=0, failures_per_minute=1000)))
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client:
        yield client


# Scripts


def is_harmless(answer) -> bool:
    """Whether a browser that is led to an answer runs nothing of it: it is no page, or a page that may run nothing."""
    policy = answer.headers["Content-Security-Policy"]
    return (
        "sandbox" in policy
        and "default-src 'none'" in policy
        and "allow-scripts" not in policy
        and answer.headers["X-Content-Type-Options"] == "nosniff"
        and answer.headers["X-Frame-Options"] == "DENY"
    )


def words_of(text: str):
    """An alignment one word of which is this text."""
    made = aligned()
    return replace(made, words=(replace(made.words[0], text=text), *made.words[1:]))


@pytest.mark.parametrize("text", SCRIPTS)
def test_scripts_in_titles_and_lyrics_run_nowhere(client, context, text):
    song = upload(client, title=text, artist=text, name=f"{text}.wav", lyrics=f"{text}\nla la la\n")
    answer = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": f"{text}\nla la la\n"}})
    id = answer.json()["alignment_id"]
    word = "/".join(text.split())  # a word has no blanks, and a tag needs none
    make(context, id, words_of(word))
    names = [each["name"] for each in client.get("/v1/formats").json()["formats"]]
    assert {"html", "json", "vtt", "ttml"} <= set(names)
    for name in names:
        answer = client.get(f"/v1/alignments/{id}", params={"format": name})
        assert answer.status_code in (200, 422), (name, answer.text)  # a format may have no spelling for it
        assert is_harmless(answer), name
        if name == "html" and answer.status_code == 200:
            assert "attachment" in answer.headers["Content-Disposition"]
            assert answer.text.lower().count("<script") == plain_page(client, context).lower().count("<script")
            assert not re.search(r"<(img|svg)[^>]*on\w+=alert", answer.text)
    for path in (f"/v1/songs/{song['id']}", "/v1/songs", f"/v1/alignments/{id}/info", song["links"]["audio"]):
        assert is_harmless(client.get(path)), path


def plain_page(client, context) -> str:
    """The karaoke page of a song without anything odd in it."""
    song = upload(client, wav(seed=9), title="Habanera", lyrics=LYRICS)
    id = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()["alignment_id"]
    if not client.get(f"/v1/alignments/{id}/info").json()["version"]:
        make(context, id)
    return client.get(f"/v1/alignments/{id}", params={"format": "html"}).text


@pytest.mark.parametrize("text", SCRIPTS)
def test_errors_that_repeat_what_was_said_are_no_pages(client, text):
    for answer in (
        client.get(f"/v1/{text}"),
        client.get("/v1/songs", params={"cursor": text}),
        client.get("/v1/songs", params={"status": text}),
        client.post("/v1/songs", json={"library": text}),
        client.get("/v1/library", params={"folder": text}),
        client.get("/v1/alignments/" + "0" * 32, headers={"Accept": text.encode("utf-8")}),
    ):
        assert 400 <= answer.status_code < 500
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert is_harmless(answer)


@pytest.mark.parametrize(
    "name",
    [
        'a"; filename="evil.html',
        "a\r\nX-Evil: 1.wav",
        "..\\..\\a.wav",
        "a;b=c.wav",
        "%0d%0aX-Evil: 1.wav",
        "é\u202e.wav",
    ],
)
def test_names_say_nothing_in_headers(client, context, name):
    song = upload(client, title=name, artist=name)
    spelt = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r\n", "%0d%0a")
    head = f'--b\r\nContent-Disposition: form-data; name="audio"; filename="{spelt}"\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    other = client.post("/v1/songs", content=head + wav(seed=5) + b"\r\n--b--\r\n", headers=headers).json()
    id = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()["alignment_id"]
    make(context, id)
    for path in (song["links"]["audio"], other["links"]["audio"], f"/v1/alignments/{id}?format=html"):
        answer = client.get(path)
        assert answer.status_code == 200
        said = answer.headers["Content-Disposition"]
        assert re.fullmatch(
            r"""(inline|attachment); filename="[^"\\/;\r\n]+"(; filename\*=UTF-8''[\w.%-]+)?""", said
        ), said
        assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("kind", ["image/svg+xml", "image/png"])
def test_a_picture_that_is_a_page_is_refused(client, alignment_id, kind):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="http://127.0.0.1:1/x"/></svg>'
    answer = client.post(f"/v1/alignments/{alignment_id}/videos", files={"picture": ("a.png", svg, kind)})
    assert answer.status_code in (415, 422), answer.text


def test_the_studio_runs_its_own_scripts_alone(client):
    policy = client.get("/studio/").headers["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'self'"
    assert "script-src" not in parts
    assert parts["frame-ancestors"] == parts["object-src"] == parts["base-uri"] == "'none'"
    assert "unsafe-inline" not in policy.replace(parts["style-src"], "")


# SQL


@pytest.mark.parametrize("text", SQL)
def test_a_search_is_words_and_nothing_else(client, song, text):
    answer = client.get("/v1/songs", params={"search": text})
    assert answer.status_code in (200, 422)
    found = [each["id"] for each in answer.json().get("items", [])]
    assert found == ([song["id"]] if not text.strip("\x00 ") else [])
    assert client.get("/v1/songs", params={"search": "habanera"}).json()["items"]


@pytest.mark.parametrize("text", SQL)
def test_no_parameter_is_sql(client, song, text):
    for path, names in (
        ("/v1/songs", ("cursor", "status", "limit")),
        ("/v1/jobs", ("state", "song_id", "cursor", "alignment_id")),
        ("/v1/alignments", ("song_id", "cursor")),
        ("/v1/transcriptions", ("song_id", "cursor")),
    ):
        for name in names:
            answer = client.get(path, params={name: text})
            assert answer.status_code in (200, 422), (path, name)
            assert "sql" not in answer.text.lower()
    assert client.get("/v1/songs").json()["items"][0]["id"] == song["id"]


def test_wild_cards_are_letters(client):
    """A song called 100% is found by its name, and one per cent sign finds nothing else."""
    upload(client, wav(seed=1), title="100% pure_love")
    upload(client, wav(seed=2), title="1000 pureXlove")
    for search in ("100%", "pure_love"):
        assert [each["title"] for each in client.get("/v1/songs", params={"search": search}).json()["items"]] == [
            "100% pure_love"
        ]


# Whose


def test_a_key_of_somebody_else_is_not_mine(two):
    """Or one caller could read what another one was answered, or keep them from asking."""
    headers = {"Idempotency-Key": "the-same-key"}
    first = two.post("/v1/songs", files={"audio": ("a.wav", wav(seed=1))}, headers={**headers, **bearer(ANNA)})
    second = two.post("/v1/songs", files={"audio": ("b.wav", wav(seed=2))}, headers={**headers, **bearer(BERT)})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    again = two.post("/v1/songs", files={"audio": ("c.wav", wav(seed=3))}, headers={**headers, **bearer(ANNA)})
    assert again.status_code in (409, 422)


def test_all_callers_share_one_library_and_each_change_has_its_author(two):
    """What one took in another may read and correct: a service is one library. Who did what is written down."""
    song = two.post("/v1/songs", files={"audio": ("a.wav", wav())}, headers=bearer(ANNA)).json()
    wish = {"song_id": song["id"], "lyrics": {"text": LYRICS}}
    id = two.post("/v1/alignments", json=wish, headers=bearer(ANNA)).json()["alignment_id"]
    make(two.app.state.context, id)
    body = {"version": 1, "edits": [{"op": "retype", "word": 0, "text": "Hallo"}]}
    saved = two.patch(f"/v1/alignments/{id}/words", json=body, headers=bearer(BERT))
    assert saved.status_code == 200, saved.text
    newest = two.get(f"/v1/alignments/{id}/versions", headers=bearer(ANNA)).json()["items"][0]
    assert newest["author"] == "bert"


@pytest.mark.parametrize("field", ["author", "owner", "caller", "source"])
def test_nobody_says_who_they_are_in_a_body(two, field):
    wish = {"song_id": "0" * 32, "lyrics": {"text": LYRICS}, field: "anna"}
    assert two.post("/v1/alignments", json=wish, headers=bearer(BERT)).status_code == 422
    body = {"version": 1, "edits": [{"op": "unsing", "word": 0}], field: "anna"}
    assert two.patch(f"/v1/alignments/{'0' * 32}/words", json=body, headers=bearer(BERT)).status_code == 422


def test_a_session_cannot_be_fixed(two):
    """What a page put into somebody's browser before they signed in is not what they are known by afterwards."""
    own = two.post("/v1/session", json={"token": ANNA}).cookies["melisma_session"]
    two.cookies.clear()
    for planted in ("attacker", own):
        answer = two.post("/v1/session", json={"token": BERT}, headers={"Cookie": f"melisma_session={planted}"})
        made = answer.cookies["melisma_session"]
        two.cookies.clear()
        assert made not in (planted, own)
        seen = two.get("/v1/songs", headers={"Cookie": f"melisma_session={planted}"})
        assert seen.status_code == (200 if planted == own else 401)


def test_a_token_is_taken_in_no_address(two):
    """Addresses end in logs, histories and referrers."""
    for name in ("token", "access_token", "api_key", "key", "authorization"):
        assert two.get("/v1/songs", params={name: ANNA}).status_code == 401
    for name in ("X-API-Key", "X-Auth-Token", "Proxy-Authorization"):
        assert two.get("/v1/songs", headers={name: ANNA}).status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/songs", "/v1/service", "/v1/engines", "/metrics", "/v1/openapi.json", "/nowhere"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
def test_without_a_token_every_route_is_closed(two, path, method):
    answer = two.request(method, path)
    assert answer.status_code == 401
    assert "melisma" not in answer.headers.get("server", "")


def test_every_route_that_is_described_is_closed(two):
    """Routes that come later too: the door stands in front of all, not in each."""
    described = two.get("/v1/openapi.json", headers=bearer(ANNA)).json()["paths"]
    assert len(described) > 20
    for path, methods in described.items():
        for method in set(methods) & {"get", "post", "patch", "delete", "put"}:
            answer = two.request(method, re.sub(r"\{\w+\}", "0" * 32, path))
            if path in ("/healthz", "/readyz") or path == "/v1/session":
                assert answer.status_code != 401 or path == "/v1/session", path
            else:
                assert answer.status_code == 401, (method, path)


def test_the_time_of_a_guess_tells_nothing(monkeypatch):
    """Hashes are compared, not tokens, in constant time, and with every one that is known, whichever it was."""
    compared = []
    real = hmac.compare_digest

    def watched(a, b):
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    tokens = Tokens({digest(f"token-{k}"): f"caller {k}" for k in range(5)})
    for guess, owner in (
        ("token-0", "caller 0"),
        ("token-4", "caller 4"),
        ("token-5", None),
        ("", None),
        ("x" * 2000, None),
    ):
        compared.clear()
        assert tokens.owner(guess) == owner
        assert compared == [(64, 64)] * 5


@pytest.mark.usefixtures("one_minute")
def test_guesses_at_once_are_counted_all_the_same(settings):
    context = Context(replace(settings, tokens={digest(ANNA): "anna"}, limits=Limits(failures_per_minute=5)))
    with TestClient(create_app(context), base_url="http://127.0.0.1") as client, ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda k: client.get("/v1/songs", headers=bearer(f"guess-{k}")).status_code, range(60)))
    assert set(found) == {401, 429}
    assert found.count(401) <= 10  # a few may be on their way when the limit is reached


def test_nothing_secret_is_in_what_a_service_tells(two):
    settings = two.app.state.context.settings
    for path in (
        "/v1/service",
        "/v1/engines",
        "/v1/models",
        "/metrics",
        "/readyz",
        "/v1/songs",
        "/v1/jobs",
        "/v1/fonts",
    ):
        answer = two.get(path, headers=bearer(ANNA))
        assert answer.status_code == 200, path
        for secret in (str(settings.data), str(settings.library), ANNA, BERT, *settings.tokens, settings.database):
            assert secret not in answer.text, (path, secret)


def test_the_job_of_a_damaged_recording_names_no_folder(client, context, song, settings):
    """What a handler raises reaches callers: the recording is called by its name, not by where it lies."""
    from melisma.server.worker import Worker

    job = client.post("/v1/alignments", json={"song_id": song["id"], "lyrics": {"text": LYRICS}}).json()
    [stored] = (settings.data / "files").rglob("*.wav")
    stored.write_bytes(b"RIFF" + bytes(20))
    with Worker(context, 1):
        for _ in range(1800):
            found = client.get(f"/v1/jobs/{job['id']}").json()
            if found["state"] not in ("queued", "running"):
                break
            time.sleep(0.1)
    assert found["state"] == "failed"
    said = json.dumps(found)
    assert str(settings.data) not in said
    assert stored.stem not in said
