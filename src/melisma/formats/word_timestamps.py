"""Word timestamps: the record of the first karaoke service, for front ends that exist.

``words`` and, nested, ``lines`` with ``startMs`` and ``endMs``, both in the order in which they are sung; a backing
group that overlaps its lead is a line of its own, and its words say ``"voice": "backing"``. Those front ends compute
with every time, so a word without one gets the moment between its neighbours and ``"unsung": true``, which the reader
turns back. ``model_version`` holds engine, version and model. Lost: stanzas, the order of the text; the reader knows no
engine and keeps ``model_version`` as the model.

Read: the lines, where they hold exactly the words; else a new line begins after each pause of 1.5 seconds (a warning
says so). Times may be fractions (rounded, halves up); a word out of order in its line is moved, with a warning.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment, Word
from melisma.formats._clock import LIMIT_MS
from melisma.formats._draft import DraftLine, TimedWord, assemble, by_pauses, language_or_und
from melisma.formats._objects import parse, rounded, spell
from melisma.formats._sung import in_sung_order

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
    voice: Literal["lead", "backing"] = "lead"


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
    alignment = in_sung_order(alignment)
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
    starts = [int(str(word["startMs"])) for word in words]
    by_time: list[object] = [words[i] for i in sorted(range(len(words)), key=lambda i: starts[i])]
    lines: list[object] = []
    for i, line in enumerate(alignment.lines):
        inside = words[line.first : line.stop]
        start_ms, end_ms = alignment.line_ms(i) or (inside[0]["startMs"], inside[-1]["endMs"])
        lines.append({"startMs": start_ms, "endMs": end_ms, "words": inside, "text": alignment.line_text(i)})
    return spell(head, {"words": by_time, "lines": lines})


def _words(alignment: Alignment) -> list[dict[str, object]]:
    """Return the words as objects, those without a time at the moment between their neighbours."""
    following: list[int | None] = []
    upcoming: int | None = None
    for word in reversed(alignment.words):
        upcoming = word.start_ms if word.start_ms is not None else upcoming
        following.append(upcoming)
    found: list[dict[str, object]] = []
    last = begun = 0
    line = -1
    for word, after in zip(alignment.words, reversed(following), strict=True):
        begun = begun if word.line == line else 0
        line = word.line
        moment = max(begun, last if after is None else min(last, after))
        last = word.end_ms if word.end_ms is not None else last
        begun = word.start_ms if word.start_ms is not None else moment
        found.append(_object(word, moment))
    return found


def _object(word: Word, moment: int) -> dict[str, object]:
    fields: dict[str, object] = {
        "word": word.text,
        "startMs": moment if word.start_ms is None else word.start_ms,
        "endMs": moment if word.end_ms is None else word.end_ms,
        "confidence": rounded(word.confidence),
    }
    if word.unsung:
        fields["unsung"] = True
    if word.voice == BACKING:
        fields["voice"] = "backing"
    return fields


def read(text: str) -> Alignment:
    """Read a word-timestamps record.

    Raises
    ------
    FormatError
        If the text is no such record; the sentence names the place.
    """
    found = parse("word-timestamps", text, RecordObject)
    inside = [word for line in found.lines or () for word in line.words]
    notes: list[str] = []
    # Lines may overlap, so that their words, one line after the other, are in another order than all words by time.
    if sorted(inside, key=_order) == sorted(found.words, key=_order):
        draft = [DraftLine(tuple(part for word in line.words for part in _parts(word))) for line in found.lines or ()]
    else:
        draft = by_pauses([part for word in found.words for part in _parts(word)])
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


def _order(word: WordObject) -> tuple[float, float, str]:
    return word.start_ms, word.end_ms, word.word


def _parts(word: WordObject) -> tuple[TimedWord, ...]:
    """Split a text that holds whitespace into words that share its span, and leave out an empty one."""
    start, end = (None, None) if word.unsung else (_ms(word.start_ms), _ms(word.end_ms))
    voice = BACKING if word.voice == "backing" else LEAD
    return tuple(TimedWord(part, start, end, word.confidence, voice) for part in word.word.split())


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
