from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("ctranslate2")

from melisma.core.errors import InputError, ModelError, OutputError
from melisma.models import package as packages
from melisma.train.whisper.package import LICENCES, WhisperPackageConfig, package
from melisma.train.whisper.packaged import is_whisper, open_whisper
from melisma.train.whisper.trained import SCHEMA, TrainedWhisper
from speaking_whisper import TEXT, speaking_model

TAINT = {"sources": [{"source": "ParlaSpeech", "licence": "CC-BY-4.0", "hours": 1.5}], "vouched": []}
FACTS = {
    "schema": SCHEMA,
    "languages": ["hr", "sr"],
    "base": {"model": "openai/whisper-tiny", "license": "MIT"},
    "data": {"manifest": "train.jsonl", "taint": TAINT, "sources": ["ParlaSpeech"], "licences": ["CC-BY-4.0"]},
    "metrics": {"wer": 0.105, "cer": 0.031},
    "steps": 40,
    "config": {"model": "/home/somebody/whisper-tiny"},
}
ACCEPTED = {"manifest": "set.jsonl", "n_clips": 3, "formats": [{"name": "onnx", "wer": 0.1, "same": 1.0, "loops": 0}]}


@pytest.fixture(scope="module")
def network():
    return speaking_model()


@pytest.fixture
def trained(network, tmp_path):
    return TrainedWhisper(*network, FACTS, tmp_path / "My Run")


@pytest.fixture(scope="module")
def made(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages") / "mine"
    source = TrainedWhisper(*network, FACTS, folder.parent / "My Run")
    package(source, folder, WhisperPackageConfig(), lambda path: {**ACCEPTED, "compute": "float32"})
    return folder


def test_a_package_holds_all_that_others_need(made):
    facts = packages.check(made)
    assert (facts.kind, facts.name, facts.languages, facts.base) == (
        "whisper",
        "my-run",
        ("hr", "sr"),
        "openai/whisper-tiny",
    )
    assert facts.conversions == ("ctranslate2", "onnx")
    assert facts.compute == "float32"
    wanted = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "preprocessor_config.json",
    ]
    wanted += [
        "preprocessor_config.json",
        "run_manifest.json",
        LICENCES,
        "ctranslate2/model.bin",
        "onnx/encoder.onnx",
        "onnx/decoder.onnx",
    ]
    assert set(wanted) <= set(facts.files)
    assert oct((made / "model.safetensors").stat().st_mode & 0o777) == "0o644"


def test_its_terms_are_those_of_data_and_start_together(made):
    facts = packages.read(made)
    assert facts.terms.commercial
    assert {source.license for source in facts.sources} == {"CC-BY-4.0", "MIT"}
    text = (made / LICENCES).read_text(encoding="utf-8")
    assert "| ParlaSpeech | CC-BY-4.0 | 1.50 |" in text
    assert "began with openai/whisper-tiny" in text


def test_its_card_says_what_was_measured(made):
    card = (made / "README.md").read_text(encoding="utf-8")
    for said in ('base_model: "openai/whisper-tiny"', "word error rate 10.50%", "| onnx | 10.00% |", "ParlaSpeech"):
        assert said in card


def test_its_manifest_names_no_folder_of_this_machine(made):
    said = json.loads((made / "run_manifest.json").read_text(encoding="utf-8"))
    assert said["schema"] == SCHEMA
    assert said["config"]["model"] == "whisper-tiny"
    assert said["parity"]["n_clips"] == 3
    assert "/home" not in json.dumps(said)


def test_transformers_loads_it(made):
    import transformers

    assert is_whisper(made)
    model = transformers.WhisperForConditionalGeneration.from_pretrained(made, local_files_only=True)
    processor = transformers.WhisperProcessor.from_pretrained(made, local_files_only=True)
    features = processor(sound(), sampling_rate=16_000, return_tensors="pt").input_features
    ids = model.generate(features, language="hr", task="transcribe", max_new_tokens=40)
    assert processor.tokenizer.decode(ids[0], skip_special_tokens=True).strip() == TEXT


def sound():
    import numpy as np

    return np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


def test_the_same_training_is_the_same_package(made, trained, tmp_path):
    config = WhisperPackageConfig(name="my-run")
    package(trained, tmp_path / "again", config, lambda path: {**ACCEPTED, "compute": "float32"})
    mine, other = (packages.read(each).files for each in (made, tmp_path / "again"))
    assert {name for name in mine if mine[name] != other[name]} == set()


def test_a_package_is_made_of_a_package(made, tmp_path):
    source = open_whisper(made)
    config = WhisperPackageConfig(name="other", ctranslate2="", weights=False)
    facts = package(source, tmp_path / "other", config, lambda path: {})
    assert facts.conversions == ("onnx",)
    assert facts.sources == packages.read(made).sources
    assert not list((tmp_path / "other").glob("*.safetensors"))
    with pytest.raises(InputError, match="has no weights for torch as safetensors"):
        open_whisper(tmp_path / "other")


def test_nothing_is_left_of_what_the_gate_refuses(trained, tmp_path):
    def refuse(folder):
        assert (folder / "ctranslate2" / "model.bin").is_file()
        raise ModelError("it loops")

    with pytest.raises(ModelError, match="it loops"):
        package(trained, tmp_path / "out", WhisperPackageConfig(), refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_alone(trained, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="in use already"):
        package(trained, tmp_path / "out", WhisperPackageConfig(), lambda path: {})
    assert (tmp_path / "out" / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_data_that_forbids_commercial_use_forbids_such_a_licence(trained, tmp_path):
    taint = {"sources": [{"source": "DALI", "licence": "CC-BY-NC-SA-4.0"}]}
    tainted = replace(trained, facts={**FACTS, "data": {"taint": taint}})
    with pytest.raises(InputError, match=r"cannot be licensed MIT.*DALI \(CC-BY-NC-SA-4\.0\)"):
        package(tainted, tmp_path / "out", WhisperPackageConfig(license="MIT"), lambda path: {})
    assert not (tmp_path / "out").exists()


def test_what_was_taken_out_of_the_data_is_handed_on(trained, tmp_path):
    trained.run.mkdir()
    (trained.run / packages.REMOVED).write_text("{}", encoding="utf-8")
    config = WhisperPackageConfig(ctranslate2="", onnx="")
    package(trained, tmp_path / "out", config, lambda path: {})
    assert (tmp_path / "out" / packages.REMOVED).is_file()
    packages.check(tmp_path / "out")


def test_a_package_without_a_model_is_none(trained, tmp_path):
    config = WhisperPackageConfig(ctranslate2="", onnx="", weights=False)
    with pytest.raises(InputError, match="a package holds a model"):
        package(trained, tmp_path / "out", config, lambda path: {})


def test_a_precision_that_there_is_not(trained, tmp_path):
    with pytest.raises(InputError, match="float32, float16, int8, not 'int3'"):
        package(trained, tmp_path / "out", WhisperPackageConfig(ctranslate2="int3"), lambda path: {})
    assert not (tmp_path / "out").exists()


def test_what_is_no_whisper_is_told(tmp_path):
    assert not is_whisper(tmp_path / "nothing")
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}', encoding="utf-8")
    assert not is_whisper(tmp_path)
