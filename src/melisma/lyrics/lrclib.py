"""LRCLib: a free database of synced and plain lyrics, without a key.

Documented at https://lrclib.net/docs: `/api/get` answers with the one track whose names (and length, ±2 s) are asked
for, or 404 TrackNotFound; `/api/search` with at most 20 tracks. It asks programs to say who they are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from melisma.lyrics.http import Answer, HttpConfig, Request, get
from melisma.lyrics.protocol import LONGEST_SONG_S, Candidate, ProviderFailed, SongQuery
from melisma.lyrics.timed import is_timed

URL = "https://lrclib.net"
_MAX_RESULTS = 100  # it gives 20; what is behind that is no answer to a search

_Name = Annotated[str, StringConstraints(max_length=1_000)]
_Text = Annotated[str, StringConstraints(max_length=500_000)]


class _Track(BaseModel):
    """A track as the server sends it; it may leave out anything but the names."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", strict=True)

    id: int | None = None
    track_name: _Name
    artist_name: _Name
    album_name: _Name | None = None
    duration: Annotated[float, Field(strict=False, ge=0, le=1e7, allow_inf_nan=False)] | None = None
    instrumental: bool | None = None
    plain_lyrics: _Text | None = None
    synced_lyrics: _Text | None = None


class LrcLib:
    """Ask LRCLib; MELISMA_LRCLIB_URL names another server of its kind."""

    name = "lrclib"

    def __init__(self, url: str | None = None, http: HttpConfig | None = None) -> None:
        self._url = (url or os.environ.get("MELISMA_LRCLIB_URL") or URL).rstrip("/")
        self._http = http

    @property
    def cache_key(self) -> str | None:
        """Its address: another server may know other songs."""
        return f"1 {self._url}"

    def missing(self) -> str | None:
        """Nothing is needed but the network."""
        return None

    def candidates(self, query: SongQuery) -> Sequence[Candidate]:
        """Return the track of this name and length, and where that has no times, what a search finds."""
        exact = self._get(query)
        if exact is not None and (exact.has_synced or exact.instrumental):
            return [exact]
        found = self._search({"track_name": query.title, "artist_name": query.artist})
        if not found and exact is None:
            found = self._search({"q": f"{query.artist} {query.title}"})
        return [exact, *found] if exact is not None else found

    def _get(self, query: SongQuery) -> Candidate | None:
        params = {"artist_name": query.artist, "track_name": query.title}
        if query.album:
            params["album_name"] = query.album
        if query.duration_s is not None and query.duration_s >= 1:
            params["duration"] = str(round(query.duration_s))
        answer = get(Request(f"{self._url}/api/get", params), self._http)
        if answer.status in (400, 404):  # 400: a server of an older version, which wants album and length
            return None
        try:
            return self._candidate(_Track.model_validate_json(_usable(answer)))
        except ValidationError as error:
            raise ProviderFailed("gives an answer that is none of its own") from error

    def _search(self, params: dict[str, str]) -> list[Candidate]:
        answer = get(Request(f"{self._url}/api/search", params), self._http)
        if answer.status == 404:
            return []
        try:
            rows = TypeAdapter(list[dict[str, Any]]).validate_json(_usable(answer))
        except ValidationError as error:
            raise ProviderFailed("gives an answer that is none of its own") from error
        found = []
        for row in rows[:_MAX_RESULTS]:
            try:
                found.append(self._candidate(_Track.model_validate(row)))
            except ValidationError:
                continue  # one broken entry says nothing about the others
        return found

    def _candidate(self, track: _Track) -> Candidate:
        duration = track.duration if track.duration and track.duration <= LONGEST_SONG_S else None
        return Candidate(
            artist=track.artist_name,
            title=track.track_name,
            album=track.album_name,
            duration_s=duration,
            plain=_sung(track.plain_lyrics),
            synced=track.synced_lyrics if track.synced_lyrics and is_timed(track.synced_lyrics) else None,
            instrumental=bool(track.instrumental),
            source=f"{self._url}/api/get/{track.id}" if track.id is not None else self._url,
        )


def _sung(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _usable(answer: Answer) -> bytes:
    if answer.status != 200:
        raise ProviderFailed(f"answers {answer.status}")
    if answer.media_type and "json" not in answer.media_type:
        raise ProviderFailed(f"answers with {answer.media_type[:60]}, not JSON")
    return answer.body
