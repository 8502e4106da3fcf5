"""What is kept: an alignment, where it comes from, and how long it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from melisma.core.records import Alignment
from melisma.store.keys import ResultKey, Track, given_digest


class Source(StrEnum):
    """Where an alignment comes from, the most trusted first."""

    USER_CORRECTED = "user_corrected"
    IMPORTED = "imported"
    CTC = "ctc"  # an engine that emits, and our search
    WHISPER = "whisper"  # an engine that transcribes
    PLACED = "placed"  # an engine that places words by itself, such as the classical baselines

    @property
    def rank(self) -> int:
        """Place in the order of trust, 0 the first."""
        return list(Source).index(self)

    @property
    def given(self) -> bool:
        """Whether somebody brought it: it belongs to the track, whatever engine would be used."""
        return self in GIVEN


GIVEN = (Source.USER_CORRECTED, Source.IMPORTED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: an alignment and what it is one of.

    Parameters
    ----------
    source : Source
        Where it comes from.
    track : Track
        Recording and lyrics.
    alignment : Alignment
        Every word of the lyrics.
    created_at : datetime
        In UTC.
    expires_at : datetime or None
        In UTC; None for never.
    key : ResultKey or None
        What made it; None for what was imported or corrected.
    artist, title : str
        As far as they are known.
    """

    source: Source
    track: Track
    alignment: Alignment
    created_at: datetime
    expires_at: datetime | None = None
    key: ResultKey | None = None
    artist: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        if (self.key is None) != self.source.given:
            raise ValueError("what an engine made has a key, what somebody brought has none")
        if self.key is not None and self.key.track != self.track:
            raise ValueError("the key is that of another track")

    @property
    def digest(self) -> str:
        """What stands for the row: there is one of each."""
        return self.key.digest if self.key is not None else given_digest(self.track, self.source)

    def expired(self, now: datetime) -> bool:
        """Whether it no longer holds."""
        return self.expires_at is not None and self.expires_at <= now
