"""The JSON format of alignments, ``melisma.alignment/1``: everything, to the millisecond, in the order of the text.

``words`` and ``lines`` carry the alignment; ``text``, ``word_count``, ``confidence_avg`` and the text and times of a
line follow from them and are not looked at when read. ``words`` of a line is half-open: [first, stop), and so is
``lines`` of a repeat. ``voice`` ("backing") and ``expected_error_ms`` of a word, ``repeats`` and ``warnings`` stand
only where there is something to say. Unknown keys are passed over, so that a later version may add some; a wrong type,
a key that stands twice, NaN, a word that starts before the one of its line and voice in front of it and every other
broken promise is refused, never mended. Confidences have four decimals, expected errors one; a lone surrogate, which
UTF-8 cannot hold, becomes U+FFFD, and so does a control character in a warning, which a terminal might obey.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment, Line, Repeat, Word
from melisma.formats._characters import clean
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
    voice: Literal["lead", "backing"] = "lead"
    expected_error_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> WordObject:
        if self.unsung != (self.start_ms is None) or (self.start_ms is None) != (self.end_ms is None):
            raise ValueError("start_ms and end_ms are both numbers, or both null with unsung true")
        return self


class LineObject(_Strict):
    """A line of the file."""

    words: Annotated[list[Count], Field(min_length=2, max_length=2)]
    stanza: Count = 0


class RepeatObject(_Strict):
    """Lines that are sung once more than they are written."""

    lines: Annotated[list[Count], Field(min_length=2, max_length=2)]
    start_ms: Ms
    end_ms: Ms


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
    repeats: list[RepeatObject] = []
    warnings: list[str] = []


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
    lists: dict[str, list[object]] = {
        "words": [_word(word) for word in alignment.words],
        "lines": [_line(alignment, i) for i in range(len(alignment.lines))],
    }
    if alignment.repeats:
        lists["repeats"] = [_repeat(alignment, again) for again in alignment.repeats]
    if alignment.warnings:
        lists["warnings"] = [_sentence(warning) for warning in alignment.warnings]
    return spell(head, lists)


def _word(word: Word) -> dict[str, object]:
    fields: dict[str, object] = {
        "text": word.text,
        "start_ms": word.start_ms,
        "end_ms": word.end_ms,
        "confidence": rounded(word.confidence),
        "line": word.line,
    }
    if word.unsung:
        fields["unsung"] = True
    if word.voice == BACKING:
        fields["voice"] = "backing"
    if word.expected_error_ms is not None and 0 <= word.expected_error_ms < math.inf:
        fields["expected_error_ms"] = round(word.expected_error_ms, 1)
    return fields


def _repeat(alignment: Alignment, again: Repeat) -> dict[str, object]:
    ms = alignment.timebase.ms
    return {"lines": [again.first, again.stop], "start_ms": ms(again.start), "end_ms": ms(again.end)}


def _sentence(warning: str) -> str:
    return " ".join(clean(warning).split())


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
    words = tuple(
        Word(
            w.text,
            w.line,
            w.start_ms,
            w.end_ms,
            w.confidence,
            voice=BACKING if w.voice == "backing" else LEAD,
            expected_error_ms=w.expected_error_ms,
        )
        for w in found.words
    )
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
        warnings=tuple(_sentence(warning) for warning in found.warnings),
        repeats=tuple(Repeat(r.lines[0], r.lines[1], r.start_ms, r.end_ms) for r in found.repeats),
    )
    try:
        alignment.check()
    except ValueError as error:
        raise FormatError("json", str(error)) from error
    return alignment


FORMAT = Format("json", (".json",), "application/json", "melisma.alignment/1: everything", write, read)
