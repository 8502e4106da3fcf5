"""What /readyz says when a part does not work, and what it keeps to itself."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.survey import disable, survey
from melisma.server.app import create_app
from melisma.server.context import Context
from melisma.server.observe import readiness
from melisma.server.settings import JobSettings, ServiceSettings

ALL = ["database", "files", "queue", "engine"]


def asked(settings: ServiceSettings):
    """Ask without starting the application, which workers and sweepers of a broken one would hold up."""
    context = Context(settings)
    client = TestClient(create_app(context), base_url="http://127.0.0.1")
    answer = client.get("/readyz")
    assert client.get("/healthz").json() == {"status": "alive"}
    context.close()
    checks = {each["name"]: each for each in answer.json()["checks"]}
    assert list(checks) == ALL
    assert answer.json()["ready"] == all(each["ok"] for each in checks.values()) == (answer.status_code == 200)
    return {name for name, each in checks.items() if not each["ok"]}, answer.text


def test_everything_works(tmp_path):
    broken, text = asked(ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0)))
    assert not broken
    assert {each["detail"] for each in json.loads(text)["checks"]} == {""}


def test_a_database_that_is_out_of_reach(tmp_path, dead_port):
    url = f"postgresql://melisma:secret@127.0.0.1:{dead_port}/melisma"
    broken, text = asked(ServiceSettings(data=tmp_path, database_url=url, jobs=JobSettings(workers=0)))
    assert broken == {"database"}
    for kept in ("secret", str(dead_port), "127.0.0.1", str(tmp_path)):
        assert kept not in text


def test_a_redis_that_is_out_of_reach(tmp_path, dead_port):
    jobs = JobSettings(workers=0, redis_url=f"redis://:secret@127.0.0.1:{dead_port}/0")
    broken, text = asked(ServiceSettings(data=tmp_path, jobs=jobs))
    assert broken == {"queue"}
    assert "secret" not in text
    assert str(dead_port) not in text


def test_a_data_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "files").write_text("a file where the folder should be")
    broken, text = asked(ServiceSettings(data=tmp_path, jobs=JobSettings(workers=0)))
    assert broken == {"files"}
    assert str(tmp_path) not in text


def test_no_engine_that_can_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_FLAGS", str(tmp_path / "flags.toml"))
    for each in survey(RouterSettings.from_env()):
        disable(each.name, RouterSettings.from_env())
    broken, _ = asked(ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0)))
    assert broken == {"engine"}


def test_whoever_asks_often_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(readiness, "_FRESH_S", 600.0)
    context = Context(ServiceSettings(data=tmp_path / "data", jobs=JobSettings(workers=0)))
    app = create_app(context)
    checks = app.state.readiness.checks()
    assert app.state.readiness.checks() is checks
    context.close()
