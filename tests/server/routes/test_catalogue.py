"""What the service can do, over HTTP."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")

from melisma.core import plugins
from melisma.models import embedded
from melisma.pipeline import packages
from melisma.pipeline.breaker import Breaker, Kind
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.survey import disable


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))


def engine(client, name: str) -> dict:
    return next(each for each in client.get("/v1/engines").json()["engines"] if each["name"] == name)


def test_every_installed_engine_is_listed(client):
    found = client.get("/v1/engines").json()
    assert found["licence_mode"] == "non_commercial"
    assert {each["name"] for each in found["engines"]} == set(plugins.names(plugins.ENGINES))
    phone = found["engines"][0]
    wanted = {"name": "phone", "task": "emit", "licence": "Apache-2.0", "commercial": True, "installed": True}
    assert {name: phone[name] for name in wanted} == wanted
    assert phone["breaker"] == {"state": "closed", "failures": 0, "last_failure": None, "opens_until": None}
    assert (phone["missing"], phone["switched_on"]) == (None, True)


def test_what_is_missing_is_said_without_folders_of_this_machine(client, tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_MODELS_DIR", str(tmp_path))
    for each in client.get("/v1/engines").json()["engines"]:
        assert each["installed"] == (each["missing"] is None)
        assert str(tmp_path) not in str(each)
        assert "/root/" not in str(each)
        assert "/home/" not in str(each)


def test_models_that_were_added_are_listed_by_name_and_not_by_folder(client, tmp_path):
    card = embedded.cards()[0]
    for suffix in (".onnx", ".json"):
        shutil.copy(card.path.with_suffix(suffix), tmp_path)
    packages.add("our-own", tmp_path / card.path.name)
    found = engine(client, "our-own")
    assert (found["task"], found["model_id"], found["installed"]) == ("emit", card.model_id, True)
    assert "our-own" in [each["name"] for each in client.get("/v1/models").json()["choices"]]
    (tmp_path / card.path.name).unlink()
    gone = engine(client, "our-own")
    assert not gone["installed"]
    assert str(tmp_path) not in str(gone)


def test_breakers_tell_of_failures(client):
    settings = RouterSettings.from_env()
    breaker = Breaker(settings.breaker_file, settings.breaker)
    breaker.failed("phone", Kind.TIMEOUT)
    closed = engine(client, "phone")["breaker"]
    assert (closed["state"], closed["failures"], closed["last_failure"]["kind"]) == ("closed", 1, "time-out")
    assert closed["opens_until"] is None
    for _ in range(3):
        breaker.failed("phone", Kind.OUT_OF_MEMORY)
    opened = engine(client, "phone")["breaker"]
    assert (opened["state"], opened["last_failure"]["kind"]) == ("open", "out of memory")
    assert opened["opens_until"] > opened["last_failure"]["at"] > "2020"


def test_an_engine_that_is_switched_off_is_said_to_be(client):
    disable("phone", RouterSettings.from_env())
    assert engine(client, "phone")["switched_on"] is False


def test_the_licence_mode_is_told(client, monkeypatch):
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    assert client.get("/v1/engines").json()["licence_mode"] == "commercial"
    refused = [each for each in client.get("/v1/engines").json()["engines"] if each["commercial"] is False]
    assert refused
    assert all("forbids commercial use" in each["missing"] for each in refused)


def test_models_formats_and_languages_are_listed(client):
    models = client.get("/v1/models").json()["models"]
    assert [each["model_id"] for each in models] == ["phone-0.2"]
    formats = client.get("/v1/formats").json()["formats"]
    assert formats[0]["name"] == "json"
    assert {each["name"] for each in formats} == {*plugins.names(plugins.FORMATS), "html"}
    assert [each["name"] for each in formats if each["needs_audio"]] == ["html"]
    languages = {each["code"]: each["name"] for each in client.get("/v1/languages").json()["languages"]}
    assert languages["fr"].startswith("French")


def test_the_service_says_what_it_takes(client, settings):
    found = client.get("/v1/service").json()
    assert (found["token_needed"], found["library"]) == (False, True)
    assert found["upload_bytes"] == settings.limits.upload_bytes
    assert found["lyrics_providers"] == ["folder", "genius", "lrclib"]


def test_a_service_without_a_library_says_so(settings):
    from fastapi.testclient import TestClient

    from melisma.server.app import create_app
    from melisma.server.context import Context

    with TestClient(create_app(Context(replace(settings, library=None))), base_url="http://127.0.0.1:8765") as client:
        assert client.get("/v1/service").json()["library"] is False
        assert client.get("/v1/library").status_code == 404
        assert client.post("/v1/songs", json={"library": "a.wav"}).status_code == 404
