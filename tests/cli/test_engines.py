import json
import sys
from dataclasses import replace

import pytest

from melisma.cli.main import app
from melisma.engines.protocol import Licence
from melisma.pipeline.breaker import Breaker, Kind
from melisma.pipeline.settings import RouterSettings


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def steady(engines):
    """Give the class of the engine `steady`."""
    return sys.modules["melisma_test_engines"].SteadyEngine


def listed(runner):
    result = runner.invoke(app, ["engines", "list", "--json"])
    assert result.exit_code == 0, result.output
    return {row["name"]: row for row in json.loads(result.stdout)}


def test_the_embedded_engine_is_listed_with_what_it_is(runner):
    result = runner.invoke(app, ["engines", "list"])
    assert result.stdout.splitlines()[0].split() == ["engine", "task", "model", "licence", "breaker", "ready"]
    assert result.stdout.splitlines()[1].split() == ["phone", "emit", "phone-0.2", "Apache-2.0", "closed", "yes"]
    row = listed(runner)["phone"]
    assert (row["task"], row["licence"], row["commercial"], row["ready"]) == ("emit", "Apache-2.0", True, True)
    assert (row["missing"], row["enabled"], row["baseline"]) == (None, True, False)
    assert row["breaker"] == {"state": "closed", "reason": None, "wait_s": 0, "failures": 0}


def test_an_engine_of_another_package_is_listed(runner, engines):
    assert listed(runner)["steady"]["ready"]


def test_what_an_engine_lacks_is_listed(runner, steady, monkeypatch):
    monkeypatch.setattr(steady, "missing", lambda self: "pip install steady")
    assert listed(runner)["steady"]["missing"] == "pip install steady"
    assert "pip install steady" in runner.invoke(app, ["engines", "list"]).stdout


def test_a_plug_in_that_cannot_be_loaded_is_listed_with_its_fault(runner, engines):
    del sys.modules["melisma_test_engines"].SteadyEngine
    row = listed(runner)["steady"]
    assert (row["ready"], row["task"]) == (False, None)
    assert "cannot be loaded" in row["missing"]


def test_commercial_mode_is_seen(runner, steady, monkeypatch):
    closed = replace(steady.facts, licence=Licence("CC-BY-NC-4.0", commercial=False))
    monkeypatch.setattr(steady, "facts", closed)
    assert "CC-BY-NC-4.0 (non-commercial)" in runner.invoke(app, ["engines", "list"]).stdout
    assert listed(runner)["steady"]["ready"]
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    assert not listed(runner)["steady"]["ready"]
    assert "forbids commercial use" in listed(runner)["steady"]["missing"]


def test_the_state_of_a_breaker_is_seen_and_enable_closes_it(runner, engines):
    breaker = Breaker(RouterSettings.from_env().breaker_file)
    for _ in range(3):
        breaker.failed("steady", Kind.OUT_OF_MEMORY)
    assert "open (out of memory, next try in" in runner.invoke(app, ["engines", "list"]).stdout
    assert listed(runner)["steady"]["breaker"]["state"] == "open"
    assert runner.invoke(app, ["engines", "enable", "steady"]).exit_code == 0
    assert listed(runner)["steady"]["breaker"]["state"] == "closed"


def test_an_engine_is_switched_off_and_on(runner, engines):
    result = runner.invoke(app, ["engines", "disable", "steady"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "steady is off" in result.stderr
    assert not listed(runner)["steady"]["enabled"]
    assert "switched off" in runner.invoke(app, ["engines", "list"]).stdout
    result = runner.invoke(app, ["engines", "enable", "steady", "-q"])
    assert (result.exit_code, result.output) == (0, "")
    assert listed(runner)["steady"]["ready"]


def test_an_engine_that_is_not_there_cannot_be_switched(runner):
    result = runner.invoke(app, ["engines", "disable", "ears"])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no engine is called 'ears'; there are: auto, ")


def test_a_bad_variable_is_one_sentence(runner, monkeypatch):
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "free")
    result = runner.invoke(app, ["engines", "list"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: MELISMA_LICENSE_MODE is non_commercial or commercial, not 'free'\n"
