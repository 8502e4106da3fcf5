"""A whole service in this process, on a folder of its own, with nobody who works unless a test asks for it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_songs import LYRICS, make, upload


@pytest.fixture
def settings(tmp_path):
    """Settings of a service whose jobs nobody does, with an empty library."""
    from melisma.server.settings import JobSettings, Limits, ServiceSettings

    (tmp_path / "library").mkdir()
    return ServiceSettings(
        data=tmp_path / "data",
        library=tmp_path / "library",
        jobs=JobSettings(workers=0),
        limits=Limits(requests_per_minute=0),
    )


@pytest.fixture
def context(settings):
    from melisma.server.context import Context

    made = Context(settings)
    yield made
    made.close()


@pytest.fixture
def client(context):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app

    with TestClient(create_app(context), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def one_minute(monkeypatch):
    """Hold the clock that calls are counted by: a minute that ended within a test would free some of them."""
    memory = pytest.importorskip("limits.storage.memory")
    now = time.time() // 60 * 60 + 1
    monkeypatch.setattr(memory, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture
def song(client):
    return upload(client, title="Habanera", artist="Georges Bizet", lyrics=LYRICS)


@pytest.fixture
def job(client, song):
    """A job that is to align the song."""
    return client.post("/v1/alignments", json={"song_id": song["id"]}).json()


@pytest.fixture
def alignment_id(context, job):
    """An alignment of the song, at its first version."""
    make(context, job["alignment_id"])
    return job["alignment_id"]
