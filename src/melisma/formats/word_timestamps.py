"""Word timestamps: the record of the first karaoke service, for front ends that exist.

``words`` and, nested, ``lines`` with ``startMs`` and ``endMs``. Those front ends compute with every time, so a word
without one gets the moment between its neighbours and ``"unsung": true``, which the reader turns back.
``model_version`` holds engine, version and model. Lost: stanzas; the reader knows no engine and keeps
``model_version`` as the model.

Read: the lines, where they hold exactly the words, in order; else a new line begins after each pause of 1.5 seconds
(a warning says so). Times may be fractions (rounded, halves up); a word out of order is moved, with a warning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from melisma.core.files import Format
from melisma.core.records import Alignment, Word
from melisma.formats._clock import LIMIT_MS
from melisma.formats._draft import DraftLine, TimedWord, assemble, by_pauses, language_or_und
from melisma.formats._objects import parse, rounded, spell

Ms = Annotated[float, Field(ge=0, le=LIMIT_MS, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class WordObject(_Strict):
    """A word of the record."""

    word: str
    start_ms: Annotated[Ms, Field(alias="startMs")]
    end_ms: Annotated[Ms, Field(alias="endMs")]
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    unsung: bool = False


class LineObject(_Strict):
    """A line of the record."""

    words: list[WordObject]


class RecordObject(_Strict):
    """The record."""

    language: str | None = None
    duration_ms: Ms = 0.0
    model_version: str | None = None
    words: list[WordObject]
    lines: list[LineObject] | None = None


def write(alignment: Alignment) -> str:
    """Write an alignment as a word-timestamps record."""
    words = _words(alignment)
    versions = (alignment.engine, alignment.engine_version, alignment.model_id, alignment.model_revision)
    head = {
        "text": alignment.text,
        "language": alignment.language,
        "word_count": len(alignment.words),
        "duration_ms": alignment.duration_ms,
        "confidence_avg": rounded(alignment.confidence_avg),
        "source": "forced_alignment",
        "model_version": " ".join(part for part in versions if part) or "unknown",
    }
    lines = []
    for i, line in enumerate(alignment.lines):
        inside = words[line.first : line.stop]
        start_ms, end_ms = alignment.line_ms(i) or (inside[0]["startMs"], inside[-1]["endMs"])
        lines.append({"startMs": start_ms, "endMs": end_ms, "words": inside, "text": alignment.line_text(i)})
    return spell(head, {"words": words, "lines": lines})


def _words(alignment: Alignment) -> list[dict[str, object]]:
    """Return the words as objects, those without a time at the moment between their neighbours."""
    following: list[int | None] = []
    upcoming: int | None = None
    for word in reversed(alignment.words):
        upcoming = word.start_ms if word.start_ms is not None else upcoming
        following.append(upcoming)
    found: list[dict[str, object]] = []
    last = 0
    for word, after in zip(alignment.words, reversed(following), strict=True):
        moment = last if after is None else min(last, after)
        last = word.end_ms if word.end_ms is not None else last
        found.append(_object(word, moment))
    return found


def _object(word: Word, moment: int) -> dict[str, object]:
    fields: dict[str, object] = {
        "word": word.text,
        "startMs": moment if word.start_ms is None else word.start_ms,
        "endMs": moment if word.end_ms is None else word.end_ms,
        "confidence": rounded(word.confidence),
    }
    return {**fields, "unsung": True} if word.unsung else fields


def read(text: str) -> Alignment:
    """Read a word-timestamps record.

    Raises
    ------
    FormatError
        If the text is no such record; the sentence names the place.
    """
    found = parse("word-timestamps", text, RecordObject)
    words = [_timed(word) for word in found.words]
    lines: list[tuple[TimedWord, ...]] = [tuple(_timed(word) for word in line.words) for line in found.lines or ()]
    notes: list[str] = []
    if [word for line in lines for word in line] == words:
        draft = [DraftLine(tuple(part for word in line for part in _parts(word))) for line in lines]
    else:
        draft = by_pauses([part for word in words for part in _parts(word)])
        notes.append("the lines do not hold the words: new ones were made of the pauses")
    alignment = assemble(
        "word-timestamps",
        draft,
        duration=_ms(found.duration_ms),
        language=language_or_und(found.language or ""),
        warnings=notes,
    )
    model = found.model_version if found.model_version not in (None, "unknown") else ""
    return replace(alignment, model_id=model)


def _timed(word: WordObject) -> TimedWord:
    if word.unsung:
        return TimedWord(word.word, None, None, word.confidence)
    return TimedWord(word.word, _ms(word.start_ms), _ms(word.end_ms), word.confidence)


def _parts(word: TimedWord) -> tuple[TimedWord, ...]:
    """Split a text that holds whitespace into words that share its span, and leave out an empty one."""
    return tuple(replace(word, text=part) for part in word.text.split())


def _ms(value: float) -> int:
    return int(value + 0.5)


FORMAT = Format(
    "word-timestamps",
    (".words.json",),
    "application/json",
    "word timestamps: startMs and endMs, for front ends that exist",
    write,
    read,
)
