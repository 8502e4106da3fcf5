"""Pages of rows, the newest first: a page begins behind the last row of the one before it, whatever came meanwhile."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from melisma.core.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

R = TypeVar("R")

LIMIT = 200  # rows of a page at most
_PLACE = re.compile(r"(\d{1,17}) ([0-9a-f]{32})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A row by what rows are ordered by."""

    created_at: datetime
    id: str

    def spell(self) -> str:
        """Spell as a cursor: opaque to callers, and safe in a URL."""
        since = self.created_at - _EPOCH
        micros = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
        return base64.urlsafe_b64encode(f"{micros} {self.id}".encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows, and the cursor of the page behind them; None where they are the last."""

    items: tuple[R, ...]
    next: str | None = None


def place_of(cursor: str) -> Place:
    """Read a cursor.

    Raises
    ------
    InputError
        If it is none that a page has given.

    Examples
    --------
    >>> place = Place(datetime(2026, 5, 4, 3, 2, 1, 5, tzinfo=UTC), "0" * 32)
    >>> place_of(place.spell()) == place
    True
    """
    from datetime import timedelta

    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        found = _PLACE.fullmatch(text)
        if found is not None:
            return Place(_EPOCH + timedelta(microseconds=int(found[1])), found[2])
    except (UnicodeError, binascii.Error, ValueError, OverflowError):
        pass
    raise InputError("the cursor is none that a page of this service has given: begin without one")


def behind(statement: Select[*tuple[Any, ...]], table: Any, cursor: str | None) -> Select[*tuple[Any, ...]]:
    """Order the newest first, and begin behind a cursor."""
    statement = statement.order_by(table.created_at.desc(), table.id.desc())
    if cursor is None:
        return statement
    place = place_of(cursor)
    older = table.created_at < place.created_at
    return statement.where(older | ((table.created_at == place.created_at) & (table.id < place.id)))


def fetch(session: Session, statement: Select[*tuple[Any, ...]], limit: int, made: Callable[[Any], R]) -> Page[R]:
    """Fetch a page of rows that `behind` has ordered; `made` turns a row of the answer into a record with a place."""
    limit = max(1, min(limit, LIMIT))
    rows: Sequence[Any] = session.execute(statement.limit(limit + 1)).all()
    records = tuple(made(row) for row in rows[:limit])
    if len(rows) <= limit:
        return Page(records)
    last = rows[limit - 1][0]
    return Page(records, Place(last.created_at, last.id).spell())
