"""Conditions on utterances as people write them: `language in (hr, sr) and duration < 15 and not source ~ youtube`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from melisma.core.errors import InputError
from melisma.data.index import Index
from melisma.data.index_file import CATEGORIES
from melisma.data.manifest import Utterance

__all__ = ["All", "Condition", "Named", "compared_fields", "parse", "value_of"]

Mask = NDArray[np.bool_]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<op><=|>=|!=|==|=|<|>|~)|
    (?P<mark>[()\[\],])|
    "(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|
    (?P<word>[^\s()\[\],=<>!~"']+)
    )""",
    re.VERBOSE,
)
_DEEPEST = 50
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Columns of an index that hold the very numbers of the lines.
_NUMBERS = {"duration": "duration", "start": "start", "characters": "n_characters"}


class Condition(Protocol):
    """What utterances are chosen by."""

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""

    def mask(self, index: Index) -> Mask | None:
        """Tell of all by the columns of their index, bool [n]; None where the lines must be read."""


def value_of(utterance: Utterance, field: str) -> Any:
    """Return a field, also inside another one by dots; None where it is absent. `characters`: of the transcript."""
    if field == "characters":
        return len(utterance.transcript)
    if field in Utterance.model_fields:
        return getattr(utterance, field)
    found: Any = utterance.model_extra
    if found and field in found:
        return found[field]
    for part in field.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


@dataclass(frozen=True, slots=True)
class Compared:
    """A field beside a value: =, !=, <, <=, >, >= or ~ (holds these letters, in any case).

    What is a number in the manifest is compared as one. An absent field is equal to nothing and neither more nor less.
    """

    field: str
    op: str
    value: str
    number: float | None

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return self._accepts(value_of(utterance, self.field))

    def _accepts(self, found: Any) -> bool:
        if self.op == "!=":
            return not self._equal(found)
        if self.op == "=":
            return self._equal(found)
        if self.op == "~":
            listed = found if isinstance(found, (list, tuple)) else [found]
            return any(isinstance(each, str) and self.value.casefold() in each.casefold() for each in listed)
        if isinstance(found, bool) or not isinstance(found, (int, float)) or self.number is None:
            return False
        return bool(_ORDERS[self.op](found, self.number))

    def _equal(self, found: Any) -> bool:
        if isinstance(found, bool):
            return self.value.casefold() == str(found).casefold()
        if isinstance(found, (int, float)):
            return self.number is not None and found == self.number
        if isinstance(found, (list, tuple)):
            return any(self._equal(each) for each in found)
        return isinstance(found, str) and found == self.value

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        if self.field in _NUMBERS:
            column = index.column(_NUMBERS[self.field])  # type: ignore[arg-type]  # each is the name of a column
            if self.op == "~" or self.number is None:
                return np.full(len(index), self.op == "!=")
            ops = {"=": operator.eq, "!=": operator.ne, **_ORDERS}
            return np.asarray(ops[self.op](column, self.number), np.bool_)
        if self.field in CATEGORIES:
            return _of_names(index, self.field, self._accepts)
        return None


def _of_names(index: Index, field: str, accepts: Callable[[str], bool]) -> Mask:
    codes, names = index.category(field)  # type: ignore[arg-type]  # the callers ask for categories only
    return np.array([accepts(name) for name in names] or [False], np.bool_)[codes]


@dataclass(frozen=True, slots=True)
class Named:
    """A language, speaker, licence or source whose name a function accepts."""

    field: str
    accepts: Callable[[str], bool]

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return self.accepts(getattr(utterance, self.field))

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        return _of_names(index, self.field, self.accepts)


@dataclass(frozen=True, slots=True)
class Has:
    """Whether a field is there and says something."""

    field: str

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return self._says(value_of(utterance, self.field))

    def _says(self, found: Any) -> bool:
        return not (found is None or found in ("", []) or (self.field == "language" and found == "und"))

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        if self.field in CATEGORIES:
            return _of_names(index, self.field, self._says)
        return None


