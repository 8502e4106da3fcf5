"""Transcripts that another program has made, as JSON lines: {"id", "text", "language"?, "words"?, "seconds"?}."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from melisma.core.errors import ManifestError
from melisma.core.files import sha256_of
from melisma.data import manifest
from melisma.data.manifest import Seconds

_MOST_WORDS = 1_000_000
_LONGEST = 2_000_000  # characters; a day of speech has half as many


class HeardWord(BaseModel):
    """A word and when it was heard, in seconds from the beginning of its utterance."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: Seconds
    end: Seconds
    probability: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _forward(self) -> HeardWord:
        if self.end < self.start:
            raise ValueError(f"the word {self.text[:40]!r} ends at {self.end} s, before it starts ({self.start} s)")
        return self


class Hypothesis(BaseModel):
    """What was heard of an utterance.

    Parameters
    ----------
    id : str
        Of the utterance.
    text : str
        Its words; those of `words`, where there is no text.
    language : str
        That was heard; empty where nobody says.
    words : list of HeardWord, optional
        With their times.
    seconds : float, optional
        That hearing it took.
    error : str
        Why nothing could be heard; empty where it could.
    """

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: Annotated[str, Field(min_length=1, max_length=1000)]
    text: Annotated[str, Field(max_length=_LONGEST)] = ""
    language: Annotated[str, Field(max_length=100)] = ""
    words: Annotated[list[HeardWord], Field(max_length=_MOST_WORDS)] | None = None
    seconds: Seconds | None = None
    error: Annotated[str, Field(max_length=10_000)] = ""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, said: Any) -> Any:
        if not isinstance(said, dict):
            return said
        kept = {key: value for key, value in said.items() if value is not None}
        words = kept.get("words")
        if "text" not in kept and isinstance(words, list):
            kept["text"] = " ".join(str(word.get("text", "")).strip() for word in words if isinstance(word, dict))
        return kept


def read(path: Path) -> tuple[dict[str, Hypothesis], str]:
    """Read hypotheses, and return them by id, with the SHA-256 of the file.

    Raises
    ------
    ManifestError
        If the file cannot be read, a line is wrong, an id comes twice, or it holds none.
    """
    found: dict[str, Hypothesis] = {}
    for line in manifest.lines(path):
        try:
            each = Hypothesis.model_validate_json(line.data)
        except ValidationError as error:
            raise ManifestError(path, line.number, manifest.fault(error)) from error
        if each.id in found:
            raise ManifestError(path, line.number, f"there is a hypothesis for {each.id[:80]!r} already")
        found[each.id] = each
    if not found:
        raise ManifestError(path, None, "holds no hypothesis")
    return found, sha256_of(path)
