"""From the router's log lines to metrics: the lines say everything, so the router knows of no metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from melisma.server.observe.metrics import Metrics

_ROUTER = "melisma.router"
_SCOPES = {"song": "song", "second opinion": "second opinion"}  # what else there is are lines of a song
_OUTCOMES = frozenset({"kept", "refused", "failed"})


@contextmanager
def hearing(metrics: Metrics) -> Iterator[None]:
    """Count what this process aligns meanwhile."""
    logger, handler = logging.getLogger(_ROUTER), _Ear(metrics)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)  # lines that only count are at DEBUG; other handlers show from INFO on
    try:
        yield
    finally:
        logger.removeHandler(handler)
        if not any(isinstance(other, _Ear) for other in logger.handlers):
            logger.setLevel(before)


class _Ear(logging.Handler):
    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.DEBUG)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        """Count what a line says."""
        said = record.__dict__
        event, engine, outcome = record.getMessage(), str(said.get("tier_used", "none")), str(said.get("outcome", ""))
        duration_s = (said.get("duration_ms") or 0) / 1000
        if event == "cache":
            self._metrics.looked_up("hit" if outcome == "served" else "miss")
        elif event == "breaker" and outcome == "opened":
            self._metrics.opened(engine)
        elif event == "attempt" and outcome in _OUTCOMES:
            self._metrics.attempted(engine, _SCOPES.get(str(said.get("scope")), "lines"), outcome, duration_s)
        elif event == "routed" and outcome in _OUTCOMES:
            tier = str(said.get("tier") or "none")
            self._metrics.routed(engine, tier, outcome, duration_s, said.get("confidence_avg"))
