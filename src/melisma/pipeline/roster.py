"""The engines that one song may go to: those that can be used here, in order, and why the others are passed over."""

from __future__ import annotations

from collections.abc import Iterator

from melisma.core.errors import (
    EngineOutOfMemory,
    EngineTimeout,
    EngineUnavailable,
    MelismaError,
)
from melisma.core.records import Lyrics
from melisma.engines.protocol import Engine
from melisma.pipeline import log, tiers
from melisma.pipeline.attempt import DeviceBusy
from melisma.pipeline.breaker import Breaker, Health, Kind, State
from melisma.pipeline.settings import AUTO, RouterSettings


class Roster:
    """The engines of one song.

    Parameters
    ----------
    engine : str
        The one that is wanted, or AUTO.
    fallback : bool
        Whether those of AUTO follow a named one.
    lyrics : Lyrics or None
        Of the song.
    settings : RouterSettings
        Order, licence mode, flags and breakers.
    track_id : str
        What log lines call the song.
    """

    def __init__(
        self, engine: str, fallback: bool, lyrics: Lyrics | None, settings: RouterSettings, track_id: str
    ) -> None:
        self._named = tiers.wanted(engine, settings)
        self.alone = self._named != AUTO and not fallback
        self._settings, self._track_id = settings, track_id
        self._names = self._order(lyrics)
        self._breaker = Breaker(settings.breaker_file, settings.breaker)
        self._engines: dict[str, Engine | None] = {}  # those that were looked at; None where one cannot be used
        self.skipped: dict[str, MelismaError] = {}  # why engines were not tried

    def tiers(self) -> Iterator[tuple[str, Engine]]:
        """Yield the engines that can be used, in order; those that the gate has refused of late come last.

        Raises
        ------
        EngineUnavailable, LicenceError
            If the one that is used alone cannot be.
        """
        doubted: list[tuple[str, Engine]] = []
        for name in self._names:
            engine = self._usable(name)
            if engine is None:
                continue
            health = Health() if self.alone else self._breaker.admit(name)
            if health.state is not State.OPEN:
                yield name, engine
                continue
            log.skipped(self._track_id, name, f"its circuit breaker is {health}")
            if health.kind is Kind.GATE:
                doubted.append((name, engine))  # it may still be the best there is
            else:
                self.skipped[name] = EngineUnavailable(f"its circuit breaker is {health}")
        yield from doubted

    def plan(self) -> tuple[Engine, ...]:
        """Return what `tiers` would yield at this moment, changing and saying nothing."""
        admitted: list[Engine] = []
        doubted: list[Engine] = []
        for name in self._names:
            try:
                engine = tiers.usable(name, self._settings, chosen=name == self._named)
            except MelismaError:
                continue
            health = Health() if self.alone else self._breaker.health(name)
            if health.state is not State.OPEN:
                admitted.append(engine)
            elif health.kind is Kind.GATE:
                doubted.append(engine)
        return (*admitted, *doubted)

    def others(self, name: str) -> Iterator[tuple[str, Engine]]:
        """Yield the engines after one that could be asked at this moment."""
        for other in self._names[self._names.index(name) + 1 :]:
            engine = self._usable(other)
            if engine is not None and self._breaker.health(other).state is State.CLOSED:
                yield other, engine

    def tier(self, name: str) -> int:
        """Return the how-manieth an engine is of those that can run here, from 1, whatever its breaker says."""
        before = self._names[: self._names.index(name)] if name in self._names else self._names
        return 1 + sum(self._engines.get(other) is not None for other in before)

    def failed(self, name: str, error: MelismaError) -> None:
        """Tell the breaker of a failure that says something of the engine."""
        if self.alone or isinstance(error, DeviceBusy):
            return
        if isinstance(error, EngineOutOfMemory):
            self._count(name, Kind.OUT_OF_MEMORY)
        elif isinstance(error, EngineTimeout):
            self._count(name, Kind.TIMEOUT)

    def settled(self, name: str, refused: list[str]) -> None:
        """Tell the breaker that an engine has worked, and of those before it whose results were refused.

        A song that no engine can place says nothing of the engines; one that the next tier can place does.
        """
        if self.alone:
            return
        self._breaker.worked(name)
        for other in refused:
            if other != name:
                self._count(other, Kind.GATE)

    def _count(self, name: str, kind: Kind) -> None:
        """Count a failure, and say so where it is the one that opens the breaker."""
        health = self._breaker.failed(name, kind)
        if health.state is State.OPEN:
            log.opened(self._track_id, name, f"its circuit breaker is {health}")

    def _order(self, lyrics: Lyrics | None) -> tuple[str, ...]:
        if self.alone:
            return (self._named,)
        order = tiers.order(lyrics, self._settings)
        return order if self._named == AUTO else tuple(dict.fromkeys((self._named, *order)))

    def _usable(self, name: str) -> Engine | None:
        """Return an engine that can run here, or None, with the reason kept; raise it for one that is used alone."""
        if name not in self._engines:
            try:
                self._engines[name] = tiers.usable(name, self._settings, chosen=name == self._named)
            except MelismaError as error:
                if self.alone:
                    raise
                self._engines[name] = None
                self.skipped[name] = error
                log.skipped(self._track_id, name, str(error))
        return self._engines[name]
