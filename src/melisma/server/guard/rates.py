"""How often a caller may ask: counted in Redis where there is one, in this process otherwise."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Any

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from melisma.core.errors import InputError, MissingDependency, TooManyRequests
from melisma.store.guard import Guard

_log = logging.getLogger("melisma.guard")
_PREFIX = "melisma:rates"
_WAIT_S, _REST_S = 0.5, 30.0
_IPV6_NETWORK = 64  # bits: what one subscriber has


class Rates:
    """Sliding windows of a minute.

    Parameters
    ----------
    redis_url : str
        Of the Redis that several processes share; empty for this process alone.
    warn : callable, optional
        Hears one sentence where Redis does not answer.
    """

    def __init__(self, redis_url: str = "", warn: Callable[[str], None] | None = None) -> None:
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._storage: Any = None
        self._there: Any = None
        self._faults: tuple[type[Exception], ...] = ()
        self._guard = Guard(_REST_S, warn or _log.warning)
        if redis_url:
            self._connect(redis_url)

    async def hit(self, per_minute: int, *key: str) -> float | None:
        """Count one call; return None, or how many seconds to wait where it is one too many."""
        item = RateLimitItemPerMinute(per_minute)
        return None if await self._ask("hit", item, key) else await self._wait(item, key)

    async def full(self, per_minute: int, *key: str) -> float | None:
        """Return how many seconds to wait, None where another call is free; counts nothing."""
        item = RateLimitItemPerMinute(per_minute)
        return None if await self._ask("test", item, key) else await self._wait(item, key)

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._storage is not None:
            await self._storage.bridge.get_connection().aclose()

    def _connect(self, url: str) -> None:
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import SlidingWindowCounterRateLimiter as Shared
        from limits.errors import ConfigurationError

        try:
            import redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise MissingDependency(
                "a queue in Redis needs a package that is not installed: pip install 'melisma[redis]'"
            ) from error
        spelled = f"async+redis+{url}" if url.startswith("unix://") else f"async+{url}"
        options: dict[str, Any] = {
            "socket_timeout": _WAIT_S,
            "socket_connect_timeout": _WAIT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        try:
            self._storage = RedisStorage(spelled, implementation="redispy", key_prefix=_PREFIX, **options)
        except (ValueError, ConfigurationError) as error:
            raise InputError("the queue's URL is no URL of Redis: write redis://host:6379/0") from error
        self._there = Shared(self._storage)
        self._faults = (redis.RedisError, OSError, TimeoutError)

    async def _ask(self, what: str, item: RateLimitItem, key: tuple[str, ...]) -> Any:
        if self._there is not None and not self._guard.resting:
            try:
                return await getattr(self._there, what)(item, *key)
            except self._faults as error:
                said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                self._guard.trip(f"Redis does not answer ({said}): calls are counted in this process meanwhile")
        return getattr(self._here, what)(item, *key)

    async def _wait(self, item: RateLimitItem, key: tuple[str, ...]) -> float:
        stats = await self._ask("get_window_stats", item, key)
        return float(min(60.0, max(1.0, stats.reset_time - time.time())))


def network(address: str) -> str:
    """Return what is counted as one address: an IPv4 address, or a network of IPv6.

    Examples
    --------
    >>> network("192.0.2.7"), network("2001:db8:1:2:3:4:5:6")
    ('192.0.2.7', '2001:db8:1:2::')
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False).network_address)
    return str(found)


def too_many(wait_s: float) -> TooManyRequests:
    """Make the error of a caller who asks too often."""
    return TooManyRequests(f"too many calls: the next one is free in {wait_s:.0f} s", wait_s)


def too_many_guesses(wait_s: float) -> TooManyRequests:
    """Make the error of an address that many wrong tokens came from."""
    return TooManyRequests(
        f"too many wrong tokens came from this address: tokens are looked at again in {wait_s:.0f} s", wait_s
    )
