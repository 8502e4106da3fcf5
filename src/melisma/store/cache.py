"""The one door of the cache: looks up, keeps, and never lets a dead server or a full disk break an alignment.

A look goes to Redis first, where there is one, then to the database. Whatever fails is said once and left alone for a
while; the alignment is then computed as if there were no cache. What is wrong with the settings themselves, a URL that
is none or a package that is missing, is raised when the cache is made.

Corrections by hand are entries of `Source.USER_CORRECTED`, one for each track, kept with `keep` and found before all
that was computed. Their history is in the tables of the service (`melisma.store.service`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from melisma.core.errors import CacheError
from melisma.core.records import Alignment
from melisma.store import connect, payload, sqlite_file
from melisma.store.database import Chosen, Database, Found
from melisma.store.entries import Entry, Source
from melisma.store.guard import Guard
from melisma.store.keys import ResultKey, Track
from melisma.store.redis_front import RedisFront
from melisma.store.settings import OFF, CacheSettings, from_environment

T = TypeVar("T")

_log = logging.getLogger("melisma.store")


def _now() -> datetime:
    return datetime.now(UTC)


def open_cache(settings: CacheSettings | None = None, warn: Callable[[str], None] | None = None) -> Cache | None:
    """Make the cache that the environment asks for, or these settings; None where it is switched off.

    Raises
    ------
    InputError
        If a URL or a time to live cannot be used.
    MissingDependency
        If the driver of PostgreSQL or Redis is not installed.
    """
    settings = settings or from_environment()
    return None if settings.url.lower() == OFF else Cache(settings, warn)


class Cache:
    """Alignments by what they are of and what made them.

    Parameters
    ----------
    settings : CacheSettings
        Where, and for how long.
    warn : callable, optional
        Hears one sentence for each thing that fails; the log `melisma.store` if not given.
    now : callable, optional
        The clock, in UTC.
    """

    def __init__(
        self,
        settings: CacheSettings,
        warn: Callable[[str], None] | None = None,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.settings = settings
        self._now = now
        self._database = Database(settings.url, connect.HURRIED)
        self._front = RedisFront(settings.redis_url) if settings.redis_url else None
        warn = warn or _log.warning
        self._database_guard = Guard(settings.rest_s, warn)
        self._front_guard = Guard(settings.rest_s, warn)

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, track: Track, keys: Sequence[ResultKey]) -> Entry | None:
        """Look for an alignment of a track.

        Parameters
        ----------
        track : Track
            Recording and lyrics.
        keys : sequence of ResultKey
            Results that would be as good as computing one now, the most wanted first.

        Returns
        -------
        Entry or None
            What a user corrected, else what was imported, else the first of the keys that is kept.
        """
        held = self._ask_front(lambda front: front.find(track, keys))
        if held is not None and not held.expired(self._now()):
            return held
        found = self._ask(lambda database: database.find(track, keys, self._now()))
        entry = self._checked(found)
        if found is not None and entry is not None:
            self._hold(entry, found.data)
        return entry

    def best(self, track: Track) -> Entry | None:
        """Return the most trusted alignment of a track, whatever made it: to show one, not instead of computing."""
        return self._checked(self._ask(lambda database: database.best(track, self._now())))

    def keep(
        self, source: Source, track: Track, alignment: Alignment, key: ResultKey | None = None, **names: str
    ) -> bool:
        """Keep an alignment; return whether it is kept.

        One that somebody brought has no key and takes the place of the one that was brought before; no computed one
        ever takes its place. `names` are artist and title, as far as they are known.
        """
        now = self._now()
        lasts = self.settings.time_to_live(source)
        entry = Entry(source, track, alignment, now, None if lasts is None else now + lasts, key, **names)
        try:
            data = payload.write(entry)
        except CacheError as error:
            self._database_guard.say(str(error))
            return False
        if source.given:
            self._ask_front(lambda front: front.bar(track))  # before the row is there, for those who look meanwhile
        kept = self._ask(lambda database: database.put(entry, data, now))
        if kept and not source.given:
            self._ask_front(lambda front: front.put(entry.digest, data))
        return bool(kept)

    def sound_of(self, content: str, decoder: str) -> str | None:
        """Return the audio hash of a file by the hash of its bytes and the version of the decoder."""
        held = self._ask_front(lambda front: front.sound_of(content, decoder))
        if held is None:
            held = self._ask(lambda database: database.sound_of(content, decoder, self._now()))
            if held is not None:
                self._ask_front(lambda front: front.remember_sound(content, decoder, str(held)))
        return held

    def remember_sound(self, content: str, decoder: str, audio_hash: str) -> None:
        """Remember which sound the bytes of a file decode to."""
        if self._ask(lambda database: database.remember_sound(content, decoder, audio_hash, self._now())):
            self._ask_front(lambda front: front.remember_sound(content, decoder, audio_hash))

    def forget(self, content: str, decoder: str, sounds: Collection[str]) -> None:
        """Let everything of a recording go: what its bytes sound like, and every alignment of these sounds."""
        for sound in sounds:
            self._remove(Chosen(everything=True, audio_hash=sound))
        self._ask(lambda database: database.forget_file(content))
        self._ask_front(lambda front: front.forget_file(content, decoder))

    def forget_track(self, track: Track, sources: tuple[Source, ...] = ()) -> None:
        """Let the alignments of a track go, all of them or those of some sources."""
        chosen = Chosen(sources, everything=not sources, audio_hash=track.audio_hash, text_hash=track.text_hash)
        self._remove(chosen)

    def _remove(self, chosen: Chosen) -> None:
        gone = self._ask(lambda database: database.remove(chosen)) or {}
        digests = [digest for some in gone.values() for digest in some]
        self._ask_front(lambda front: front.drop(digests))

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
        if self._front is not None:
            self._front.close()

    def _hold(self, entry: Entry, data: bytes) -> None:
        """Put in front what the database has, or bar the track where somebody brought it."""
        if entry.source.given:
            self._ask_front(lambda front: front.bar(entry.track))
        else:
            self._ask_front(lambda front: front.put(entry.digest, data))

    def _checked(self, found: Found | None) -> Entry | None:
        if found is None:
            return None
        if found.n_damaged:
            self._database_guard.say(f"the cache {self._database.name} holds damaged rows: they are passed over")
        return found.entry

    def _ask_front(self, ask: Callable[[RedisFront], T]) -> T | None:
        """Ask Redis, where there is one and it answers; None otherwise."""
        front, guard = self._front, self._front_guard
        if front is None or guard.resting:
            return None
        try:
            return ask(front)
        except payload.DamagedEntry:
            guard.say(f"the Redis at {front.name} holds something else than entries of this cache: it is passed over")
        except CacheError as error:
            guard.trip(f"the Redis at {front.name} does not answer ({_said(error)}): going on without it")
        return None

    def _ask(self, ask: Callable[[Database], T]) -> T | None:
        """Ask the database, if it answers; None otherwise."""
        if self._database_guard.resting:
            return None
        try:
            return self._try(ask)
        except _Damaged as damage:
            if not self._moved_aside(damage):
                return None
        try:
            return self._try(ask)
        except _Damaged as damage:
            self._trip(damage)
            return None

    def _try(self, ask: Callable[[Database], T]) -> T | None:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        try:
            return ask(self._database)
        except DBAPIError as error:
            if self._database.path is not None and sqlite_file.is_damage(error.orig):
                raise _Damaged(_said(error.orig)) from error
            self._trip(error.orig)
        except (CacheError, SQLAlchemyError, OSError) as error:
            self._trip(error)
        return None

    def _moved_aside(self, damage: _Damaged) -> bool:
        """Move a damaged SQLite file away; return whether another look is worth it."""
        path = self._database.path
        if path is None:
            return False
        self._database.close()
        try:
            aside = sqlite_file.move_aside(path)
        except CacheError as error:
            self._trip(error)
            return False
        if aside is not None:
            sentence = f"the cache {path} is damaged ({damage}): it was moved to {aside}, a new one begins"
            self._database_guard.say(sentence)
        return True

    def _trip(self, error: BaseException | None) -> None:
        sentence = f"the cache {self._database.name} cannot be used ({_said(error)}): going on without it"
        self._database_guard.trip(sentence)
        self._database.close()


class _Damaged(Exception):
    """SQLite says that its file is damaged."""


def _said(error: BaseException | None) -> str:
    """Return the first line of what a driver says, which may go on with SQL, hints and addresses."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
