"""What its owner does with a cache: look into it, empty it, bring it up to date. Here what fails is raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from melisma.core.errors import CacheError
from melisma.store import connect
from melisma.store.database import Chosen, Database, Group
from melisma.store.redis_front import RedisFront
from melisma.store.settings import FRONT_S, CacheSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stats:
    """What a cache holds.

    Parameters
    ----------
    name : str
        The file, or the URL without password.
    exists : bool
        Whether there is anything yet.
    groups : tuple of Group
        Rows by source and engine.
    n_files, n_bytes : int
        Files known by their sound; what everything takes on disk.
    redis, n_held : str, int or None
        Address of Redis, empty for none; entries that it holds, None where it does not answer.
    """

    name: str
    exists: bool
    groups: tuple[Group, ...] = ()
    n_files: int = 0
    n_bytes: int = 0
    redis: str = ""
    n_held: int | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed: rows by source and engine, files forgotten; `warning` where Redis could not be told."""

    rows: dict[tuple[str, str], int]
    n_files: int = 0
    warning: str = ""

    @property
    def n_rows(self) -> int:
        """All rows."""
        return sum(self.rows.values())


class Admin:
    """The cache in its owner's hands. Every method raises CacheError where the database cannot be used.

    Parameters
    ----------
    settings : CacheSettings
        Which cache.
    """

    def __init__(self, settings: CacheSettings) -> None:
        self._database = Database(settings.url, connect.CALM)
        self._front = RedisFront(settings.redis_url) if settings.redis_url else None

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()
        if self._front is not None:
            self._front.close()

    @property
    def name(self) -> str:
        """The file, or the URL without password."""
        return self._database.name

    def stats(self, now: datetime) -> Stats:
        """Count what is there; makes nothing."""
        name, redis = self._database.name, "" if self._front is None else self._front.name
        n_held = self._held()
        if self._missing():
            return Stats(name, False, redis=redis, n_held=n_held)
        database = self._database
        counts = self._asked(lambda: (tuple(database.groups(now)), database.n_files(), database.n_bytes()))
        return Stats(name, True, *counts, redis, n_held)

    def count(self, chosen: Chosen) -> int:
        """Return how many rows `clear` would remove."""
        return 0 if self._missing() else self._asked(lambda: self._database.count(chosen))

    def clear(self, chosen: Chosen, files: bool = False) -> Removed:
        """Remove rows, and what Redis holds of them; with `files`, also forget which files hold which sounds."""
        if self._missing():
            return Removed({})
        gone = self._asked(lambda: self._database.remove(chosen))
        n_files = self._asked(lambda: self._database.forget_files()) if files else 0
        warning = self._tell_front([digest for digests in gone.values() for digest in digests], everything=files)
        if gone:
            self._asked(self._database.compact)
        return Removed({group: len(digests) for group, digests in gone.items()}, n_files, warning)

    def purge(self, now: datetime) -> Removed:
        """Remove what has expired; Redis holds nothing beyond its time by itself."""
        if self._missing():
            return Removed({})
        gone = self._asked(lambda: self._database.remove(Chosen(everything=True, expired=now)))
        n_files = self._asked(lambda: self._database.forget_files(now))
        if gone:
            self._asked(self._database.compact)
        return Removed({group: len(digests) for group, digests in gone.items()}, n_files)

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema forward; return its version before and now."""
        return self._asked(self._database.migrate)

    def _missing(self) -> bool:
        return self._database.path is not None and not self._database.path.exists()

    def _asked(self, ask: Callable[[], T]) -> T:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            return ask()
        except (SQLAlchemyError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
            raise CacheError(f"the cache {self._database.name} cannot be used: {said}") from error

    def _held(self) -> int | None:
        if self._front is None:
            return None
        try:
            return self._front.n_entries()
        except CacheError:
            return None

    def _tell_front(self, digests: list[str], *, everything: bool) -> str:
        if self._front is None:
            return ""
        try:
            self._front.drop_all() if everything else self._front.drop(digests)
        except CacheError as error:
            hours = FRONT_S // 3600
            return f"the Redis at {self._front.name} does not answer ({error}): it may serve these for {hours} h more"
        return ""
