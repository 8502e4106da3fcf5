"""Trained models as engines, by path and by name. The models are copies of the embedded one: no torch is needed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from melisma.core.errors import Conflict, EngineFailed, InputError, LicenceError, ModelError, UnknownName
from melisma.core.records import Waveform
from melisma.engines.phone import PhoneEngine
from melisma.models import embedded
from melisma.models import package as sealed
from melisma.pipeline import packages, tiers, verify_model
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.settings import LicenceMode, RouterSettings
from melisma.pipeline.survey import survey
from melisma.store.cache import Cache
from melisma.store.settings import CacheSettings

FREE = {"name": "Common Voice", "license": "CC0-1.0"}
TAINTED = {"name": "DALI", "license": "CC-BY-NC-SA-4.0"}


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    yield
    tiers.forget()


@pytest.fixture
def make(tmp_path):
    """Make a package of the embedded network."""

    def made(name: str, *sources: dict[str, str]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        card = embedded.cards()[0]
        shutil.copy(card.path, folder / "model.onnx")
        sealed.seal(
            folder,
            {
                "name": name,
                "kind": "phone-net",
                "units": "phones",
                "labels": list(card.labels),
                "blank": 0,
                "stride": card.hops * 160,
                "reach": card.reach,
                "languages": ["en"],
                "sources": list(sources or (FREE,)),
                "listens_to": "mix",
            },
        )
        return folder

    return made


def test_a_folder_is_an_engine_by_its_path(make):
    folder = make("mine")
    engine = tiers.engine_named(f"path:{folder}")
    assert (engine.facts.model_id, engine.facts.model_revision) == ("mine", sealed.revision(folder))
    assert tiers.engine_named(f"path:{folder}") is engine
    assert tiers.engine_named(f"path:{folder / 'model.onnx'}").facts == engine.facts
    tiers.check(f"path:{folder}", RouterSettings.from_env())


def test_a_model_that_was_added_is_an_engine_by_its_name(make):
    folder = make("mine")
    packages.add("ours", folder)
    tiers.check("ours", RouterSettings.from_env())
    assert tiers.engine_named("ours") is tiers.engine_named(f"path:{folder}")
    assert "ours" in [standing.name for standing in survey(RouterSettings.from_env())]
    packages.registry().remove("ours")
    with pytest.raises(UnknownName, match="no engine is called 'ours'"):
        tiers.check("ours", RouterSettings.from_env())


def test_auto_tries_an_added_model_only_where_it_is_named(make):
    packages.add("ours", make("mine"))
    settings = RouterSettings.from_env()
    assert "ours" not in tiers.listed(settings)
    named = replace(settings, tiers=("ours", "phone"))
    assert tiers.listed(named)[:2] == ("ours", "phone")
    assert tiers.order(_lyrics(), replace(settings, tiers=("ours",))) == ("ours",)


def test_a_name_stands_for_what_lies_there_now(make):
    folder = make("mine")
    packages.add("ours", folder)
    before = tiers.engine_named("ours").facts.model_revision
    shutil.rmtree(folder)
    make("mine", FREE, TAINTED)
    after = tiers.engine_named("ours").facts
    assert after.model_revision != before
    assert not after.licence.commercial
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="there is no model at"):
        tiers.engine_named("ours")


@pytest.mark.parametrize(
    ("name", "error"), [("phone", Conflict), ("path", Conflict), ("auto", Conflict), ("a:b", InputError)]
)
def test_a_name_that_means_something_else_is_refused(make, name, error):
    with pytest.raises(error):
        packages.add(name, make("mine"))
    assert packages.names() == ()


def test_a_package_that_was_changed_is_not_added(make):
    folder = make("mine")
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx of the package mine is not the file"):
        packages.add("ours", folder)
    assert packages.names() == ()


def test_a_tainted_model_is_refused_in_commercial_mode_with_its_sources(make):
    settings = replace(RouterSettings.from_env(), licence_mode=LicenceMode.COMMERCIAL)
    tiers.check(f"path:{make('free')}", settings)
    sentence = r"the model 'mixed' was trained on DALI \(CC-BY-NC-SA-4\.0\), which is not for commercial use"
    with pytest.raises(LicenceError, match=sentence):
        tiers.check(f"path:{make('mixed', FREE, TAINTED)}", settings)
    with pytest.raises(LicenceError, match=r"LicenseRef-unknown"):
        tiers.check(f"path:{make('nobody', {'name': 'the web', 'license': ''})}", settings)


def test_a_model_whose_data_was_removed_says_so_and_is_not_for_commercial_use(make, sung):
    folder = make("mine")
    named = f"path:{folder}"
    commercial = replace(RouterSettings.from_env(), licence_mode=LicenceMode.COMMERCIAL)
    tiers.check(named, commercial)
    assert not any(
        "anew" in said for said in align(sung.waveform, sung.lyrics, config=AlignConfig("en", named)).warnings
    )
    (folder / "REMOVED_DATA.json").write_text("{}")
    with pytest.raises(LicenceError, match="trained on data that was taken out of its corpus since"):
        tiers.check(named, commercial)
    said = align(sung.waveform, sung.lyrics, config=AlignConfig("en", named)).warnings
    assert any("'mine' was trained on data that was taken out" in each for each in said)
    (folder / "REMOVED_DATA.json").unlink()
    tiers.check(named, commercial)


@pytest.mark.parametrize("name", ["path:", "path: ", "path", "path:~nobody-of-this-name/x", "path:a\0b"])
def test_a_path_wants_a_folder(name):
    with pytest.raises(InputError):
        tiers.engine_named(name)


def test_a_home_that_is_not_there_stops_no_engine_from_being_listed(monkeypatch):
    monkeypatch.setenv("MELISMA_WAV2VEC2_MODEL", "~nobody-of-this-name/model")
    tiers.forget()
    (found,) = (each for each in survey(RouterSettings.from_env()) if each.name == "wav2vec2")
    assert "there is no folder" in found.lacking


def test_a_song_is_aligned_alike_by_path_by_name_and_by_the_embedded_network(make):
    folder = make("mine")
    packages.add("ours", folder)
    rng = np.random.default_rng(0)
    sound = Waveform((rng.normal(0, 0.1, 48_000) * (np.arange(48_000) % 8000 < 5000)).astype(np.float32), 16000)
    made = []
    for name in ("phone", f"path:{folder}", "ours"):
        try:
            made.append(align(sound, _lyrics(), config=AlignConfig("en", name)).words)
        except InputError as error:  # noise is no singing: all three have to say the same of it
            made.append(str(error))
    assert made[0] == made[1] == made[2]


def test_the_cache_knows_a_model_by_what_it_is_and_not_by_where_it_lies(make, sung, tmp_path, monkeypatch):
    heard = []
    hear = PhoneEngine.hear
    monkeypatch.setattr(PhoneEngine, "hear", lambda *given: heard.append(given[0].card.path) or hear(*given))
    folder = make("mine")

    def listen(place: Path) -> int:
        before = len(heard)
        align(sung.waveform, sung.lyrics, config=AlignConfig("en", f"path:{place}", cache=cache))
        return len(heard) - before

    with Cache(CacheSettings(f"sqlite:///{tmp_path}/alignments.sqlite")) as cache:
        assert listen(folder) > 0
        assert listen(folder) == 0
        assert listen(folder.rename(tmp_path / "moved")) == 0
        assert listen(make("mine", FREE, {"name": "more", "license": "MIT"})) > 0


def _lyrics():
    from melisma.text.lyrics import from_text

    return from_text("see me now\nand then")


def test_verify_says_what_a_package_is(make):
    found = verify_model.verify(make("mine"))
    assert (found.name, found.n_files, found.n_labels) == ("mine", 1, len(embedded.cards()[0].labels))
    assert "is whole: 1 files as listed" in found.sentence()


def test_verify_finds_a_network_that_is_none(make):
    folder = make("mine")
    (folder / "model.onnx").write_bytes(b"no network")
    said = json.loads((folder / "melisma.json").read_text(encoding="utf-8"))
    sealed.seal(folder, {key: said[key] for key in said if key not in ("schema", "files")})
    with pytest.raises(ModelError, match="is no ONNX file"):
        verify_model.verify(folder)


def test_verify_finds_another_clock_than_the_network_has(make):
    folder = make("mine")
    said = json.loads((folder / "melisma.json").read_text(encoding="utf-8"))
    (folder / "melisma.json").write_text(json.dumps(said | {"stride": 160}), encoding="utf-8")
    with pytest.raises(EngineFailed, match="the engine phone broke off"):
        verify_model.verify(folder)


def test_an_added_model_is_found_by_what_it_is(make):
    folder = make("mine")
    packages.add("ours", folder)
    facts = tiers.engine_named("ours").facts
    assert list(packages.named_like(facts.model_id, facts.model_revision)) == ["ours"]
    assert list(packages.named_like(facts.model_id, "another")) == []


def test_a_damaged_table_costs_no_engine_its_name(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "models.json").write_text("{", encoding="utf-8")
    assert packages.names() == ()
    tiers.check("phone", RouterSettings.from_env())
