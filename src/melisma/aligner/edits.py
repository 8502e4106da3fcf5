"""A person's corrections: words moved, split, merged, retyped, marked unsung, confirmed; pure, and never half done.

Edits are applied in their order. Each is held to its own terms at once; the order of words within their lines only when
all are done, so that a line that is tapped anew word by word may pass over its old times. What a person has set is
certain: confidence 1, expected error 0. A word that is only carried along by another, or only spelt anew, keeps what
was said of it, for nobody has listened to where it begins.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import NoReturn

from melisma.core.errors import RefusedEdit
from melisma.core.records import Alignment, Line, Repeat, Word
from melisma.core.timebase import Timebase

CERTAIN, NO_ERROR_MS = 1.0, 0.0
_UNHOLDABLE = frozenset({"Cc", "Cs", "Cn"})  # controls, halves of characters, what is no character


class Ripple(StrEnum):
    """What goes along when a word is moved: nothing, the later words of its line, all of that, or all later words."""

    NONE = "none"
    LINE = "line"
    WHOLE = "whole"
    SONG = "song"


@dataclass(frozen=True, slots=True)
class Move:
    """Give a word these times, in ms; one without a time gets one.

    With a ripple others go along by as much as its start moves, or its end where the start stays: the words of its line
    that come after it, all words of its line, or all words of the song that come after it in the text and in time.
    """

    word: int
    start_ms: int
    end_ms: int
    ripple: Ripple = Ripple.NONE


@dataclass(frozen=True, slots=True)
class Shift:
    """Move the words [first, stop) that have a time by so many ms."""

    first: int
    stop: int
    by_ms: int


@dataclass(frozen=True, slots=True)
class Split:
    """Make two words of one at a time in ms; None where it has no time."""

    word: int
    at_ms: int | None
    texts: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Merge:
    """Make one word of this and the next of its line; their texts joined, unless another is given."""

    word: int
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Retype:
    """Spell a word otherwise; its times stay."""

    word: int
    text: str


@dataclass(frozen=True, slots=True)
class Unsing:
    """Take a word's times away: it is not sung."""

    word: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Say that the words [first, stop) are right as they are, unsung ones too."""

    first: int
    stop: int


Edit = Move | Shift | Split | Merge | Retype | Unsing | Confirm


@dataclass(frozen=True, slots=True)
class Edited:
    """The alignment after edits, and the words of it whose place a person has set."""

    alignment: Alignment
    corrected: frozenset[int]


def apply(alignment: Alignment, edits: Sequence[Edit], corrected: Iterable[int] = ()) -> Edited:
    """Apply edits in their order, all of them or none.

    Parameters
    ----------
    alignment : Alignment
        What is corrected; it is not changed.
    edits : sequence of Edit
        Each counts words as they are when those before it are done.
    corrected : iterable of int
        Words whose place a person has set before.

    Returns
    -------
    Edited
        An alignment that keeps its promises, on the same clock.

    Raises
    ------
    RefusedEdit
        If one cannot be done; the sentence names the edit and the word.
    """
    draft = _Draft(alignment, set(corrected))
    for number, edit in enumerate(edits):
        draft.apply(number, edit)
    draft.check_order(edits)
    return draft.done()


def refuse(number: int, edit: Edit, word: int | None, text: str | None, why: str) -> NoReturn:
    """Say of an edit why it is refused."""
    raise RefusedEdit(number, type(edit).__name__.lower(), word, text, why)


@dataclass(slots=True)
class _Spot:
    """A word under correction: whether a person has set it, and the last edit that has touched it."""

    word: Word
    set: bool
    by: int = -1


@dataclass(slots=True)
class _Draft:
    """An alignment under correction."""

    alignment: Alignment
    before: set[int]
    spots: list[_Spot] = field(init=False)
    repeats: list[Repeat] = field(init=False)

    def __post_init__(self) -> None:
        self.spots = [_Spot(word, i in self.before) for i, word in enumerate(self.alignment.words)]
        self.repeats = list(self.alignment.repeats)

    @property
    def clock(self) -> Timebase:
        return self.alignment.timebase

    def apply(self, number: int, edit: Edit) -> None:
        match edit:
            case Move():
                self._move(number, edit)
            case Shift():
                self._shift(number, edit)
            case Split():
                self._split(number, edit)
            case Merge():
                self._merge(number, edit)
            case Retype():
                spot = self._spot(number, edit, edit.word)
                self._spell(number, edit, edit.text)
                spot.word, spot.by = replace(spot.word, text=edit.text), number
            case Unsing():
                spot = self._spot(number, edit, edit.word)
                spot.word = replace(spot.word, start=None, end=None, confidence=None, expected_error_ms=None)
                spot.set, spot.by = True, number
            case Confirm():
                for i in self._range(number, edit):
                    self._set(i, number)

    def _move(self, number: int, edit: Move) -> None:
        spot = self._spot(number, edit, edit.word)
        old = spot.word
        if edit.end_ms < edit.start_ms:
            self._refuse(number, edit, edit.word, f"it would end at {edit.end_ms} ms, before it starts")
        if old.start is None and edit.ripple is not Ripple.NONE:
            self._refuse(number, edit, edit.word, "it has no time yet, so there is nothing to move others by")
        start = self._tick(number, edit, edit.word, edit.start_ms, end=False)
        end = max(start, self._tick(number, edit, edit.word, edit.end_ms, end=True))
        spot.word = replace(old, start=start, end=end)
        self._set(edit.word, number)
        if old.start is None or old.end is None or edit.ripple is Ripple.NONE:
            return
        by = start - old.start or end - old.end
        for i in self._going_along(edit, old):
            self._carry(number, edit, i, by)
        if edit.ripple is Ripple.SONG:
            self._carry_repeats(number, edit, old.start, by)

    def _going_along(self, edit: Move, moved: Word) -> Iterator[int]:
        """Yield the words that go along with one; it was at `moved`."""
        whole = edit.ripple is Ripple.WHOLE
        low = edit.word
        while whole and low > 0 and self.spots[low - 1].word.line == moved.line:
            low -= 1
        for i in range(low, len(self.spots)):
            word = self.spots[i].word
            if edit.ripple is not Ripple.SONG and word.line != moved.line:
                return
            if i == edit.word or word.start is None:
                continue
            if whole or (i > edit.word and word.start >= (moved.start or 0)):
                yield i

    def _shift(self, number: int, edit: Shift) -> None:
        timed = [i for i in self._range(number, edit) if not self.spots[i].word.unsung]
        if not timed:
            self._refuse(number, edit, edit.first, "no word from here on has a time to shift")
        by = self.clock.ticks(edit.by_ms / 1000)
        for i in timed:
            self._carry(number, edit, i, by)
            self._set(i, number)

    def _split(self, number: int, edit: Split) -> None:
        spot = self._spot(number, edit, edit.word)
        word = spot.word
        for text in edit.texts:
            self._spell(number, edit, text)
        if (edit.at_ms is None) != word.unsung:
            said = "it has no time to split it at" if word.unsung else "it needs a time to split it at"
            self._refuse(number, edit, edit.word, said)
        first, second = (replace(word, text=text) for text in edit.texts)
        if edit.at_ms is None or word.start is None or word.end is None:
            self.spots[edit.word : edit.word + 1] = [_Spot(first, spot.set, number), _Spot(second, spot.set, number)]
            return
        at = self._tick(number, edit, edit.word, edit.at_ms, end=False)
        if not word.start <= at <= word.end:
            spans = f"from {word.start_ms} to {word.end_ms} ms"
            self._refuse(number, edit, edit.word, f"{edit.at_ms} ms is outside of it, which is sung {spans}")
        first, second = replace(first, end=at), replace(second, start=at)
        self.spots[edit.word : edit.word + 1] = [_Spot(first, spot.set, number), _Spot(second, True, number)]
        self._set(edit.word + 1, number)

    def _merge(self, number: int, edit: Merge) -> None:
        spot = self._spot(number, edit, edit.word)
        if edit.word + 1 >= len(self.spots) or self.spots[edit.word + 1].word.line != spot.word.line:
            self._refuse(number, edit, edit.word, "it is the last of its line: there is none to merge it with")
        other = self.spots[edit.word + 1]
        if other.word.voice != spot.word.voice:
            self._refuse(number, edit, edit.word, "the next word is of another voice")
        text = spot.word.text + other.word.text if edit.text is None else edit.text
        self._spell(number, edit, text)
        timed = [each for each in (spot, other) if not each.word.unsung]
        leading = timed[0] if timed else spot
        start = min((each.word.start for each in timed if each.word.start is not None), default=None)
        end = max((each.word.end for each in timed if each.word.end is not None), default=None)
        self.spots[edit.word : edit.word + 2] = [
            _Spot(replace(leading.word, text=text, start=start, end=end), leading.set, number)
        ]

    def _carry(self, number: int, edit: Edit, index: int, by: int) -> None:
        """Move a word that has a time by so many ticks."""
        spot = self.spots[index]
        start, end = (spot.word.start or 0) + by, (spot.word.end or 0) + by
        if start < 0 or end > self.alignment.duration:
            self._refuse(number, edit, index, "it would be moved out of the recording")
        spot.word, spot.by = replace(spot.word, start=start, end=end), number

    def _carry_repeats(self, number: int, edit: Move, since: int, by: int) -> None:
        for k, again in enumerate(self.repeats):
            if again.start < since:
                continue
            if again.start + by < 0 or again.end + by > self.alignment.duration:
                self._refuse(number, edit, edit.word, "a line that is sung again would be moved out of the recording")
            self.repeats[k] = replace(again, start=again.start + by, end=again.end + by)

    def _set(self, index: int, number: int) -> None:
        """Note that a person says where a word is."""
        spot = self.spots[index]
        spot.set, spot.by = True, number
        if not spot.word.unsung:
            spot.word = replace(spot.word, confidence=CERTAIN, expected_error_ms=NO_ERROR_MS)

    def _tick(self, number: int, edit: Edit, index: int, ms: int, *, end: bool) -> int:
        """Put a time on the clock; one that the word or a neighbour has already is exactly that one."""
        if not 0 <= ms <= self.alignment.duration_ms:
            last = self.alignment.duration_ms
            self._refuse(number, edit, index, f"{ms} ms is outside of the recording, which ends at {last} ms")
        word = self.spots[index].word
        known = [word.end if end else word.start]
        known += [spot.word.start for spot in self.spots[max(0, index - 1) : index + 2]]
        for tick in known:
            if tick is not None and self.clock.ms(tick) == ms:
                return tick
        return min(self.clock.ticks(ms / 1000), self.alignment.duration)

    def _spot(self, number: int, edit: Edit, index: int) -> _Spot:
        if not 0 <= index < len(self.spots):
            refuse(number, edit, index, None, f"there are {len(self.spots)} words, counted from 0")
        return self.spots[index]

    def _range(self, number: int, edit: Shift | Confirm) -> range:
        if not 0 <= edit.first < edit.stop <= len(self.spots):
            said = f"[{edit.first}, {edit.stop}) is no range of the {len(self.spots)} words"
            refuse(number, edit, edit.first, None, said)
        return range(edit.first, edit.stop)

    def _spell(self, number: int, edit: Split | Merge | Retype, text: str) -> None:
        """Refuse what is not one word."""
        if text.split() != [text]:
            self._refuse(number, edit, edit.word, f"{text!r} is not one word without spaces")
        if any(unicodedata.category(sign) in _UNHOLDABLE for sign in text):
            self._refuse(number, edit, edit.word, "the text holds a character that no file can hold")

    def _refuse(self, number: int, edit: Edit, index: int, why: str) -> NoReturn:
        refuse(number, edit, index, self.spots[index].word.text, why)

    def check_order(self, edits: Sequence[Edit]) -> None:
        """Refuse what would make a line run backwards; blame the last edit that touched one of the two words."""
        last: dict[tuple[int, int], int] = {}
        for i, spot in enumerate(self.spots):
            word = spot.word
            if word.start is None:
                continue
            before = last.get((word.line, word.voice))
            last[word.line, word.voice] = i
            if before is None or (self.spots[before].word.start or 0) <= word.start:
                continue
            front = self.spots[before]
            if front.by > spot.by:
                said = (
                    f"it would start after the next word of its line, {word.text!r}, which does at {word.start_ms} ms"
                )
                self._refuse(front.by, edits[front.by], before, said)
            at = front.word.start_ms
            said = f"it would start before the word in front of it, {front.word.text!r}, which does at {at} ms"
            self._refuse(spot.by, edits[spot.by], i, said)

    def done(self) -> Edited:
        edges = [0]
        for i, (spot, after) in enumerate(pairwise(self.spots), 1):
            if after.word.line != spot.word.line:
                edges.append(i)
        edges.append(len(self.spots))
        lines = tuple(
            Line(first, stop, line.stanza)
            for (first, stop), line in zip(pairwise(edges), self.alignment.lines, strict=False)
        )
        words = tuple(spot.word for spot in self.spots)
        made = replace(self.alignment, words=words, lines=lines, repeats=tuple(self.repeats))
        made.check()
        return Edited(made, frozenset(i for i, spot in enumerate(self.spots) if spot.set))
