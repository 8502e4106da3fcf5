"""What is looked up when somebody asks for metrics: jobs in the database, breakers in their file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from melisma.core.errors import InputError, StoreError
from melisma.pipeline import tiers
from melisma.pipeline.breaker import Breaker, State
from melisma.pipeline.settings import RouterSettings
from melisma.server.context import Context

_FAILED = 1000  # of the newest failed jobs, whose reasons are counted


class Jobs(Collector):
    """Jobs by kind and state, from the database that all processes share.

    Parameters
    ----------
    context : Context
        Whose database it is.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """Read them; where the database does not answer, only that is said."""
        up = GaugeMetricFamily("melisma_database_up", "Whether the service's database answers.")
        try:
            found = list(self._read())
        except StoreError:
            up.add_metric((), 0)
            return [up]
        up.add_metric((), 1)
        return [up, *found]

    def describe(self) -> Iterable[Metric]:
        """Read nothing while it is registered."""
        return ()

    def _read(self) -> Iterable[Metric]:
        from sqlalchemy import func, select

        from melisma.store.service.tables import JobRow, SongRow

        with self._context.database.begin(write=False) as session:
            groups = session.execute(
                select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
            ).all()
            oldest = session.scalar(select(func.min(JobRow.created_at)).where(JobRow.state == "queued"))
            problems = session.scalars(
                select(JobRow.problem).where(JobRow.state == "failed").order_by(JobRow.created_at.desc()).limit(_FAILED)
            ).all()
            n_songs = session.scalar(select(func.count()).select_from(SongRow)) or 0
        jobs = GaugeMetricFamily("melisma_jobs", "Jobs that are kept, by state.", labels=("kind", "state"))
        for kind, state, n in groups:
            jobs.add_metric((kind, state), n)
        failed = GaugeMetricFamily("melisma_jobs_failed", "Failed jobs that are kept, by reason.", labels=("problem",))
        for problem, n in Counter(map(_kind, problems)).items():
            failed.add_metric((problem,), n)
        waited_s = max(0.0, (datetime.now(UTC) - oldest).total_seconds()) if oldest is not None else 0.0
        return [
            jobs,
            failed,
            GaugeMetricFamily("melisma_queue_oldest_seconds", "How long the oldest queued job has waited.", waited_s),
            GaugeMetricFamily("melisma_songs", "Songs that are kept.", n_songs),
        ]


class Breakers(Collector):
    """The circuit breaker of every engine that is installed here.

    Parameters
    ----------
    settings : RouterSettings
        Where their state is.
    """

    def __init__(self, settings: RouterSettings) -> None:
        self._settings = settings

    def collect(self) -> Iterable[Metric]:
        """Read them."""
        breaker = Breaker(self._settings.breaker_file, self._settings.breaker)
        found = GaugeMetricFamily(
            "melisma_breaker", "1 for the state an engine's breaker is in.", labels=("engine", "state")
        )
        for name in tiers.listed(self._settings):
            state = breaker.health(name).state
            for each in State:
                found.add_metric((name, str(each)), float(each is state))
        return [found]

    def describe(self) -> Iterable[Metric]:
        """Read nothing while it is registered."""
        return ()


def _kind(problem: str) -> str:
    try:
        return str(json.loads(problem)["type"]).rpartition("/")[2][:64]
    except (ValueError, TypeError, KeyError):
        return "unknown"


def breakers() -> Breakers | None:
    """Make the collector of breakers; None where the router's settings cannot be read, which each job then says."""
    try:
        return Breakers(RouterSettings.from_env())
    except InputError:
        return None
