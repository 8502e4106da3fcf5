"""Which engines a result rests on, and whether one of them broke: what a cache must know before it keeps the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from melisma.core.errors import EngineError, ModelError
from melisma.engines.protocol import Engine, EngineFacts


class Asked:
    """The engines that were asked for a song, in the order in which that was first done.

    An engine that was asked and refused lyrics or language would do so again, and belongs to what the result rests on.
    One that broke, ran out of memory or took too long may do better the next time: then `broken` says that the result
    is not what this machine would make on a good day. `passed` says whether the gate was content in the end; where it
    was not, an engine that could not be asked this time might have made something better.
    """

    def __init__(self) -> None:
        self._engines: list[Engine] = []
        self.broken = False
        self.passed = True

    @property
    def facts(self) -> tuple[EngineFacts, ...]:
        """What the engines say of themselves, now that their models are loaded."""
        return tuple(engine.facts for engine in self._engines)

    @contextmanager
    def by(self, engine: Engine) -> Iterator[None]:
        """Take note of an attempt."""
        if engine not in self._engines:
            self._engines.append(engine)
        try:
            yield
        except (EngineError, ModelError):
            self.broken = True
            raise
