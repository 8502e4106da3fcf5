"""Databases of each kind, and entries to keep in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from melisma.core.records import Alignment, Line, Repeat, Word
from melisma.core.timebase import Timebase
from melisma.store import connect, redis_front
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track

NOW = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)


@pytest.fixture
def hurried():
    """As long as an alignment waits for a server: for tests of one that does not answer."""


@pytest.fixture(autouse=True)
def _patient(request, monkeypatch):
    """Let a server that is up take its time on a busy machine, in all other tests."""
    if "hurried" in request.fixturenames:
        return
    monkeypatch.setattr(connect, "HURRIED", connect.CALM)
    monkeypatch.setattr(redis_front, "_CONNECT_S", 60.0)
    monkeypatch.setattr(redis_front, "_READ_S", 60.0)
    monkeypatch.setattr(redis_front.RedisFront.__init__, "__defaults__", (120.0,))


@pytest.fixture
def sqlite(tmp_path):
    """URL of a SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/data/alignments.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite")
    return request.getfixturevalue("postgres").new("migrated")


@pytest.fixture
def track():
    return Track("a" * 64, "b" * 64)


@pytest.fixture
def key(track):
    return ResultKey(track, "fr", "an-engine", "2", "a/model", "f00", "1+abc", '{"downmix":"centre"}')


@pytest.fixture
def alignment():
    """Words on the clock of samples, with everything that the JSON format rounds or leaves out."""
    clock = Timebase(16000, 1)
    words = (
        Word("l'amour", 0, 8001, 14399, 0.123456789, clock, expected_error_ms=31.25),
        Word("est", 0, 16000, 19200, None, clock),
        Word("(oh)", 0, 16001, 17000, 1.0, clock, voice=1),
        Word("enfant\u200b", 1, 24007, 31999, 0.0, clock, expected_error_ms=0.5),
        Word("«bohème»", 1, None, None, None, clock),
    )
    lines = (Line(0, 3), Line(3, 5, 1))
    return Alignment(
        words,
        lines,
        64001,
        clock,
        "fr",
        "an-engine",
        "2",
        "a/model",
        "f00",
        ("a warning", "ein «zweites»"),
        (Repeat(0, 1, 40001, 52002),),
    )


@pytest.fixture
def entry(track, key, alignment):
    return Entry(Source.CTC, track, alignment, NOW, NOW + timedelta(days=90), key, "Georges Bizet", "Habanera")


@pytest.fixture
def brought(entry):
    """What somebody brought of the same track."""

    def make(source: Source, **changes) -> Entry:
        return replace(entry, source=source, key=None, expires_at=None, **changes)

    return make
