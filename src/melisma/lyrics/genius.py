"""Genius: plain lyrics with section headings, for nearly every song.

The API (https://docs.genius.com, with a free access token) finds the song; it gives no lyrics, so they are
taken from the song's page. What that means is said in docs/find-lyrics.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from melisma.lyrics.genius_page import lyrics_of
from melisma.lyrics.http import Answer, HttpConfig, Request, get
from melisma.lyrics.names import artist_likeness, title_likeness
from melisma.lyrics.protocol import Candidate, ProviderFailed, SongQuery

API_URL, PAGE_URL = "https://api.genius.com", "https://genius.com"
TOKENS = ("MELISMA_GENIUS_TOKEN", "GENIUS_ACCESS_TOKEN")
_N_PAGES = 2  # pages are large; the second is for a first hit that turns out to hold nothing
_ALIKE = 0.7  # of a hit whose page is worth a request

_Name = Annotated[str, StringConstraints(max_length=1_000)]


class _Artist(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: _Name


class _Song(BaseModel):
    model_config = ConfigDict(extra="ignore")
    title: _Name
    path: Annotated[str, StringConstraints(max_length=1_000, pattern=r"^/[^/\\\s][^\\\s]*$")]
    primary_artist: _Artist
    artist_names: _Name | None = None
    instrumental: bool | None = None


class _Hit(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: str
    result: dict[str, Any]


class _Hits(BaseModel):
    model_config = ConfigDict(extra="ignore")
    hits: list[_Hit]


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore")
    response: _Hits


class Genius:
    """Ask Genius, with the token that the environment holds."""

    name = "genius"

    def __init__(
        self,
        api_url: str | None = None,
        page_url: str | None = None,
        token: str | None = None,
        http: HttpConfig | None = None,
    ) -> None:
        self._api_url = (api_url or os.environ.get("MELISMA_GENIUS_API_URL") or API_URL).rstrip("/")
        self._page_url = (page_url or os.environ.get("MELISMA_GENIUS_PAGE_URL") or PAGE_URL).rstrip("/")
        self._token = (token or next((os.environ[name] for name in TOKENS if os.environ.get(name)), "")).strip()
        self._http = http

    @property
    def cache_key(self) -> str | None:
        """Its addresses; never the token."""
        return f"1 {self._api_url} {self._page_url}"

    def missing(self) -> str | None:
        """Say that there is no token, where there is none."""
        if self._token and not (self._token.isascii() and self._token.isprintable()):
            return f"the token in {TOKENS[1]} holds characters that no token has"
        return None if self._token else f"no token in {TOKENS[1]} or {TOKENS[0]}"

    def candidates(self, query: SongQuery) -> Sequence[Candidate]:
        """Search for the song and read the pages of the best hits, one after the other, until one holds lyrics."""
        found: list[Candidate] = []
        for song in self._hits(query)[:_N_PAGES]:
            text = self._lyrics(song)
            found.append(
                Candidate(
                    artist=song.artist_names or song.primary_artist.name,
                    title=song.title,
                    plain=text,
                    instrumental=bool(song.instrumental),
                    source=f"{self._page_url}{song.path}",
                )
            )
            if text:
                break
        return found

    def _hits(self, query: SongQuery) -> list[_Song]:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = get(Request(f"{self._api_url}/search", {"q": f"{query.artist} {query.title}"}, headers), self._http)
        if answer.status in (401, 403):
            raise ProviderFailed(f"refuses the token ({answer.status})")
        if answer.status != 200:
            raise ProviderFailed(f"answers {answer.status}")
        try:
            hits = _Found.model_validate_json(answer.body).response.hits
        except ValidationError as error:
            raise ProviderFailed("gives an answer that is none of its own") from error
        scored: list[tuple[float, int, _Song]] = []
        for i, hit in enumerate(hits[:50]):
            try:
                song = _Song.model_validate(hit.result) if hit.type == "song" else None
            except ValidationError:
                continue  # one broken entry says nothing about the others
            if song is not None and (alike := _likeness(query, song)) >= _ALIKE:
                scored.append((-alike, i, song))
        return [song for _, _, song in sorted(scored, key=lambda entry: entry[:2])]

    def _lyrics(self, song: _Song) -> str | None:
        answer: Answer = get(Request(f"{self._page_url}{song.path}", accept="text/html"), self._http)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ProviderFailed(f"answers {answer.status} for the song's page")
        return lyrics_of(answer.body.decode("utf-8", "replace"))


def _likeness(query: SongQuery, song: _Song) -> float:
    artist = max(artist_likeness(query.artist, name) for name in (song.primary_artist.name, song.artist_names or ""))
    return min(artist, title_likeness(query.title, song.title))
