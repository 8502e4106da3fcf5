import gzip
import time
from email.utils import formatdate

import pytest
from lyrics_server import NOT_FOUND, Reply, as_json

from melisma.core.errors import InputError
from melisma.lyrics.http import HttpConfig, Request, get, retry_after, user_agent
from melisma.lyrics.protocol import ProviderFailed


def test_an_answer_comes_with_its_status_and_says_who_asks(server, hasty):
    server.routes["/a"] = as_json({"x": 1})
    answer = get(Request(f"{server.url}/a", {"q": "é & b"}, {"Authorization": "Bearer t"}), hasty)
    assert (answer.status, answer.body, answer.media_type) == (200, b'{"x": 1}', "application/json")
    asked = server.asked[0]
    assert asked.params == {"q": "é & b"}
    assert asked.headers["user-agent"] == user_agent()
    assert asked.headers["user-agent"].startswith("melisma/")
    assert asked.headers["authorization"] == "Bearer t"


def test_not_found_is_an_answer_and_is_not_asked_twice(server, hasty):
    server.routes["/a"] = NOT_FOUND
    assert get(Request(f"{server.url}/a"), hasty).status == 404
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_faults_that_may_pass_are_asked_again(server, hasty, status):
    server.routes["/a"] = [Reply(status), Reply(status), as_json({})]
    assert get(Request(f"{server.url}/a"), hasty).status == 200
    assert len(server.asked) == 3


def test_faults_that_stay_end_in_a_sentence(server, hasty):
    server.routes["/a"] = Reply(500, b"<html>oops")
    with pytest.raises(ProviderFailed, match="answers 500"):
        get(Request(f"{server.url}/a"), hasty)
    assert len(server.asked) == 3


def test_a_server_that_asks_to_wait_is_waited_for(server, hasty):
    moments = []

    def answer(asked):
        moments.append(time.monotonic())
        return Reply(429, headers={"Retry-After": "1"}) if len(moments) == 1 else as_json({})

    server.routes["/a"] = answer
    assert get(Request(f"{server.url}/a"), hasty).status == 200
    assert moments[1] - moments[0] >= 0.99  # far beyond our own first wait of 0.02 s


def test_a_server_that_asks_to_wait_long_is_left_alone(server, hasty):
    server.routes["/a"] = Reply(429, headers={"Retry-After": "3600"})
    with pytest.raises(ProviderFailed, match="answers 429 and asks to come back in 3600 s"):
        get(Request(f"{server.url}/a"), hasty)
    assert len(server.asked) == 1


def test_a_slow_server_is_given_up(server):
    server.routes["/a"] = Reply(200, b"{}", pause_s=600.0)
    with pytest.raises(ProviderFailed, match=r"no answer within 0\.2 s"):
        get(Request(f"{server.url}/a"), HttpConfig(timeout_s=0.2, attempts=2, wait_initial_s=0.01, wait_jitter_s=0.0))
    until = time.monotonic() + 60
    while len(server.asked) < 2 and time.monotonic() < until:  # it may be slower to read than we to give it up
        time.sleep(0.02)
    assert len(server.asked) == 2


def test_a_server_that_drips_is_given_up(server):
    server.routes["/a"] = Reply(200, b"x" * 1000, drip_s=0.05)
    with pytest.raises(ProviderFailed, match=r"did not finish its answer within 3 s"):  # it began it before
        get(Request(f"{server.url}/a"), HttpConfig(timeout_s=3.0, attempts=1))


def test_an_answer_that_breaks_off_is_asked_for_again(server, hasty):
    server.routes["/a"] = [Reply(200, b'{"x": 1}', cut=3), as_json({"x": 1})]
    assert get(Request(f"{server.url}/a"), hasty).body == b'{"x": 1}'


def test_a_huge_answer_is_not_read_to_its_end(server):
    server.routes["/a"] = Reply(200, b"x" * 3_000_000)
    with pytest.raises(ProviderFailed, match="sends more than 1 MB"):
        get(Request(f"{server.url}/a"), HttpConfig(max_bytes=1_000_000, attempts=3))
    assert len(server.asked) == 1


