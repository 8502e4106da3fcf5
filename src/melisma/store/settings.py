"""What the environment says of the cache."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from melisma.core.errors import InputError
from melisma.store.entries import Source

URL, REDIS_URL = "MELISMA_CACHE_URL", "MELISMA_REDIS_URL"
OFF = "off"
SQLITE = "sqlite:///"  # and a path, as it is: nothing in it is escaped
FRONT_S = 3600  # how long Redis holds an entry, in seconds
FILE_NAME = "alignments.sqlite"

# From the document: 90 days for what an engine made, 365 for what was brought from elsewhere.
_DAYS = {Source.IMPORTED: 365.0, Source.CTC: 90.0, Source.WHISPER: 90.0, Source.PLACED: 90.0}
_MOST_DAYS = 36_500.0  # a century: later dates only find the ends of calendars


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where the cache is, and how long its rows hold.

    Parameters
    ----------
    url : str
        Of the database, or "off".
    redis_url : str
        Of Redis in front of it; empty for none.
    days : mapping of Source to float
        Time to live; a source that is missing holds for ever, as what a user corrected always does.
    rest_s : float
        How long a server that failed is left alone, in seconds.
    """

    url: str
    redis_url: str = ""
    days: Mapping[Source, float] = field(default_factory=lambda: dict(_DAYS))
    rest_s: float = 60.0

    def time_to_live(self, source: Source) -> timedelta | None:
        """How long a row of this source holds; None for ever."""
        days = self.days.get(source)
        return None if days is None or source is Source.USER_CORRECTED else timedelta(days=days)


def from_environment(environ: Mapping[str, str] | None = None) -> CacheSettings:
    """Read MELISMA_CACHE_URL, MELISMA_REDIS_URL and MELISMA_CACHE_DAYS_<SOURCE>.

    Raises
    ------
    InputError
        If a time to live is no number of days.
    """
    environ = os.environ if environ is None else environ
    days: dict[Source, float] = {}
    for source, usual in _DAYS.items():
        name = f"MELISMA_CACHE_DAYS_{source.name}"
        given = environ.get(name, "").strip()
        if given.lower() != "forever":
            days[source] = _days(name, given) if given else usual
    url = environ.get(URL, "").strip()
    return CacheSettings(url or default_url(), environ.get(REDIS_URL, "").strip(), days)


def default_url() -> str:
    """Return the URL of the SQLite file in the user's data folder: it holds corrections, which no cleaner may take."""
    from platformdirs import user_data_path

    return sqlite_url(user_data_path("melisma", appauthor=False) / FILE_NAME)


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"{SQLITE}{path}"


def _days(name: str, given: str) -> float:
    try:
        days = float(given)
    except ValueError:
        days = math.nan
    if not 0 < days <= _MOST_DAYS:
        raise InputError(f"{name} is a number of days, more than 0, or 'forever', not {given[:40]!r}")
    return days
