"""Trained models as engines, by where they lie."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from melisma.core.errors import InputError, ModelError, UnknownName  # noqa: E402
from melisma.core.records import Waveform  # noqa: E402
from melisma.engines.packaged import open_engine  # noqa: E402
from melisma.engines.protocol import REMOVED_DATA  # noqa: E402
from melisma.engines.wav2vec2 import Wav2Vec2Engine  # noqa: E402
from melisma.models.phone_net import PhoneNet, PhoneNetConfig  # noqa: E402
from melisma.testing.checkpoints import LABELS, RandomCtc, save_random_ctc  # noqa: E402
from melisma.testing.engines import check_engine  # noqa: E402
from melisma.text.phones import INVENTORY  # noqa: E402
from melisma.train.ctc.onnx_export import export  # noqa: E402
from melisma.train.ctc.package import PackageConfig, package  # noqa: E402
from melisma.train.ctc.packaged import open_trained  # noqa: E402
from melisma.train.ctc.trained import Kind, Trained, Units  # noqa: E402

DATA = {"sources": [{"source": "LJ", "licence": "CC0-1.0", "clips": 1, "hours": 1.0}], "vouched": []}
NOISE = Waveform(np.random.default_rng(0).normal(0, 0.1, 32_007).astype(np.float32), 16000)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A package of each kind: characters and phones of transformers, with torch and as ONNX, and both of phone nets."""
    root = tmp_path_factory.mktemp("models")
    letters = replace(open_trained(save_random_ctc(root / "start")), languages=("en",), facts={"data": DATA})
    package(letters, root / "letters", PackageConfig("letters"))
    export(letters, root / "letters-onnx")
    spoken = ("<pad>", *INVENTORY)
    start = save_random_ctc(root / "start-phones", RandomCtc(labels=(*spoken, "<unk>")))
    phones = replace(open_trained(start), units=Units.PHONES, languages=("hr",), facts={"data": DATA})
    package(phones, root / "phones", PackageConfig("phones"))
    torch.manual_seed(0)
    for units, labels in ((Units.PHONES, spoken), (Units.CHARACTERS, LABELS)):
        net = PhoneNet(PhoneNetConfig(len(labels), 8, (1, 2), stride=2)).eval()
        trained = Trained(Kind.PHONE_NET, net, labels, 0, units, False, ("en",), {"data": DATA}, root)
        package(trained, root / f"net-{units.value}", PackageConfig(f"net-{units.value}"))
    return root


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        ("letters", "wav2vec2"),
        ("letters-onnx", "wav2vec2"),
        ("phones", "wav2vec2"),
        ("net-phones", "phone"),
        ("net-characters", "phone"),
    ],
)
def test_every_kind_keeps_the_contract_of_engines(made, name, engine):
    check_engine(lambda: open_engine(made / name), engine)


def test_an_onnx_package_hears_what_torch_hears(made):
    ours, theirs = (open_engine(made / name).emit(NOISE) for name in ("letters", "letters-onnx"))
    np.testing.assert_allclose(theirs.log_probs, ours.log_probs, atol=1e-3)


def test_characters_are_spelt_in_letters_and_phones_as_they_sound(made):
    assert open_engine(made / "letters").spell("Enough!", "en") == tuple("enough")
    assert open_engine(made / "phones").spell("Enough!", "en") == ("ɪ", "n", "ʌ", "f")
    assert open_engine(made / "net-phones").spell("Enough!", "en") == ("ɪ", "n", "ʌ", "f")
    assert open_engine(made / "net-characters").spell("Enough!", "en") == tuple("enough")


def test_letters_know_their_languages_and_phones_all_that_are_spoken(made):
    with pytest.raises(UnknownName, match="'hr'"):
        open_engine(made / "letters").spell("kuća", "hr")
    assert open_engine(made / "phones").spell("kuća", "de")
    with pytest.raises(UnknownName):
        open_engine(made / "phones").spell("x", "tlh-none")


def test_the_sign_between_words_counts_as_the_blank(made):
    emission = open_engine(made / "net-characters").emit(NOISE)
    assert (emission.log_probs[:, emission.labels.index("|")] < -80).all()
    np.testing.assert_allclose(np.exp(emission.log_probs).sum(axis=1), 1, atol=1e-4)


def test_facts_are_those_of_the_package(made):
    facts = open_engine(made / "letters").facts
    assert (facts.model_id, facts.languages, facts.licence.commercial) == ("letters", frozenset({"en"}), True)
    assert facts.model_revision == open_engine(made / "letters").facts.model_revision
    assert facts.model_revision != open_engine(made / "letters-onnx").facts.model_revision