def test_a_packed_answer_is_unpacked(server, hasty):
    server.routes["/a"] = Reply(200, gzip.compress(b"{}"), {"Content-Encoding": "gzip"})
    assert get(Request(f"{server.url}/a"), hasty).body == b"{}"


def test_a_bomb_is_not_unpacked(server):
    server.routes["/a"] = Reply(200, gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"})
    with pytest.raises(ProviderFailed, match="sends more than 1 MB"):
        get(Request(f"{server.url}/a"), HttpConfig(max_bytes=1_000_000))


@pytest.mark.parametrize(("encoding", "body"), [("br", b"x"), ("gzip", b"no gzip at all")])
def test_what_cannot_be_unpacked_is_refused(server, hasty, encoding, body):
    server.routes["/a"] = Reply(200, body, {"Content-Encoding": encoding})
    with pytest.raises(ProviderFailed, match=r"packed as 'br'|cannot be unpacked"):
        get(Request(f"{server.url}/a"), hasty)


def test_a_redirect_on_the_same_host_is_followed(server, hasty):
    server.routes["/a"] = Reply(301, headers={"Location": "/b?x=1"})
    server.routes["/b"] = as_json({})
    assert get(Request(f"{server.url}/a", {"q": "old"}), hasty).status == 200
    assert server.asked[1].params == {"x": "1"}


@pytest.mark.parametrize(
    "target",
    ["http://localhost:1/", "ftp://127.0.0.1/a", "file:///etc/passwd", "//evil.example/a", "http://127.0.0.1:1/"],
)
def test_a_redirect_elsewhere_is_not(server, hasty, target):
    server.routes["/a"] = Reply(302, headers={"Location": target})
    with pytest.raises(ProviderFailed, match="which is not followed"):
        get(Request(f"{server.url}/a"), hasty)


def test_redirects_in_a_circle_end(server, hasty):
    server.routes["/a"] = Reply(302, headers={"Location": "/a"})
    with pytest.raises(ProviderFailed, match="redirects more than 3 times"):
        get(Request(f"{server.url}/a"), hasty)
    assert len(server.asked) == 4


def test_nobody_at_home(server, hasty):
    address = server.url
    server.close()
    with pytest.raises(ProviderFailed, match="cannot be reached"):
        get(Request(f"{address}/a"), hasty)


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1/", "http://", "http://[::1"])
def test_an_address_that_is_none(url, hasty):
    with pytest.raises(ProviderFailed, match="cannot be"):
        get(Request(url), hasty)


def test_retry_after_as_a_date():
    assert 900 <= (retry_after(formatdate(time.time() + 1000, usegmt=True)) or 0) <= 1001
    assert retry_after(formatdate(time.time() - 10, usegmt=True)) == 0


@pytest.mark.parametrize("value", [None, "", "-5", "soon", "1e9", "9" * 400, "Mon, 99 Foo 2026"])
def test_retry_after_that_says_nothing(value):
    assert retry_after(value) is None


def test_the_time_to_wait_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("MELISMA_LYRICS_TIMEOUT", "0.1")
    assert HttpConfig.from_environment() == HttpConfig(timeout_s=0.1, connect_s=0.1)
    server.routes["/a"] = Reply(200, b"{}", pause_s=600.0)
    with pytest.raises(ProviderFailed, match=r"no answer within 0\.1 s"):
        get(Request(f"{server.url}/a"))
    monkeypatch.delenv("MELISMA_LYRICS_TIMEOUT")
    assert HttpConfig.from_environment() == HttpConfig()


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_a_time_to_wait_that_is_none(monkeypatch, value):
    monkeypatch.setenv("MELISMA_LYRICS_TIMEOUT", value)
    with pytest.raises(InputError, match="MELISMA_LYRICS_TIMEOUT is a number of seconds"):
        HttpConfig.from_environment()