@dataclass(frozen=True, slots=True)
class All:
    """Every one of several conditions."""

    each: tuple[Condition, ...]

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return all(condition.holds(utterance) for condition in self.each)

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        masks = [condition.mask(index) for condition in self.each]
        return _reduced(np.logical_and, masks, np.ones(len(index), np.bool_))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several conditions."""

    each: tuple[Condition, ...]

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return any(condition.holds(utterance) for condition in self.each)

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        masks = [condition.mask(index) for condition in self.each]
        return _reduced(np.logical_or, masks, np.zeros(len(index), np.bool_))


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    inner: Condition

    def holds(self, utterance: Utterance) -> bool:
        """Tell of one."""
        return not self.inner.holds(utterance)

    def mask(self, index: Index) -> Mask | None:
        """Tell of all."""
        found = self.inner.mask(index)
        return None if found is None else ~found


def compared_fields(condition: Condition) -> frozenset[str]:
    """Return the names of all fields that a condition puts beside a value."""
    if isinstance(condition, Compared):
        return frozenset({condition.field})
    inner = condition.each if isinstance(condition, (All, AnyOf)) else ()
    inner = (condition.inner,) if isinstance(condition, Not) else inner
    return frozenset().union(*map(compared_fields, inner))


def _reduced(join: Callable[[Mask, Mask], Mask], masks: list[Mask | None], start: Mask) -> Mask | None:
    for each in masks:
        if each is None:
            return None
        start = join(start, each)
    return start


class _Token(NamedTuple):
    kind: str  # "op", "mark", "text" (was quoted), "word", "end"
    text: str
    at: int


def _tokens(said: str) -> Iterator[_Token]:
    at = 0
    while said[at:].strip():
        found = _TOKEN.match(said, at)
        if found is None:
            raise InputError(f"the condition {said!r} cannot be read from {said[at:].strip()[:20]!r} on")
        kind, text = found.lastgroup or "", found[found.lastgroup or 0]
        if kind in ("double", "single"):
            kind, text = "text", re.sub(r"\\(.)", r"\1", text)
        yield _Token(kind, text, found.start(found.lastgroup or 0))
        at = found.end()
    yield _Token("end", "", len(said))


def parse(said: str) -> Condition:
    """Read a condition.

    Fields beside values by =, !=, <, <=, >, >=, ~ (holds the letters, in any case) and `in (a, b)`; `has FIELD`; joined
    by and, or, not and parentheses. Values with spaces or marks stand in quotes. Fields that are not Melisma's are
    reached by their names, in other fields by dots; `characters` is the length of the transcript.

    Raises
    ------
    InputError
        If it cannot be read; the sentence says where.

    Examples
    --------
    >>> parse("language = hr and duration < 15").holds(Utterance(id="a", audio="a.wav", duration=3, language="hr"))
    True
    """
    return _Reader(said).read()


class _Reader:
    """Reads one condition, token by token."""

    def __init__(self, said: str) -> None:
        self.said = said
        self.tokens = list(_tokens(said))
        self.at = self.depth = 0

    def read(self) -> Condition:
        found = self.alternatives()
        if self.now.kind != "end":
            raise self.wrong("and, or, or the end")
        return found

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def wrong(self, expected: str) -> InputError:
        got = repr(self.now.text) if self.now.kind != "end" else "the end"
        return InputError(f"the condition {self.said!r} has {got} where {expected} is expected")

    def took(self, kind: str, *texts: str) -> _Token | None:
        token = self.now
        if token.kind != kind or (texts and token.text.casefold() not in texts):
            return None
        self.at += 1
        return token

    def alternatives(self) -> Condition:
        each = [self.together()]
        while self.took("word", "or"):
            each.append(self.together())
        return each[0] if len(each) == 1 else AnyOf(tuple(each))

    def together(self) -> Condition:
        each = [self.one()]
        while self.took("word", "and"):
            each.append(self.one())
        return each[0] if len(each) == 1 else All(tuple(each))

    def one(self) -> Condition:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise InputError(f"the condition is nested more than {_DEEPEST} deep")
        try:
            if self.took("word", "not"):
                return Not(self.one())
            if self.took("mark", "("):
                found = self.alternatives()
                if not self.took("mark", ")"):
                    raise self.wrong("a closing parenthesis")
                return found
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Condition:
        field = self.took("word")
        if field is None:
            raise self.wrong("the name of a field")
        if field.text.casefold() == "has" and (named := self.took("word")):
            return Has(named.text)
        if self.took("word", "in"):
            return self.membership(field.text)
        op = self.took("op")
        if op is None:
            raise self.wrong("=, !=, <, <=, >, >=, ~ or in")
        return self.compared(field.text, "=" if op.text == "==" else op.text)

    def membership(self, field: str) -> Condition:
        if not self.took("mark", "(", "["):
            raise self.wrong("a list in parentheses")
        each = [self.compared(field, "=")]
        while self.took("mark", ","):
            each.append(self.compared(field, "="))
        if not self.took("mark", ")", "]"):
            raise self.wrong("a comma or the end of the list")
        return AnyOf(tuple(each))

    def compared(self, field: str, op: str) -> Condition:
        value = self.took("word") or self.took("text")
        if value is None:
            raise self.wrong("a value")
        number = _number(value.text)
        if op in _ORDERS and number is None:
            raise InputError(f"the condition {self.said!r} compares {field} with {value.text!r}, which is no number")
        return Compared(field, op, value.text, number)


def _number(text: str) -> float | None:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII) or len(text) > 40:
        return None
    return float(text)
