"""Whose word is taken for an address."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from melisma.core.errors import InputError
from melisma.server.guard.addresses import Addresses


def seen(proxies, peer, *headers, proto=""):
    """Return address and scheme that a route sees."""
    app = FastAPI()
    app.add_middleware(Addresses, proxies=proxies)

    @app.get("/")
    def who(request: Request):
        return [request.client.host, request.url.scheme]

    given = [("X-Forwarded-For", each) for each in headers] + ([("X-Forwarded-Proto", proto)] if proto else [])
    return tuple(TestClient(app, client=(peer, 1)).get("/", headers=given).json())


def test_nobody_is_believed_by_itself():
    assert seen((), "192.0.2.1", "203.0.113.5", proto="https") == ("192.0.2.1", "http")


def test_a_stranger_is_not_believed():
    assert seen(("192.0.2.1",), "192.0.2.2", "203.0.113.5", proto="https") == ("192.0.2.2", "http")


def test_a_proxy_that_comes_by_a_socket_of_both_kinds_is_known():
    assert seen(("192.0.2.0/24",), "::ffff:192.0.2.1", "203.0.113.5") == ("203.0.113.5", "http")
    assert seen(("192.0.2.0/24",), "::ffff:192.0.3.1", "203.0.113.5") == ("::ffff:192.0.3.1", "http")


def test_a_known_proxy_is():
    assert seen(("192.0.2.1",), "192.0.2.1", "203.0.113.5", proto="https") == ("203.0.113.5", "https")


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (("1.2.3.4, 203.0.113.5",), "203.0.113.5"),  # what stands in front a caller has made up
        (("1.2.3.4", "203.0.113.5"), "203.0.113.5"),
        (("203.0.113.5, 192.0.2.9",), "203.0.113.5"),  # through two of ours
        (("192.0.2.9",), "192.0.2.9"),
        (("nonsense",), "192.0.2.1"),
        (("203.0.113.5, nonsense, 192.0.2.9",), "192.0.2.9"),
        (("",), "192.0.2.1"),
        ((), "192.0.2.1"),
        (("2001:db8::7",), "2001:db8::7"),
    ],
)
def test_the_last_address_that_is_not_ours_counts(headers, address):
    assert seen(("192.0.2.0/24",), "192.0.2.1", *headers)[0] == address


def test_a_scheme_that_is_none_changes_nothing():
    assert seen(("192.0.2.1",), "192.0.2.1", proto="gopher") == ("192.0.2.1", "http")


def test_what_is_no_address_is_refused():
    with pytest.raises(InputError, match="MELISMA_PROXIES: 'proxy' is no address"):
        Addresses(FastAPI(), ["proxy"])
