"""What all bodies share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer


def _storable(text: str) -> str:
    """Refuse what a database or an answer cannot hold: a NUL, and half of a character that takes two."""
    if "\0" in text:
        raise ValueError("the text holds a NUL")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text holds half a character")
    return text


def spelt(moment: datetime) -> str:
    """Spell a moment as ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(max_length=300)]
Moment = Annotated[datetime, PlainSerializer(spelt, return_type=str)]
EXAMPLE_ID = "0123456789abcdef0123456789abcdef"
Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=[EXAMPLE_ID])]
Index = Annotated[int, Field(ge=0, le=10_000_000)]
Ms = Annotated[int, Field(ge=0, le=1_000_000_000)]


def given(*examples: dict[str, Any]) -> ConfigDict:
    """Return how bodies that somebody sends are read, with examples for the description."""
    return ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra={"examples": list(examples)})


class Given(BaseModel):
    """A body that somebody sends: nothing in it may be strange."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Shown(BaseModel):
    """A body that is sent."""

    model_config = ConfigDict(frozen=True)
