"""Redis in front of a database: computed entries for an hour, so that a busy song costs one look.

Only what engines made is held here, and only of tracks of which nobody has brought an alignment. Whoever stores one
*bars* its track for longer than any entry lives, so that what another process puts back at that moment is not served
either. Everything that comes out is hostile until `payload.read` has parsed it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from melisma.core.errors import CacheError, InputError, MissingDependency
from melisma.store import payload
from melisma.store.entries import Entry
from melisma.store.guard import within
from melisma.store.keys import KEY_SCHEMA, ResultKey, Track
from melisma.store.settings import FRONT_S

T = TypeVar("T")

PREFIX = f"melisma:{KEY_SCHEMA}:{payload.SCHEMA.rpartition('/')[2]}"  # another schema, other keys
_CONNECT_S, _READ_S, _ANSWER_S = 0.5, 0.5, 2.0
_MOST = 10_000_000  # bytes of one packed entry; a song is under 10,000


class RedisFront:
    """Entries of one Redis. Every method raises CacheError where it fails or takes too long.

    Parameters
    ----------
    url : str
        redis://, rediss:// or unix://.
    answer_s : float
        How long one question may take, connecting included, in seconds.

    Raises
    ------
    InputError
        If the URL cannot be used.
    MissingDependency
        If redis-py is not installed.
    """

    def __init__(self, url: str, answer_s: float = _ANSWER_S) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise MissingDependency(
                "MELISMA_REDIS_URL needs a package that is not installed: pip install 'melisma[redis]'"
            ) from error
        try:
            self._redis: Any = redis.Redis.from_url(
                url,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_READ_S,
                retry=Retry(NoBackoff(), 0),  # the guard decides when to ask again
            )
        except ValueError as error:
            raise InputError("MELISMA_REDIS_URL is no URL of Redis: write redis://host:6379/0") from error
        self._faults: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self.name = _shown(self._redis)
        self._answer_s = answer_s

    def find(self, track: Track, keys: Sequence[ResultKey]) -> Entry | None:
        """Return the first entry that is held of these keys; None if there is none, or the track is barred.

        Raises
        ------
        DamagedEntry
            If what is held is none.
        """

        def ask() -> list[Any]:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.exists(_bar(track))
                for key in keys:
                    pipe.getrange(_entry(key.digest), 0, _MOST)
                return list(pipe.execute())

        barred, *held = self._within(ask)
        if barred:
            return None
        for key, data in zip(keys, held, strict=True):
            if data:
                return payload.read(data, key.digest)
        return None

    def put(self, digest: str, data: bytes) -> None:
        """Hold what an engine made, as `payload.write` spells it, for an hour."""
        if len(data) <= _MOST:
            self._within(lambda: self._redis.set(_entry(digest), data, ex=FRONT_S))

    def bar(self, track: Track) -> None:
        """Hold nothing of a track for longer than any entry lives: somebody has brought an alignment of it."""
        self._within(lambda: self._redis.set(_bar(track), b"1", ex=2 * FRONT_S))

    def sound_of(self, content: str, decoder: str) -> str | None:
        """Return the audio hash of a file whose bytes were seen within the hour."""
        held = self._within(lambda: self._redis.getrange(_file(content, decoder), 0, 64))
        return held.decode("ascii") if len(held) == 64 and _is_digest(held) else None

    def remember_sound(self, content: str, decoder: str, audio_hash: str) -> None:
        """Remember for an hour which sound a file holds."""
        self._within(lambda: self._redis.set(_file(content, decoder), audio_hash, ex=FRONT_S))

    def drop(self, digests: Sequence[str]) -> None:
        """Let entries go."""
        if digests:
            self._within(lambda: self._redis.delete(*map(_entry, digests)))

    def forget_file(self, content: str, decoder: str) -> None:
        """Forget which sound a file holds."""
        self._within(lambda: self._redis.delete(_file(content, decoder)))

    def drop_all(self) -> int:
        """Let everything of ours go, of every schema, and nothing else; return how many keys."""

        def drop() -> int:
            keys = list(self._redis.scan_iter(match="melisma:*", count=1000))
            return sum(self._redis.delete(*keys[k : k + 1000]) for k in range(0, len(keys), 1000))

        return self._within(drop)

    def n_entries(self) -> int:
        """How many entries are held now."""
        return self._within(lambda: sum(1 for _ in self._redis.scan_iter(match=_entry("*"), count=1000)))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _within(self, ask: Callable[[], T]) -> T:
        try:
            return within(self._answer_s, ask)
        except self._faults as error:
            raise CacheError(str(error) or type(error).__name__) from error


def _entry(digest: str) -> str:
    return f"{PREFIX}:entry:{digest}"


def _bar(track: Track) -> str:
    return f"{PREFIX}:barred:{track.audio_hash}:{track.text_hash}"


def _file(content: str, decoder: str) -> str:
    return f"{PREFIX}:file:{decoder}:{content}"


def _is_digest(data: bytes) -> bool:
    return all(byte in b"0123456789abcdef" for byte in data)


def _shown(client: Any) -> str:
    """Spell the address without password."""
    given = client.connection_pool.connection_kwargs
    return str(given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}")
