"""The dashboard and the alerts that are delivered: every name in them is one that /metrics has; each alert fires."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

pytest.importorskip("prometheus_client")

from melisma.core import errors
from melisma.server import problems
from melisma.server.context import Context
from melisma.server.jobs.records import JobState
from melisma.server.observe import exporter
from melisma.server.observe.metrics import _FROM_ZERO
from melisma.server.settings import JobSettings, ServiceSettings
from melisma.store.service.tables import JobRow

DEPLOY = Path(__file__).parents[3] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
OF_PROMETHEUS = {"job", "instance", "le", "alertname", "alertstate"}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory):
    """Return the name of every series that /metrics has, with its labels."""
    context = Context(ServiceSettings(data=tmp_path_factory.mktemp("data"), jobs=JobSettings(workers=0)))
    with context.database.begin() as session:
        row = dict.fromkeys(("owner", "request_id", "result", "problem", "stage", "worker"), "")
        row |= {"request": "{}", "causes": "[]", "priority": 0, "percent": 0.0, "n_attempts": 0, "cancel_wanted": False}
        session.add(JobRow(id="0" * 32, kind="align", state=JobState.FAILED, created_at=datetime.now(UTC), **row))
    metrics = exporter.of_service(context)
    metrics.called("GET", "/healthz", 200, 0.1, 0)
    metrics.problem("internal")
    metrics.attempted("phone", "song", "kept", 1.0)
    metrics.routed("phone", "1", "kept", 1.0, 0.9)
    metrics.looked_up("hit")
    metrics.opened("phone")
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    context.close()
    return found


def rules() -> list[dict[str, str]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict]:
    return json.loads((DEPLOY / "grafana" / "melisma.json").read_text(encoding="utf-8"))["panels"]


def expressions() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    return [*asked, *(rule["expr"] for rule in rules())]


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bmelisma_[a-z_]+", expression))


def test_every_name_is_exposed(exposed):
    used = set().union(*map(names, expressions()))
    assert len(used) >= 15
    assert used - set(exposed) == set()


def test_every_label_is_one_of_its_metric(exposed):
    for expression in expressions():
        for name, matchers in re.findall(r"\b(melisma_[a-z_]+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert labels, expression
            assert labels <= exposed[name], expression
        of_all = set().union(*(exposed[name] for name in names(expression)), OF_PROMETHEUS)
        if names(expression):
            for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
                assert {label.strip() for label in group.split(",")} <= of_all, expression


def test_every_name_that_a_service_has_is_watched(exposed):
    """What nobody looks at need not be counted."""
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in set().union(*map(names, expressions()))}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exposed if not name.endswith("_created")}
    assert ours - used == set()


def test_values_that_are_waited_for_exist():
    named = {
        kind for rule in rules() for said in re.findall(r'kind=~?"([^"]+)"', rule["expr"]) for kind in said.split("|")
    }
    all_kinds = {problems.kind_of(e) for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)}
    assert named <= all_kinds
    assert {*_FROM_ZERO} - {"internal"} <= all_kinds
    states = {s for each in expressions() for s in re.findall(r'melisma_jobs\{state="(\w+)"\}', each)}
    assert states <= {state.value for state in JobState}


def test_rules_that_are_recorded_are_spelled_right():
    made = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for each in expressions() for name in re.findall(r"\bmelisma:[\w:]+", each)}
    assert used == made


def test_every_alert_says_what_to_do():
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
            assert set(rule["annotations"]) == {"summary", "action"}


def test_panels_stand_beside_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)


@pytest.fixture
def promtool():
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("Prometheus is not installed: there is no promtool")
    return lambda *said: subprocess.run([found, *map(str, said)], capture_output=True, text=True, check=False)


def test_prometheus_takes_its_files(promtool):
    for done in (
        promtool("check", "rules", ALERTS),
        promtool("check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yml"),
    ):
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_not_otherwise(promtool):
    cases = Path(__file__).parent / "alerts_test.yml"
    done = promtool("test", "rules", cases)
    assert done.returncode == 0, done.stdout + done.stderr
    named = set(re.findall(r"\bMelisma\w+", cases.read_text()))
    assert named == {rule["alert"] for rule in rules() if "alert" in rule}


def test_expressions_of_the_dashboard_are_promql(promtool, tmp_path):
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    plain = [each.replace("$__rate_interval", "5m").replace("$__range", "6h") for each in asked]
    file = tmp_path / "rules.yml"
    listed = [{"record": f"panel:{k}", "expr": each} for k, each in enumerate(plain)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": listed}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
