"""What transcription servers answer (`verbose_json`), read as what a stranger wrote: checked, then believed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import EngineFailed
from melisma.core.records import HeardWord
from melisma.engines.hallucinations import HeardSegment

_MOST_WORDS = 200_000
_MOST_SEGMENTS = 50_000
_Time = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Word(_Model):
    word: str = Field(max_length=1_000)
    start: _Time
    end: _Time
    probability: _Share | None = None


class _Segment(_Model):
    start: _Time
    end: _Time
    text: str = Field(default="", max_length=100_000)
    no_speech_prob: _Share | None = None
    avg_logprob: _Time | None = None
    words: list[_Word] | None = Field(default=None, max_length=_MOST_WORDS)


class _Answer(_Model):
    text: str = Field(default="", max_length=10_000_000)
    language: str | None = Field(default=None, max_length=100)
    words: list[_Word] | None = Field(default=None, max_length=_MOST_WORDS)
    segments: list[_Segment] | None = Field(default=None, max_length=_MOST_SEGMENTS)


def read(body: bytes, name: str) -> tuple[list[HeardSegment], str | None]:
    """Read an answer.

    Parameters
    ----------
    body : bytes
        JSON.
    name : str
        Of the engine, for sentences.

    Returns
    -------
    list of HeardSegment
        Words as the server groups them, times as it says them.
    str or None
        The language, as the server calls it.

    Raises
    ------
    EngineFailed
        If this is not such an answer, or one without times of words.
    """
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        raise EngineFailed(f"{name} gives no usable answer: {_fault(error)}") from error
    if answer.words:
        return _grouped(answer.words, answer.segments or []), answer.language
    if answer.segments and any(segment.words for segment in answer.segments):
        return [_segment(segment, segment.words or []) for segment in answer.segments], answer.language
    if answer.text.strip() or any(segment.text.strip() for segment in answer.segments or []):
        raise EngineFailed(f"{name} gives no times of words: it must know verbose_json with timestamp_granularities")
    return [], answer.language


def _fault(error: ValidationError) -> str:
    """Name the first fault and its place, without what the server wrote."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))
    return " ".join(f"{place + ': ' if place else ''}{first['msg']}".split())[:200]


def _segment(segment: _Segment, words: list[_Word]) -> HeardSegment:
    return HeardSegment(
        tuple(HeardWord(word.word.strip(), word.start, word.end, word.probability) for word in words),
        segment.no_speech_prob,
        segment.avg_logprob,
    )


def _grouped(words: list[_Word], segments: list[_Segment]) -> list[HeardSegment]:
    """Give words that stand by themselves to the last segment that has begun by their middle."""
    if not segments:
        return [_segment(_Segment(start=0.0, end=0.0), words)]
    groups: list[list[_Word]] = [[] for _ in segments]
    at = 0
    for word in words:
        while at + 1 < len(segments) and segments[at + 1].start <= (word.start + word.end) / 2:
            at += 1
        groups[at].append(word)
    return [_segment(segment, group) for segment, group in zip(segments, groups, strict=True)]
