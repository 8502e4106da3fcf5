"""The numbers of one process, in a Prometheus registry of its own. `docs/operate.md` says what to watch.

Labels are names from closed lists (routes, engines, kinds of errors), never what a caller has sent. What the database
knows is read when somebody asks (`collectors`), so that it is right however many processes there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

_CALL_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WORK_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)
# Kinds that alerts wait for: Prometheus sees no increase in a counter that begins with its first error.
_FROM_ZERO = ("internal", "no-room", "store-error", "too-many-requests", "unauthorized")
_CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class Metrics:
    """Counters and histograms of a process that answers calls, aligns songs, or both."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._make_calls()
        self._make_alignments()
        Info("melisma_build", "The version that runs.", registry=self.registry).info({"version": version("melisma")})

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """Count a call as one that is being answered."""
        with self._in_progress.track_inprogress():
            yield

    def called(self, method: str, route: str, status: int, duration_s: float, n_received: int) -> None:
        """Count a call that was answered; `status` is 0 where the caller went before."""
        self._calls.labels(method, route, str(status)).inc()
        self._call_s.labels(route).observe(duration_s)
        self._received.inc(n_received)

    def problem(self, kind: str) -> None:
        """Count an error that was answered."""
        self._problems.labels(kind).inc()

    def attempted(self, engine: str, scope: str, outcome: str, duration_s: float) -> None:
        """Count an attempt of an engine."""
        self._attempts.labels(engine, scope, outcome).inc()
        self._attempt_s.labels(engine).observe(duration_s)

    def routed(self, engine: str, tier: str, outcome: str, duration_s: float, confidence: float | None) -> None:
        """Count a song that has gone through the tiers; `engine` and `tier` are "none" where none gave a result."""
        self._alignments.labels(engine, tier, outcome).inc()
        self._alignment_s.labels(engine, tier).observe(duration_s)
        if confidence is not None:
            self._confidence.labels(engine).observe(confidence)

    def looked_up(self, outcome: str) -> None:
        """Count a look into the cache: hit or miss."""
        self._lookups.labels(outcome).inc()

    def opened(self, engine: str) -> None:
        """Count a breaker that has opened."""
        self._opened.labels(engine).inc()

    def _make_calls(self) -> None:
        names, here = "melisma_http", self.registry
        self._calls = Counter(
            f"{names}_requests", "Calls by route and status.", ("method", "route", "status"), registry=here
        )
        self._call_s = Histogram(
            f"{names}_request_seconds", "How long calls took.", ("route",), registry=here, buckets=_CALL_S
        )
        self._in_progress = Gauge(f"{names}_requests_in_progress", "Calls that are being answered.", registry=here)
        self._received = Counter(f"{names}_received_bytes", "Bytes of bodies that came.", registry=here)
        self._problems = Counter("melisma_errors", "Errors that were answered, by kind.", ("kind",), registry=here)
        for kind in _FROM_ZERO:
            self._problems.labels(kind)

    def _make_alignments(self) -> None:
        here = self.registry
        self._alignments = Counter(
            "melisma_alignments",
            "Songs that went through the tiers: kept, refused by the gate and shown as doubtful, or failed.",
            ("engine", "tier", "outcome"),
            registry=here,
        )
        self._alignment_s = Histogram(
            "melisma_alignment_seconds",
            "How long a song took, all tiers together, by the one whose result was used.",
            ("engine", "tier"),
            registry=here,
            buckets=_WORK_S,
        )
        self._confidence = Histogram(
            "melisma_alignment_confidence",
            "Mean confidence of the words of a song.",
            ("engine",),
            registry=here,
            buckets=_CONFIDENCE,
        )
        self._attempts = Counter(
            "melisma_attempts", "Attempts of engines.", ("engine", "scope", "outcome"), registry=here
        )
        self._attempt_s = Histogram(
            "melisma_attempt_seconds", "How long attempts took.", ("engine",), registry=here, buckets=_WORK_S
        )
        self._lookups = Counter("melisma_cache_lookups", "Looks into the cache.", ("outcome",), registry=here)
        self._opened = Counter("melisma_breaker_opened", "Breakers that opened.", ("engine",), registry=here)
