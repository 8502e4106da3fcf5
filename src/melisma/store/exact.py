"""An alignment as the bytes that our stores keep: our JSON format, what it rounds or leaves out beside it, compressed.

Everything read is hostile until it is parsed: sizes are bounded before anything is unpacked, the alignment goes through
the JSON format's own reader, and the exact times beside it must round to the ones in it. What was written comes back
equal.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, Repeat
from melisma.core.timebase import Timebase
from melisma.formats import json as alignment_json
from melisma.formats._objects import parse

MAX_BYTES = 50_000_000  # unpacked; an hour of lyrics is under 5 MB
_FASTEST = 1  # of zlib: a sixth of the size, and half a millisecond for a song

Tick = Annotated[int, Field(ge=0, le=1 << 53)]
Model = TypeVar("Model", bound=BaseModel)


class Damaged(ValueError):
    """Bytes do not hold what they should; whoever asked for them says which bytes."""


class Strict(BaseModel):
    """An object of which every key is known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Repeated(Strict):
    first: Tick
    stop: Tick
    start: Tick
    end: Tick


class Exact(Strict):
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


def spelt(alignment: Alignment) -> dict[str, object]:
    """Return what a document says of an alignment: `alignment`, text of the JSON format, and `exact` beside it."""
    return {"alignment": alignment_json.write(alignment), "exact": _exact(alignment)}


def pack(document: Mapping[str, object]) -> bytes:
    """Spell a document as compressed JSON."""
    return zlib.compress(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"), _FASTEST)


def unpack(name: str, data: bytes, model: type[Model]) -> Model:
    """Read what `pack` wrote, and hold it to a model.

    Raises
    ------
    Damaged
        If it does not unpack, or does not fit; `name` begins the sentence on what does not fit.
    """
    try:
        return parse(name, _unpacked(data), model)
    except (FormatError, ValidationError) as error:
        raise Damaged(str(error)) from error


def restored(text: str, exact: Exact) -> Alignment:
    """Read the JSON, then put back what it rounds or leaves out.

    Raises
    ------
    Damaged
        If one of the two breaks a promise, or they contradict each other.
    """
    try:
        rounded = alignment_json.read(text)
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
        raise Damaged(str(error)) from error
    _agree(rounded, made)
    return made


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


def _unpacked(data: bytes) -> str:
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, MAX_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise Damaged("it is cut off, or larger than any alignment")
        return text.decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from error


def _agree(rounded: Alignment, exact: Alignment) -> None:
    """Refuse exact times that are not those of the JSON."""
    for one, other in zip(rounded.words, exact.words, strict=True):
        if (one.start_ms, one.end_ms) != (other.start_ms, other.end_ms):
            raise Damaged(f"two times of {one.text!r} contradict each other")
    if rounded.duration_ms != exact.duration_ms:
        raise Damaged("two lengths of the recording contradict each other")
