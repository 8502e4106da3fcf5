"""Entries: the order of trust, and what goes together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from melisma.store.entries import GIVEN, Source
from melisma.store.keys import Track


def test_the_order_of_trust():
    assert sorted(Source, key=lambda source: source.rank) == ["user_corrected", "imported", "ctc", "whisper", "placed"]
    assert GIVEN == ("user_corrected", "imported")
    assert [source for source in Source if source.given] == list(GIVEN)


def test_an_entry_is_over_at_its_last_moment(entry):
    assert not entry.expired(entry.expires_at - timedelta(microseconds=1))
    assert entry.expired(entry.expires_at)
    assert not replace(entry, expires_at=None).expired(entry.created_at + timedelta(days=100_000))


def test_what_an_engine_made_has_a_key(entry):
    with pytest.raises(ValueError, match="what an engine made has a key"):
        replace(entry, key=None)


def test_what_somebody_brought_has_no_key(entry):
    with pytest.raises(ValueError, match="what somebody brought has none"):
        replace(entry, source=Source.IMPORTED)


def test_the_key_is_of_the_same_track(entry):
    with pytest.raises(ValueError, match="the key is that of another track"):
        replace(entry, track=Track("c", "d"))


def test_there_is_one_row_of_each_key_and_one_of_each_that_was_brought(entry, brought):
    rows = [entry, brought(Source.IMPORTED), brought(Source.USER_CORRECTED)]
    assert len({row.digest for row in rows}) == 3
    assert brought(Source.IMPORTED, artist="somebody else").digest == rows[1].digest
