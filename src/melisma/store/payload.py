"""An entry as bytes, for a database and for Redis: our JSON format, what it rounds or leaves out beside it, compressed.

Everything read is hostile until it is parsed: sizes are bounded before anything is unpacked, the alignment goes through
the JSON format's own reader, the exact times beside it must round to the ones in it, and the row must be the one asked
for. What was written comes back equal.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import CacheError, FormatError
from melisma.core.records import Alignment, Repeat
from melisma.core.timebase import Timebase
from melisma.formats import json as alignment_json
from melisma.formats._objects import parse
from melisma.store.entries import Entry, Source
from melisma.store.keys import ResultKey, Track

SCHEMA = "melisma.cached/1"
MAX_BYTES = 50_000_000  # unpacked; an hour of lyrics is under 5 MB
_FASTEST = 1  # of zlib: a sixth of the size, and half a millisecond for a song

Tick = Annotated[int, Field(ge=0, le=1 << 53)]


class DamagedEntry(CacheError):
    """A row does not hold what it should."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Repeated(_Strict):
    first: Tick
    stop: Tick
    start: Tick
    end: Tick


class _Exact(_Strict):
    """What the JSON format rounds to milliseconds and four decimals, or leaves out; one element per word."""

    sample_rate: Annotated[int, Field(gt=0, le=1 << 32)]
    stride: Annotated[int, Field(gt=0, le=1 << 32)]
    duration: Tick
    starts: list[Tick | None]
    ends: list[Tick | None]
    confidences: list[Annotated[float, Field(ge=0, le=1)] | None]
    voices: list[Annotated[int, Field(ge=0, le=1)]]
    expected_errors_ms: list[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None]
    warnings: list[str]
    repeats: list[_Repeated]


class _Key(_Strict):
    language: str
    engine: str
    engine_version: str
    model_id: str
    model_revision: str
    pipeline: str
    flags: str


class _Document(_Strict):
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
    exact: _Exact


def write(entry: Entry) -> bytes:
    """Spell an entry as compressed JSON.

    Raises
    ------
    CacheError
        If it would not come back as it is: a word with half a character, a confidence that is no number.
    """
    data = zlib.compress(json.dumps(_document(entry), ensure_ascii=False).encode("utf-8", "replace"), _FASTEST)
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
    found = _parsed(_unpacked(data))
    track = Track(found.audio_hash, found.text_hash)
    key = None if found.key is None else ResultKey(track=track, **found.key.model_dump())
    try:
        entry = Entry(
            source=found.source,
            track=track,
            alignment=_alignment(found),
            created_at=found.created_at,
            expires_at=found.expires_at,
            key=key,
            artist=found.artist,
            title=found.title,
        )
    except ValueError as error:
        raise DamagedEntry(f"a row of the cache is damaged: {error}") from error
    if entry.digest != digest:
        raise DamagedEntry("a row of the cache is damaged: it holds another entry than its key says")
    return entry


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
        "alignment": alignment_json.write(entry.alignment),
        "exact": _exact(entry.alignment),
    }


def _exact(alignment: Alignment) -> dict[str, object]:
    return {
        "sample_rate": alignment.timebase.sample_rate,
        "stride": alignment.timebase.stride,
        "duration": alignment.duration,
        "starts": [word.start for word in alignment.words],
        "ends": [word.end for word in alignment.words],
        "confidences": [word.confidence for word in alignment.words],
        "voices": [word.voice for word in alignment.words],
        "expected_errors_ms": [word.expected_error_ms for word in alignment.words],
        "warnings": list(alignment.warnings),
        "repeats": [asdict(repeat) for repeat in alignment.repeats],
    }


def _spelt(moment: datetime) -> str:
    return moment.isoformat()


def _unpacked(data: bytes) -> str:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, MAX_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise DamagedEntry("a row of the cache is damaged: it is cut off, or larger than any alignment")
        return text.decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise DamagedEntry(f"a row of the cache is damaged: {error}") from error


def _parsed(text: str) -> _Document:
    try:
        return parse("cache", text, _Document)
    except (FormatError, ValidationError) as error:
        raise DamagedEntry(f"a row of the cache is damaged: {error}") from error


def _alignment(found: _Document) -> Alignment:
    """Read the JSON, then put back what it rounds or leaves out."""
    exact = found.exact
    try:
        rounded = alignment_json.read(found.alignment)
        clock = Timebase(exact.sample_rate, exact.stride)
        rows = zip(
            rounded.words,
            exact.starts,
            exact.ends,
            exact.confidences,
            exact.voices,
            exact.expected_errors_ms,
            strict=True,
        )
        words = tuple(
            replace(
                word, start=start, end=end, confidence=sure, timebase=clock, voice=voice, expected_error_ms=expected
            )
            for word, start, end, sure, voice, expected in rows
        )
        made = replace(
            rounded,
            words=words,
            duration=exact.duration,
            timebase=clock,
            warnings=tuple(exact.warnings),
            repeats=tuple(Repeat(each.first, each.stop, each.start, each.end) for each in exact.repeats),
        )
        made.check()
    except (FormatError, ValueError) as error:
        raise DamagedEntry(f"a row of the cache is damaged: {error}") from error
    _agree(rounded, made)
    return made


def _agree(rounded: Alignment, exact: Alignment) -> None:
    """Refuse exact times that are not those of the JSON."""
    for one, other in zip(rounded.words, exact.words, strict=True):
        if (one.start_ms, one.end_ms) != (other.start_ms, other.end_ms):
            raise DamagedEntry(f"a row of the cache is damaged: two times of {one.text!r} contradict each other")
    if rounded.duration_ms != exact.duration_ms:
        raise DamagedEntry("a row of the cache is damaged: two lengths of the recording contradict each other")
