"""One structured line per attempt, through structlog into the standard logger `melisma.router`.

Nothing appears on a terminal by itself. `MELISMA_LOG=json` writes each line as JSON on standard error, `-v` of the
command line writes it as key=value; a program that uses the library adds its own handler to the logger `melisma`, and
finds the values of a line as attributes of the record.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from melisma.core.errors import InputError, MelismaError

if TYPE_CHECKING:
    from datetime import datetime

    from melisma.aligner.gate import Verdict
    from melisma.core.records import Alignment
    from melisma.engines.protocol import EngineFacts
    from melisma.pipeline.listen import Placed

_ROOT = "melisma"
_NAME = "melisma.router"
# The order of a line's values for people; JSON has the same keys.
KEYS = (
    "track_id",
    "tier_used",
    "model_version",
    "scope",
    "outcome",
    "duration_ms",
    "word_count",
    "confidence_avg",
    "low_conf_ratio",
    "fallback_reason",
)


@cache
def logger() -> Any:
    """Return the router's logger; its processors are its own and leave a program's structlog as it is."""
    import structlog

    logging.getLogger(_ROOT).addHandler(logging.NullHandler())  # no "last resort" on standard error
    return structlog.wrap_logger(
        logging.getLogger(_NAME),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class Walk:
    """One song on its way through the tiers, to one line for whoever counts: at DEBUG, which no terminal shows.

    Parameters
    ----------
    track_id : str
        What the caller calls the song.
    """

    def __init__(self, track_id: str) -> None:
        self._track_id, self._since = track_id, time.monotonic()

    def ended(self, facts: EngineFacts, tier: int, verdict: Verdict) -> None:
        """Write which engine's result is used, and the how-manieth it is of those that can run here, from 1."""
        outcome, confidence = "kept" if verdict.passed else "refused", _rounded(verdict.confidence_avg)
        self._write(tier_used=facts.name, tier=tier, outcome=outcome, confidence_avg=confidence)

    def failed(self, error: MelismaError) -> None:
        """Write that no engine gave a result."""
        reason = f"{type(error).__name__}: {error}"
        self._write(tier_used="none", tier=0, outcome="failed", confidence_avg=None, fallback_reason=reason)

    def _write(self, **values: Any) -> None:
        duration_ms = round(1000 * (time.monotonic() - self._since))
        _line(logging.DEBUG, "routed", track_id=self._track_id, duration_ms=duration_ms, **values)


class Attempt:
    """One attempt of an engine, from its beginning to its one line.

    Parameters
    ----------
    track_id : str
        What the caller calls the song.
    facts : EngineFacts
        Of the engine.
    scope : str
        What it works on: the song, some lines of it, or a second opinion.
    """

    def __init__(self, track_id: str, facts: EngineFacts, scope: str = "song") -> None:
        self._track_id, self._facts, self._scope = track_id, facts, scope
        self._since = time.monotonic()

    def kept(self, placed: Placed, verdict: Verdict) -> None:
        """Write that its result is used."""
        self._write("kept", placed, verdict, None)

    def refused(self, placed: Placed, verdict: Verdict | None = None, reason: str = "") -> None:
        """Write that its result was refused, and why."""
        self._write("refused", placed, verdict, reason or "; ".join(verdict.reasons if verdict else ()))

    def failed(self, error: MelismaError) -> None:
        """Write that it gave none."""
        self._write("failed", None, None, f"{type(error).__name__}: {error}")

    def _write(self, outcome: str, placed: Placed | None, verdict: Verdict | None, reason: str | None) -> None:
        facts = placed.facts if placed else self._facts  # a revision may be known only once the model is loaded
        _line(
            logging.INFO if reason is None else logging.WARNING,
            "attempt",
            track_id=self._track_id,
            tier_used=facts.name,
            model_version=_model_version(facts),
            scope=self._scope,
            outcome=outcome,
            duration_ms=round(1000 * (time.monotonic() - self._since)),
            word_count=len(placed.words) if placed else 0,
            confidence_avg=_rounded(verdict.confidence_avg) if verdict else None,
            low_conf_ratio=_rounded(verdict.low_conf_ratio) if verdict else None,
            fallback_reason=reason,
        )


def skipped(track_id: str, tier: str, reason: str) -> None:
    """Write that a tier was passed over, and why."""
    _line(logging.INFO, "skipped", track_id=track_id, tier_used=tier, outcome="skipped", fallback_reason=reason)


