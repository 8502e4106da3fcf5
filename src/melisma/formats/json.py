"""The JSON format of alignments, ``melisma.alignment/1``: everything but the warnings, to the millisecond.

``words`` and ``lines`` carry the alignment; ``text``, ``word_count``, ``confidence_avg`` and the text and times of a
line follow from them and are not looked at when read. ``words`` of a line is half-open: [first, stop). Unknown keys
are passed over, so that a later version may add some; a wrong type, a key that stands twice, NaN, a word that starts
before the one in front of it and every other broken promise is refused, never mended. Confidences have four decimals;
a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import Alignment, Line, Word
from melisma.formats._clock import LIMIT_MS
from melisma.formats._objects import parse, rounded, spell

SCHEMA = "melisma.alignment/1"

Ms = Annotated[int, Field(ge=0, le=LIMIT_MS)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class WordObject(_Strict):
    """A word of the file."""

    text: Annotated[str, Field(min_length=1)]
    start_ms: Ms | None
    end_ms: Ms | None
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    line: Count
    unsung: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> WordObject:
        if self.unsung != (self.start_ms is None) or (self.start_ms is None) != (self.end_ms is None):
            raise ValueError("start_ms and end_ms are both numbers, or both null with unsung true")
        return self


class LineObject(_Strict):
    """A line of the file."""

    words: Annotated[list[Count], Field(min_length=2, max_length=2)]
    stanza: Count = 0


class AlignmentObject(_Strict):
    """The file."""

    schema_name: Annotated[Literal["melisma.alignment/1"], Field(alias="schema")]
    language: str = "und"
    duration_ms: Ms
    engine: str = ""
    engine_version: str = ""
    model_id: str = ""
    model_revision: str = ""
    words: list[WordObject]
    lines: list[LineObject]


def write(alignment: Alignment) -> str:
    """Write an alignment as JSON text."""
    head = {
        "schema": SCHEMA,
        "text": alignment.text,
        "language": alignment.language,
        "duration_ms": alignment.duration_ms,
        "engine": alignment.engine,
        "engine_version": alignment.engine_version,
        "model_id": alignment.model_id,
        "model_revision": alignment.model_revision,
        "confidence_avg": rounded(alignment.confidence_avg),
        "word_count": len(alignment.words),
    }
    words = [_word(word) for word in alignment.words]
    return spell(head, {"words": words, "lines": [_line(alignment, i) for i in range(len(alignment.lines))]})


def _word(word: Word) -> dict[str, object]:
    fields: dict[str, object] = {
        "text": word.text,
        "start_ms": word.start_ms,
        "end_ms": word.end_ms,
        "confidence": rounded(word.confidence),
        "line": word.line,
    }
    return {**fields, "unsung": True} if word.unsung else fields


def _line(alignment: Alignment, index: int) -> dict[str, object]:
    line = alignment.lines[index]
    start_ms, end_ms = alignment.line_ms(index) or (None, None)
    return {
        "text": alignment.line_text(index),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "words": [line.first, line.stop],
        "stanza": line.stanza,
    }


def read(text: str) -> Alignment:
    """Read JSON text.

    Raises
    ------
    FormatError
        If the text is not a ``melisma.alignment/1`` that keeps its promises; the sentence names the place.
    """
    found = parse("json", text, AlignmentObject)
    words = tuple(Word(w.text, w.line, w.start_ms, w.end_ms, w.confidence) for w in found.words)
    lines = tuple(Line(line.words[0], line.words[1], line.stanza) for line in found.lines)
    alignment = Alignment(
        words,
        lines,
        found.duration_ms,
        language=found.language,
        engine=found.engine,
        engine_version=found.engine_version,
        model_id=found.model_id,
        model_revision=found.model_revision,
    )
    try:
        alignment.check()
    except ValueError as error:
        raise FormatError("json", str(error)) from error
    return alignment


FORMAT = Format("json", (".json",), "application/json", "melisma.alignment/1: everything", write, read)