def test_the_environment_says_nothing_of_a_package(made, monkeypatch):
    tainted = made / "tainted"
    if not tainted.exists():
        shutil.copytree(made / "letters", tainted)
        said = json.loads((tainted / "melisma.json").read_text(encoding="utf-8"))
        said["sources"] = [{"name": "DALI", "license": "CC-BY-NC-SA-4.0"}]
        (tainted / "melisma.json").write_text(json.dumps(said), encoding="utf-8")
    monkeypatch.setenv("MELISMA_WAV2VEC2_LICENSE", "MIT")
    monkeypatch.setenv("MELISMA_WAV2VEC2_LANGUAGES", "any")
    for engine in (open_engine(tainted), Wav2Vec2Engine(str(tainted))):
        assert not engine.facts.licence.commercial
        assert engine.facts.licence.tainted_by == ("DALI (CC-BY-NC-SA-4.0)",)
        assert engine.facts.languages == frozenset({"en"})


def test_a_folder_of_transformers_is_held_to_what_was_removed_from_its_data(made, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(made / "letters", tmp_path / "plain"))
    (folder / "melisma.json").unlink()
    monkeypatch.setenv("MELISMA_WAV2VEC2_LICENSE", "MIT")
    assert Wav2Vec2Engine(str(folder)).facts.licence.commercial
    (folder / "REMOVED_DATA.json").write_text("{}", encoding="utf-8")
    assert Wav2Vec2Engine(str(folder)).facts.licence.tainted_by == (REMOVED_DATA,)
    assert not Wav2Vec2Engine(str(folder)).facts.licence.commercial


def test_a_package_is_one_for_the_engine_of_its_kind_too(made):
    assert Wav2Vec2Engine(str(made / "phones")).spell("enough", "en") == ("ɪ", "n", "ʌ", "f")


@pytest.fixture
def copied(made, tmp_path):
    def copy(name: str) -> Path:
        return Path(shutil.copytree(made / name, tmp_path / name))

    return copy


@pytest.mark.parametrize(("name", "file"), [("letters", "model.safetensors"), ("net-phones", "model.onnx")])
def test_weights_that_were_changed_are_not_loaded(copied, name, file):
    folder = copied(name)
    data = bytearray((folder / file).read_bytes())
    data[-1] ^= 1
    (folder / file).write_bytes(data)
    with pytest.raises(ModelError, match=r"is not the file that its melisma\.json lists"):
        open_engine(folder).load()


def test_another_vocabulary_than_the_facts_is_refused(copied):
    folder = copied("letters")
    said = json.loads((folder / "melisma.json").read_text(encoding="utf-8"))
    said["labels"][-1] = "ß"
    (folder / "melisma.json").write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(ModelError, match="is not the one that its facts give"):
        open_engine(folder).load()


def test_damaged_facts_are_said_by_whoever_opens_the_folder(copied):
    folder = copied("letters")
    (folder / "melisma.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="is damaged"):
        open_engine(folder)
    assert "is damaged" in str(Wav2Vec2Engine(str(folder)).missing())


def test_the_onnx_file_of_a_package_stands_for_its_folder(made, copied):
    assert open_engine(made / "net-phones" / "model.onnx").facts == open_engine(made / "net-phones").facts
    folder = copied("net-phones")
    shutil.copy(folder / "model.onnx", folder / "other.onnx")
    with pytest.raises(InputError, match=r"is not the model\.onnx of the package"):
        open_engine(folder / "other.onnx")


def test_an_onnx_file_of_a_trained_phone_model_has_its_facts_beside_it(tmp_path):
    from melisma.models import embedded

    card = embedded.cards()[0]
    for suffix in (".onnx", ".json"):
        shutil.copy(card.path.with_suffix(suffix), tmp_path)
    engine = open_engine(tmp_path / card.path.name)
    assert (engine.facts.model_revision, engine.facts.licence.commercial) == (card.revision, True)


def test_a_phone_model_of_an_unknown_licence_is_not_commercial(tmp_path):
    from melisma.models import embedded

    card = embedded.cards()[0]
    shutil.copy(card.path, tmp_path / "mine.onnx")
    said = json.loads(card.path.with_suffix(".json").read_text(encoding="utf-8"))
    (tmp_path / "mine.json").write_text(json.dumps(said | {"licence": "CC-BY-NC-4.0"}), encoding="utf-8")
    assert not open_engine(tmp_path / "mine.onnx").facts.licence.commercial


def test_a_plain_folder_is_taken_without_pickles_only(tmp_path):
    folder = save_random_ctc(tmp_path / "plain")
    assert open_engine(folder).facts.licence.commercial is False
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="may run code"):
        open_engine(folder)


def test_a_training_is_to_be_packaged_first(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="run is a training, no package yet"):
        open_engine(tmp_path / "run")


@pytest.mark.parametrize(("name", "sentence"), [("gone", "there is no model at"), ("empty", "holds no model")])
def test_where_nothing_lies_nothing_is_opened(tmp_path, name, sentence):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=sentence):
        open_engine(tmp_path / name)


@pytest.mark.parametrize("name", ["letters", "net-phones"])
def test_an_engine_says_what_it_is_after_its_folder_has_gone(copied, name):
    folder = copied(name)
    engine = open_engine(folder)
    before = engine.facts
    shutil.rmtree(folder)
    assert (engine.facts.model_id, engine.facts.model_revision) == (before.model_id, before.model_revision)
    assert engine.missing()
