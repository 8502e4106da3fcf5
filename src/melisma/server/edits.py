"""Corrections as JSON, `{"op": "move", …}` and the others: parsed strictly, then what `aligner.edits` applies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from melisma.aligner import edits

_LONGEST_MS = 24 * 3600 * 1000
_MOST_WORDS = 1_000_000

Index = Annotated[int, Field(ge=0, lt=_MOST_WORDS, description="Word of the alignment, counted from 0.")]
Ms = Annotated[int, Field(ge=0, le=_LONGEST_MS, description="Milliseconds from the beginning of the recording.")]
Spelt = Annotated[str, Field(min_length=1, max_length=200, description="One word, without spaces.")]
Range = Annotated[list[Index], Field(min_length=2, max_length=2, description="Words [first, stop), half-open.")]


class _Object(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class MoveObject(_Object):
    """Give a word these times; an unsung word gets some."""

    op: Literal["move"]
    word: Index
    start_ms: Ms
    end_ms: Ms
    ripple: bool | Literal["none", "line", "whole", "song"] = Field(
        default=False,
        description="What goes along: nothing, the later words of its line (or true), all of its line, or of the song.",
    )

    def edit(self) -> edits.Move:
        """Return the edit."""
        named = {True: edits.Ripple.LINE, False: edits.Ripple.NONE}
        ripple = named[self.ripple] if isinstance(self.ripple, bool) else edits.Ripple(self.ripple)
        return edits.Move(self.word, self.start_ms, self.end_ms, ripple)


class ShiftObject(_Object):
    """Move words that have a time; the others of the range stay unsung."""

    op: Literal["shift"]
    words: Range
    by_ms: Annotated[int, Field(ge=-_LONGEST_MS, le=_LONGEST_MS)]

    def edit(self) -> edits.Shift:
        """Return the edit."""
        return edits.Shift(self.words[0], self.words[1], self.by_ms)


class SplitObject(_Object):
    """Make two words of one."""

    op: Literal["split"]
    word: Index
    at_ms: Ms | None = Field(default=None, description="Where the second begins; null for a word without a time.")
    texts: Annotated[list[Spelt], Field(min_length=2, max_length=2)]

    def edit(self) -> edits.Split:
        """Return the edit."""
        return edits.Split(self.word, self.at_ms, (self.texts[0], self.texts[1]))


class MergeObject(_Object):
    """Make one word of this and the next of its line."""

    op: Literal["merge"]
    word: Index
    text: Spelt | None = Field(default=None, description="Of the new word; both texts joined, if not given.")

    def edit(self) -> edits.Merge:
        """Return the edit."""
        return edits.Merge(self.word, self.text)


class RetypeObject(_Object):
    """Spell a word otherwise."""

    op: Literal["retype"]
    word: Index
    text: Spelt

    def edit(self) -> edits.Retype:
        """Return the edit."""
        return edits.Retype(self.word, self.text)


class UnsingObject(_Object):
    """Say that a word is not sung."""

    op: Literal["unsing"]
    word: Index

    def edit(self) -> edits.Unsing:
        """Return the edit."""
        return edits.Unsing(self.word)


class ConfirmObject(_Object):
    """Say that words are right as they are."""

    op: Literal["confirm"]
    words: Range

    def edit(self) -> edits.Confirm:
        """Return the edit."""
        return edits.Confirm(self.words[0], self.words[1])


EditObject = Annotated[
    MoveObject | ShiftObject | SplitObject | MergeObject | RetypeObject | UnsingObject | ConfirmObject,
    Field(discriminator="op"),
]
"""One correction, told apart by `op`; `.edit()` is what `melisma.aligner.edits.apply` takes."""
