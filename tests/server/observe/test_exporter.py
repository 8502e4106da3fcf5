"""Metrics as Prometheus reads them: the service's own, the database's, the breakers', and a worker's."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("fastapi")
from prometheus_client.parser import text_string_to_metric_families

import servers
from melisma.core.errors import InputError
from melisma.pipeline.breaker import Breaker, Kind
from melisma.pipeline.settings import RouterSettings
from melisma.server.context import Context
from melisma.server.observe import exporter
from melisma.server.settings import JobSettings, ServiceSettings
from melisma.store.service.tables import JobRow


@pytest.fixture
def context(tmp_path, service_url):
    made = Context(ServiceSettings(data=tmp_path / "data", database_url=service_url, jobs=JobSettings(workers=0)))
    yield made
    made.close()


def samples(metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text, media_type = exporter.spelled(metrics, "")
    assert media_type.startswith("text/plain")
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def job(n: int, **changes) -> JobRow:
    values = {
        "id": f"{n:032x}", "kind": "align", "state": "queued", "priority": 0, "owner": "", "request_id": "",
        "request": "{}", "result": "", "problem": "", "stage": "", "percent": 0.0, "n_attempts": 0, "causes": "[]",
        "worker": "", "cancel_wanted": False, "created_at": datetime.now(UTC) - timedelta(seconds=1000 - n),
    }  # fmt: skip
    return JobRow(**{**values, **changes})


def test_jobs_are_counted_where_all_processes_see_them(context):
    with context.database.begin() as session:
        session.add_all([job(1), job(2), job(3, kind="video"), job(4, state="running"), job(5, state="done")])
        session.add(job(6, state="failed", problem='{"type": "/problems/not-audio", "detail": "x"}'))
        session.add_all([job(7, state="failed", problem='{"type": "/problems/not-audio"}'), job(8, state="failed")])
        session.add(job(9, state="failed", problem="damaged"))
    found = samples(exporter.of_service(context))
    jobs = {labels: n for (name, labels), n in found.items() if name == "melisma_jobs"}
    assert jobs == {
        frozenset({("kind", "align"), ("state", "queued")}): 2,
        frozenset({("kind", "video"), ("state", "queued")}): 1,
        frozenset({("kind", "align"), ("state", "running")}): 1,
        frozenset({("kind", "align"), ("state", "done")}): 1,
        frozenset({("kind", "align"), ("state", "failed")}): 4,
    }
    failed = {dict(labels)["problem"]: n for (name, labels), n in found.items() if name == "melisma_jobs_failed"}
    assert failed == {"not-audio": 2, "unknown": 2}
    assert found["melisma_queue_oldest_seconds", frozenset()] >= 999
    assert found["melisma_database_up", frozenset()] == 1
    assert found["melisma_songs", frozenset()] == 0


def test_a_database_that_is_out_of_reach_is_said_and_breaks_nothing(tmp_path, dead_port):
    url = f"postgresql://melisma@127.0.0.1:{dead_port}/melisma"
    context = Context(ServiceSettings(data=tmp_path, database_url=url, jobs=JobSettings(workers=0)))
    found = samples(exporter.of_service(context))
    context.close()
    assert found["melisma_database_up", frozenset()] == 0
    assert "melisma_jobs" not in {name for name, _ in found}


def test_breakers_of_all_engines_are_there(context):
    settings = RouterSettings.from_env()
    breaker = Breaker(settings.breaker_file, settings.breaker)
    for _ in range(settings.breaker.failures):
        breaker.failed("groq", Kind.TIMEOUT)
    try:
        found = samples(exporter.of_service(context))
    finally:
        breaker.worked("groq")
    states = {
        (dict(labels)["engine"], dict(labels)["state"])
        for (name, labels), n in found.items()
        if name == "melisma_breaker" and n
    }
    assert ("groq", "open") in states
    assert ("phone", "closed") in states


def test_a_worker_serves_its_own(free_port):
    with exporter.of_worker(free_port) as metrics:
        metrics.looked_up("hit")
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics") as answer:
            text = answer.read().decode()
    assert 'melisma_cache_lookups_total{outcome="hit"} 1.0' in text
    assert "melisma_breaker" in text
    assert "melisma_jobs" not in text  # the service tells those: summed over workers they would be too many
    with exporter.of_worker(free_port):
        pass


def test_a_port_that_is_taken_is_one_sentence(free_port):
    with (
        exporter.of_worker(free_port),
        pytest.raises(InputError, match=f"metrics cannot be served on 127.0.0.1:{free_port}"),
        exporter.of_worker(free_port),
    ):
        pass


@pytest.fixture
def free_port():
    """A port that can be listened on."""
    return servers.free_port()
