"""An entry as bytes, for a database and for Redis: the alignment exactly (`melisma.store.exact`), and where it is from.

Everything read is hostile until it is parsed, and the row must be the one asked for. What was written comes back equal.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from melisma.core.errors import CacheError
from melisma.store import exact
from melisma.store.entries import Entry, Source
from melisma.store.exact import MAX_BYTES as MAX_BYTES
from melisma.store.exact import Exact, Strict
from melisma.store.keys import ResultKey, Track

SCHEMA = "melisma.cached/1"


class DamagedEntry(CacheError):
    """A row does not hold what it should."""


class _Key(Strict):
    language: str
    engine: str
    engine_version: str
    model_id: str
    model_revision: str
    pipeline: str
    flags: str


class _Document(Strict):
    schema_name: Annotated[Literal["melisma.cached/1"], Field(alias="schema")]
    source: Annotated[Source, Field(strict=False)]
    audio_hash: str
    text_hash: str
    key: _Key | None
    created_at: Annotated[AwareDatetime, Field(strict=False)]
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None
    artist: str
    title: str
    alignment: str  # text of the JSON format
    exact: Exact


def write(entry: Entry) -> bytes:
    """Spell an entry as compressed JSON.

    Raises
    ------
    CacheError
        If it would not come back as it is: a word with half a character, a confidence that is no number.
    """
    data = exact.pack(_document(entry))
    try:
        if read(data, entry.digest) == entry:
            return data
        said = "it would come back changed"
    except DamagedEntry as error:
        said = str(error)
    raise CacheError(f"this alignment cannot be kept: {said}")


def read(data: bytes, digest: str) -> Entry:
    """Read an entry, and hold it to the digest under which it was found.

    Raises
    ------
    DamagedEntry
        If the bytes are no entry, or another one; the sentence says what is wrong.
    """
    try:
        entry = _entry(exact.unpack("cache", data, _Document))
    except ValueError as error:
        raise DamagedEntry(f"a row of the cache is damaged: {error}") from error
    if entry.digest != digest:
        raise DamagedEntry("a row of the cache is damaged: it holds another entry than its key says")
    return entry


def _entry(found: _Document) -> Entry:
    track = Track(found.audio_hash, found.text_hash)
    key = None if found.key is None else ResultKey(track=track, **found.key.model_dump())
    return Entry(
        source=found.source,
        track=track,
        alignment=exact.restored(found.alignment, found.exact),
        created_at=found.created_at,
        expires_at=found.expires_at,
        key=key,
        artist=found.artist,
        title=found.title,
    )


def _document(entry: Entry) -> dict[str, object]:
    key = None
    if entry.key is not None:
        key = {name: value for name, value in asdict(entry.key).items() if name != "track"}
    return {
        "schema": SCHEMA,
        "source": entry.source.value,
        "audio_hash": entry.track.audio_hash,
        "text_hash": entry.track.text_hash,
        "key": key,
        "created_at": _spelt(entry.created_at),
        "expires_at": None if entry.expires_at is None else _spelt(entry.expires_at),
        "artist": entry.artist,
        "title": entry.title,
        **exact.spelt(entry.alignment),
    }


def _spelt(moment: datetime) -> str:
    return moment.isoformat()
