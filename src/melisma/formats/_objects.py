"""JSON that comes from outside: parsed with its traps refused, then checked by pydantic; one sentence for a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from melisma.core.errors import FormatError
from melisma.formats._characters import without_surrogates

Model = TypeVar("Model", bound=BaseModel)


def parse(format_name: str, text: str, model: type[Model]) -> Model:
    """Parse JSON and check it against a model.

    Raises
    ------
    FormatError
        If the text is no JSON, holds a key twice, NaN or Infinity, is nested too deeply, or does not fit the model.
    """

    def refuse_constant(name: str) -> NoReturn:
        raise FormatError(format_name, f"{name} is no JSON number")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                raise FormatError(format_name, f"the key {key[:40]!r} stands twice in one object")
            found[key] = value
        return found

    try:
        raw = json.loads(text.removeprefix("\ufeff"), parse_constant=refuse_constant, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise FormatError(format_name, f"this is no JSON: {error.msg}", error.lineno) from error
    except RecursionError as error:
        raise FormatError(format_name, "the JSON is nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits
        raise FormatError(format_name, f"this is no JSON: {str(error).partition(';')[0]}") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise FormatError(format_name, _sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    """Name the first fault and its place: words[3].start_ms: Input should be a valid integer."""
    faults = error.errors(include_url=False, include_input=False)
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:40]}" for part in faults[0]["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return without_surrogates(f"{place.lstrip('.')}: {faults[0]['msg']}{more}".removeprefix(": "))


def spell(head: Mapping[str, object], lists: Mapping[str, Sequence[object]]) -> str:
    """Write an object with one key a row and one list element a row: compact, and readable in a diff."""
    parts = [f" {_dump(key)}: {_dump(value)}" for key, value in head.items()]
    for key, values in lists.items():
        elements = ",\n  ".join(_dump(value) for value in values)
        parts.append(f" {_dump(key)}: [{f'{chr(10)}  {elements}{chr(10)} ' if values else ''}]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _dump(value: object) -> str:
    return without_surrogates(json.dumps(value, ensure_ascii=False, allow_nan=False))


def rounded(confidence: float | None) -> float | None:
    """Round a confidence to four decimals; what is no number, or outside [0, 1], is not known."""
    return round(confidence, 4) if confidence is not None and 0 <= confidence <= 1 else None
