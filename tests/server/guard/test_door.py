"""Who gets in: tokens, sessions, names of the service, pages of other origins, and how often."""

from __future__ import annotations

import hashlib

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.settings import JobSettings, Limits, ServiceSettings

pytestmark = pytest.mark.usefixtures("one_minute")
TOKEN, OTHER = "a-token-of-anna-1234", "a-token-of-bert-1234"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
# A route that any caller may ask and that answers 404 once the door has let the call in.
INSIDE = f"/v1/songs/{'0' * 32}/peaks"


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
def service(tmp_path):
    """Make a client of a service with these settings; one of the loopback interface without a token by itself."""
    opened = []

    def make(base_url="http://127.0.0.1", **more):
        context = Context(ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0), **more))
        client = TestClient(create_app(context), base_url=base_url)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def guarded(service):
    return service(tokens={hashed(TOKEN): "anna", hashed(OTHER): "bert"})


def test_on_loopback_no_token_is_needed(service):
    assert service().get(INSIDE).status_code == 404


def test_a_token_lets_in(guarded):
    assert guarded.get(INSIDE, headers=BEARER).status_code == 404


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer  ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {hashed(TOKEN)}", "Bearer \xe9"],
)
def test_anything_else_does_not(guarded, header):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = guarded.get(INSIDE, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="melisma"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unauthorized"
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/studio/", "/"])
def test_what_shows_nothing_of_anybody_is_open(guarded, path):
    assert guarded.get(path, follow_redirects=False).status_code in (200, 307)


@pytest.mark.parametrize("path", ["/metrics", "/v1/openapi.json", "/v1/service", "/nothing", "/studiox", "/healthz/x"])
def test_everything_else_is_not(guarded, path):
    assert guarded.get(path).status_code == 401


def test_after_wrong_tokens_none_is_looked_at(service):
    client = service(tokens={hashed(TOKEN): "anna"}, limits=Limits(failures_per_minute=3))
    for _ in range(3):
        assert client.get(INSIDE, headers={"Authorization": "Bearer guess"}).status_code == 401
    for headers in ({"Authorization": "Bearer guess"}, BEARER):
        answer = client.get(INSIDE, headers=headers)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert client.post("/v1/session", json={"token": TOKEN}).status_code == 429


def test_guesses_of_the_session_count_too(service):
    client = service(tokens={hashed(TOKEN): "anna"}, limits=Limits(failures_per_minute=2))
    for _ in range(2):
        assert client.post("/v1/session", json={"token": "guess"}).status_code == 401
    assert client.get(INSIDE, headers=BEARER).status_code == 429


def test_a_call_without_a_token_is_no_guess(service):
    client = service(tokens={hashed(TOKEN): "anna"}, limits=Limits(failures_per_minute=2))
    for _ in range(5):
        assert client.get(INSIDE).status_code == 401
    assert client.get(INSIDE, headers=BEARER).status_code == 404


def test_a_caller_may_ask_so_often(service):
    client = service(tokens={hashed(TOKEN): "anna", hashed(OTHER): "bert"}, limits=Limits(requests_per_minute=4))
    found = [client.get(INSIDE, headers=BEARER).status_code for _ in range(6)]
    assert found == [404] * 4 + [429] * 2
    assert client.get(INSIDE, headers={"Authorization": f"Bearer {OTHER}"}).status_code == 404
    assert client.get("/healthz").status_code == 200


def test_no_limit_is_none(service):
    client = service(limits=Limits(requests_per_minute=0))
    assert {client.get(INSIDE).status_code for _ in range(30)} == {404}


def test_a_session_opens_what_a_token_does(guarded):
    answer = guarded.post("/v1/session", json={"token": TOKEN})
    assert answer.status_code == 204
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert guarded.get(INSIDE).status_code == 404
    assert guarded.delete("/v1/session").status_code == 204
    assert guarded.get(INSIDE).status_code == 401


def test_signing_out_ends_copies_of_the_cookie(guarded):
    guarded.post("/v1/session", json={"token": TOKEN})
    copy = {"Cookie": f"melisma_session={guarded.cookies['melisma_session']}"}
    guarded.delete("/v1/session")
    assert guarded.get(INSIDE, headers=copy).status_code == 401


def test_without_tokens_there_is_no_cookie(service):
    answer = service().post("/v1/session", json={"token": "anything"})
    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers


def test_behind_a_proxy_with_tls_the_cookie_is_secure(service):
    client = service(tokens={hashed(TOKEN): "anna"}, proxies=("192.0.2.0/24",))
    client._transport.client = ("192.0.2.1", 1)
    answer = client.post("/v1/session", json={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "[::1]:8765", "LOCALHOST"])
def test_names_of_the_loopback_interface_are_answered(service, host):
    assert service().get(INSIDE, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    "host", ["rebound.example", "127.0.0.1.rebound.example", "localhost.", "a@localhost", "[", "", "127.0.0.1/x", "a b"]
)
def test_other_names_are_not(service, host):
    answer = service().get(INSIDE, headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/forbidden"


def test_a_name_that_is_allowed_is_answered(service):
    client = service(allowed_hosts=("karaoke.example",), tokens={hashed(TOKEN): "anna"}, host="192.0.2.1")
    assert client.get(INSIDE, headers={"Host": "Karaoke.Example:443", **BEARER}).status_code == 404
    assert client.get(INSIDE, headers={"Host": "other.example", **BEARER}).status_code == 403


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "ftp://127.0.0.1"},
    {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
def test_a_foreign_page_changes_nothing(service, headers, method):
    assert service().request(method, INSIDE, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1"}, {"Origin": "http://127.0.0.1:80", "Sec-Fetch-Site": "same-origin"}],
)
def test_our_own_page_does(service, headers):
    assert service().post(INSIDE, headers=headers).status_code == 405


def test_cors_is_off(service):
    client = service()
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    for answer in (client.options(INSIDE, headers=asked), client.get(INSIDE, headers=asked)):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_cors_is_for_those_that_are_named(service):
    client = service(cors_origins=("https://page.example",), tokens={hashed(TOKEN): "anna"})
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = client.options(INSIDE, headers={"Origin": "https://page.example", **asked})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert client.options(INSIDE, headers={"Origin": "https://evil.example", **asked}).status_code == 400
    named = {"Origin": "https://page.example", "Sec-Fetch-Site": "cross-site", **BEARER}
    assert client.post(INSIDE, headers=named).status_code == 405
    assert client.post(INSIDE, headers={**named, "Origin": "https://evil.example"}).status_code == 403


def test_a_cookie_that_a_sister_host_adds_is_refused(guarded):
    guarded.post("/v1/session", json={"token": TOKEN})
    made = guarded.cookies["melisma_session"]
    guarded.cookies.clear()
    for cookies in (f"melisma_session=x; melisma_session={made}", f"melisma_session={made}; melisma_session=x"):
        assert guarded.get(INSIDE, headers={"Cookie": cookies}).status_code == 403
