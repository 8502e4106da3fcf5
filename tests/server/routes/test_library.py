"""The library over HTTP."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")


@pytest.fixture
def library(settings):
    for name in ("a/b.mp3", "a/c.flac", "d.ogg", "notes.txt"):
        (settings.library / name).parent.mkdir(exist_ok=True)
        (settings.library / name).write_bytes(b"12345")
    return settings.library


def test_a_folder_is_listed(client, library):
    assert client.get("/v1/library").json() == {
        "items": [
            {"path": "a", "name": "a", "size_bytes": None, "is_folder": True},
            {"path": "d.ogg", "name": "d.ogg", "size_bytes": 5, "is_folder": False},
        ],
        "next": None,
    }
    assert [each["path"] for each in client.get("/v1/library?folder=a").json()["items"]] == ["a/b.mp3", "a/c.flac"]
    assert [each["path"] for each in client.get("/v1/library?search=FLAC").json()["items"]] == ["a/c.flac"]


def test_pages_follow_one_another(client, library):
    first = client.get("/v1/library?limit=1").json()
    second = client.get("/v1/library", params={"limit": 1, "cursor": first["next"]}).json()
    assert [each["path"] for each in first["items"] + second["items"]] == ["a", "d.ogg"]
    assert second["next"] is None


@pytest.mark.parametrize("folder", ["..", "../data", "/etc", "a/../..", "gone", "%2e%2e"])
def test_nothing_outside_is_listed(client, library, folder):
    answer = client.get("/v1/library", params={"folder": folder})
    assert answer.status_code == 404
    assert str(library) not in answer.text