def opened(track_id: str, tier: str, reason: str) -> None:
    """Write that a circuit breaker has opened: what whoever looks after the machine wants to be told of."""
    _line(logging.WARNING, "breaker", track_id=track_id, tier_used=tier, outcome="opened", fallback_reason=reason)


def served(track_id: str, alignment: Alignment, source: str, since: datetime) -> None:
    """Write that an alignment was kept earlier, and is used."""
    revision = alignment.model_revision
    _line(
        logging.INFO,
        "cache",
        track_id=track_id,
        tier_used=alignment.engine,
        model_version=f"{alignment.model_id}@{revision}" if revision else alignment.model_id,
        scope=f"{source}, {since:%Y-%m-%d}",
        outcome="served",
        word_count=len(alignment.words),
        confidence_avg=_rounded(alignment.confidence_avg),
    )


def missed(track_id: str) -> None:
    """Write that no alignment was kept earlier that may be served: at DEBUG, for whoever counts."""
    _line(logging.DEBUG, "cache", track_id=track_id, outcome="missed")


def _line(level: int, event: str, **values: Any) -> None:
    # structlog takes a while to import: not for lines that nobody reads.
    if logging.getLogger(_NAME).isEnabledFor(level):
        logger().log(level, event, **values)


def _model_version(facts: EngineFacts) -> str:
    return f"{facts.model_id}@{facts.model_revision}" if facts.model_revision else facts.model_id


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def set_up(environ: Mapping[str, str] | None = None) -> None:
    """Write JSON lines on standard error, or stop doing so, as MELISMA_LOG says at this moment.

    Raises
    ------
    InputError
        If MELISMA_LOG is anything but `json`.
    """
    said = (os.environ if environ is None else environ).get("MELISMA_LOG", "").strip().lower()
    if said not in ("", "json"):
        raise InputError(f"MELISMA_LOG is json or is not set, not {said[:40]!r}")
    ours = [handler for handler in logging.getLogger(_ROOT).handlers if isinstance(handler, _Stderr)]
    if said and not ours:
        _add(_Stderr(_formatter(as_json=True)))
    for handler in ours if not said else ():
        if handler.as_json and not handler.stays:
            logging.getLogger(_ROOT).removeHandler(handler)


@contextmanager
def json_lines(*others: str) -> Iterator[None]:
    """Write JSON lines on standard error meanwhile, whatever MELISMA_LOG says: what a service does.

    Parameters
    ----------
    *others : str
        Further loggers whose warnings and errors are written so.
    """
    handler = _Stderr(_formatter(as_json=True), stays=True)
    handler.setLevel(logging.INFO)
    set_up({})  # MELISMA_LOG=json would write every line a second time
    _add(handler)
    for name in others:
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in (_ROOT, *others):
            logging.getLogger(name).removeHandler(handler)


@contextmanager
def shown(wanted: bool) -> Iterator[None]:
    """Write lines for people on standard error meanwhile, if that is wanted and MELISMA_LOG asks for no JSON."""
    set_up()
    ours = [handler for handler in logging.getLogger(_ROOT).handlers if isinstance(handler, _Stderr)]
    if not wanted or ours:
        yield
        return
    handler = _Stderr(_formatter(as_json=False), as_json=False)
    _add(handler)
    try:
        yield
    finally:
        logging.getLogger(_ROOT).removeHandler(handler)


def _add(handler: logging.Handler) -> None:
    root = logging.getLogger(_ROOT)
    root.addHandler(handler)
    if not root.isEnabledFor(logging.INFO):
        root.setLevel(logging.INFO)


class _Stderr(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at that moment."""

    def __init__(self, formatter: logging.Formatter, as_json: bool = True, stays: bool = False) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)
        self.as_json, self.stays = as_json, stays

    @property
    def stream(self) -> Any:
        """Standard error."""
        return sys.stderr


def _formatter(*, as_json: bool) -> logging.Formatter:
    import structlog

    renderer: Any
    if as_json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.processors.KeyValueRenderer(key_order=["event", *KEYS], drop_missing=True)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,  # the request id of a service, the number of a job
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *(() if as_json else (_short,)),
            renderer,
        ],
    )


def _short(given: Any, method: str, line: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a person at a terminal does not need."""
    return {key: value for key, value in line.items() if value is not None and key not in ("level", "timestamp")}
