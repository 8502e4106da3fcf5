"""Puts `lyrics_server` within reach of these tests, and keeps the user's own environment out of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from melisma.lyrics.http import HttpConfig

sys.path.insert(0, str(Path(__file__).parent))

from lyrics_server import Server


@pytest.fixture
def server(monkeypatch):
    """A server on loopback; no proxy of the machine stands before it."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.close()


@pytest.fixture
def hasty():
    """Asks again at once, and bears with a slow machine."""
    return HttpConfig(timeout_s=60.0, connect_s=60.0, wait_initial_s=0.01, wait_jitter_s=0.01, max_wait_s=1.0)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch, tmp_path):
    """No test sees the user's token, folder or cache, and none says its retries aloud."""
    import stamina.instrumentation

    for name in ("GENIUS_ACCESS_TOKEN", "MELISMA_GENIUS_TOKEN", "MELISMA_LYRICS_DIR", "MELISMA_LYRICS_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MELISMA_CACHE_DIR", str(tmp_path / "cache"))
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([])
    yield
    stamina.instrumentation.set_on_retry_hooks(before)
