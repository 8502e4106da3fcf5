from __future__ import annotations

import json
import os

import pytest

from melisma.core.errors import InputError, ModelError
from melisma.models import package as packages
from melisma.models.package import FACTS, PackageFacts, check, read, revision, seal

SAID = {
    "name": "mine",
    "kind": "transformers",
    "units": "characters",
    "labels": ["<pad>", "a", "b"],
    "blank": 0,
    "stride": 320,
    "languages": ["en"],
    "sources": [{"name": "LJ", "license": "CC0-1.0"}],
}


@pytest.fixture
def folder(tmp_path):
    """A package whose weights are a few bytes: nothing here loads them."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text("{}", encoding="utf-8")
    seal(made, SAID)
    (made / "README.md").write_text("a card", encoding="utf-8")
    return made


def change(folder, **fields):
    said = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    (folder / FACTS).write_text(json.dumps(said | fields), encoding="utf-8")


def test_what_is_sealed_is_read_and_holds(folder):
    facts = check(folder)
    assert (facts.name, facts.labels, facts.blank) == ("mine", ("<pad>", "a", "b"), 0)
    assert set(facts.files) == {"model.safetensors", "config.json"}
    assert revision(folder) == revision(folder)


def test_a_card_may_be_written_on(folder):
    before = revision(folder)
    (folder / "README.md").write_text("another card", encoding="utf-8")
    check(folder)
    assert revision(folder) == before


@pytest.mark.parametrize("data", [b"weightz", b"weights and more", b""])
def test_other_weights_than_those_listed_are_refused(folder, data):
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors of the package mine is not the file"):
        check(folder)


def test_weights_that_are_not_there_are_missed(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks its file model\.safetensors"):
        check(folder)


@pytest.mark.parametrize("name", ["model.onnx", "generation_config.json", "code.py"])
def test_a_file_that_decides_a_result_has_to_be_listed(folder, name):
    (folder / name).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="is not listed"):
        check(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "best.ckpt", "a.PKL", "scaler.joblib"])
def test_pickles_are_refused(folder, name):
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="may run code when it is read"):
        check(folder)


def test_links_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    os.symlink(tmp_path / "secret", folder / "notes.md")
    with pytest.raises(ModelError, match=r"'notes\.md' in the package mine is a link"):
        check(folder)


def test_a_link_in_place_of_the_facts_is_refused(folder, tmp_path):
    (folder / FACTS).rename(tmp_path / "facts")
    os.symlink(tmp_path / "facts", folder / FACTS)
    with pytest.raises(ModelError, match="is a link"):
        read(folder)


def test_folders_inside_are_refused(folder):
    (folder / "more").mkdir()
    with pytest.raises(ModelError, match="a package has no folders"):
        check(folder)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b.json", "..", ".hidden", FACTS])
def test_names_that_lead_out_of_the_folder_are_refused(folder, name):
    change(folder, files={name: {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(ModelError, match="is no file of a package"):
        read(folder)


def test_an_index_of_weights_may_not_lead_out_of_the_folder(tmp_path):
    made = tmp_path / "sharded"
    made.mkdir()
    (made / "part.safetensors").write_bytes(b"weights")
    index = made / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"a": "part.safetensors", "b": "../../x.safetensors"}}), encoding="utf-8"
    )
    seal(made, SAID)
    with pytest.raises(ModelError, match="names a file that is not listed"):
        check(made)
    index.write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}), encoding="utf-8")
    seal(made, SAID)
    check(made)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"blank": 3}, "the blank is label 3 of 3"),
        ({"labels": ["a", "a"]}, "two labels are the same"),
        ({"kind": "phone-net", "blank": 1}, "blank of a phone network is label 0"),
        ({"kind": "pickle"}, "kind: "),
        ({"name": "../mine"}, "name: "),
        ({"stride": 0}, "stride: "),
        ({"languages": ["en", "1-2"]}, "'1-2' is no language code"),
        ({"sample_rate": float("nan")}, "sample_rate: "),
        ({"schema": "melisma.package/2"}, "schema: "),
    ],
)
def test_facts_that_cannot_be_are_named(folder, fields, sentence):
    change(folder, **fields)
    with pytest.raises(ModelError, match=sentence):
        read(folder)


def test_facts_larger_than_any_can_be_are_not_parsed(folder):
    (folder / FACTS).write_bytes(b" " * (9 << 20))
    with pytest.raises(ModelError, match="larger than it can be"):
        read(folder)


def test_a_folder_without_facts_is_no_package(tmp_path):
    with pytest.raises(ModelError, match="is no package"):
        read(tmp_path)


def test_what_no_package_can_say_is_not_sealed(folder):
    with pytest.raises(InputError, match="this cannot be a package: blank"):
        seal(folder, SAID | {"blank": -1})


def facts_of(**fields) -> PackageFacts:
    files = {"config.json": {"sha256": "0" * 64, "bytes": 2}}
    return PackageFacts.model_validate({"schema": packages.SCHEMA, **SAID, "files": files, **fields})


def test_the_terms_are_those_of_all_sources_together():
    both = [{"name": "LJ", "license": "CC0-1.0"}, {"name": "DALI", "license": "CC BY-NC-SA 4.0"}]
    facts = facts_of(sources=both)
    assert (facts.terms.spdx, facts.terms.commercial) == ("CC0-1.0 AND CC-BY-NC-SA-4.0", False)
    assert facts.tainted_by == ("DALI (CC-BY-NC-SA-4.0)",)
    assert facts_of().terms.commercial


def test_a_licence_of_the_weights_launders_nothing():
    facts = facts_of(license="MIT", sources=[{"name": "DALI", "license": "CC-BY-NC-SA-4.0"}])
    assert (facts.terms.spdx, facts.terms.commercial) == ("MIT", False)
    assert not facts_of(license="CC-BY-NC-4.0").terms.commercial
    assert facts_of(license="MIT").terms.commercial


def test_data_that_nobody_has_named_forbid_commercial_use():
    facts = facts_of(sources=[], license="MIT")
    assert not facts.terms.commercial
    assert facts.tainted_by == ("data that nobody has named",)


def test_only_a_licence_that_is_not_known_can_be_vouched_for():
    own = {"name": "our choir", "license": "by contract", "vouched": True}
    assert facts_of(sources=[own]).terms.commercial
    assert not facts_of(sources=[own | {"vouched": False}]).terms.commercial
    assert not facts_of(sources=[own | {"license": "CC-BY-NC-4.0"}]).terms.commercial
    assert not facts_of(sources=[own | {"license": " "}]).terms.commercial


WHISPER = {"name": "mine", "kind": "whisper", "languages": ["hr"], "sources": [{"name": "ours", "license": "CC0-1.0"}]}
CONVERTED = b"\x06\x00\x00\x00\x0c\x00WhisperSpec\x00" + b"weights"


@pytest.fixture
def whisper(tmp_path):
    """A Whisper package with both conversions; nothing here loads them."""
    made = tmp_path / "heard"
    for name in packages.CONVERSIONS:
        (made / name).mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "ctranslate2" / "model.bin").write_bytes(CONVERTED)
    (made / "ctranslate2" / "config.json").write_text("{}", encoding="utf-8")
    (made / "onnx" / "encoder.onnx").write_bytes(b"\x08\x08")  # a model of version 8, and nothing else
    seal(made, WHISPER)
    return made


def test_a_whisper_package_has_two_folders_of_listed_files(whisper):
    facts = check(whisper)
    assert facts.conversions == ("ctranslate2", "onnx")
    assert set(facts.files) == {
        "model.safetensors",
        "ctranslate2/model.bin",
        "ctranslate2/config.json",
        "onnx/encoder.onnx",
    }


@pytest.mark.parametrize("name", ["ctranslate2/model.bin", "ctranslate2/config.json", "onnx/encoder.onnx"])
def test_a_conversion_that_was_changed_is_refused(whisper, name):
    data = (whisper / name).read_bytes()
    (whisper / name).write_bytes(data[:-1] + b"!")
    with pytest.raises(ModelError, match=r"is not the file that its melisma\.json lists"):
        check(whisper)


@pytest.mark.parametrize("name", ["ctranslate2/vocabulary.json", "onnx/notes", "ctranslate2/shared_vocabulary.txt"])
def test_nothing_may_lie_beside_a_conversion_that_is_not_listed(whisper, name):
    (whisper / name).write_text("x", encoding="utf-8")
    with pytest.raises(ModelError, match="is not listed"):
        check(whisper)


@pytest.mark.parametrize("name", ["ctranslate2/pytorch_model.bin", "onnx/model.bin", "model.bin", "onnx/a.pkl"])
def test_pickles_are_refused_wherever_they_lie(whisper, name):
    (whisper / name).write_bytes(CONVERTED)
    with pytest.raises(ModelError, match="may run code when it is read"):
        check(whisper)


@pytest.mark.parametrize("data", [b"\x80\x04.", b"PK\x03\x04", CONVERTED.replace(b"Whisper", b"Trnsfmr"), b""])
def test_what_is_called_weights_of_ctranslate2_has_to_be_some(whisper, data):
    (whisper / "ctranslate2" / "model.bin").write_bytes(data)
    seal(whisper, WHISPER)
    with pytest.raises(ModelError, match="is no Whisper of CTranslate2's"):
        check(whisper)


def test_a_link_in_the_place_of_a_conversion_is_refused(whisper, tmp_path):
    (whisper / "onnx").rename(tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", whisper / "onnx")
    with pytest.raises(ModelError, match="'onnx' in the package heard is a link"):
        check(whisper)


def test_a_link_inside_a_conversion_is_refused(whisper, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    os.symlink(tmp_path / "secret", whisper / "onnx" / "decoder.onnx")
    with pytest.raises(ModelError, match="is a link"):
        check(whisper)


@pytest.mark.parametrize("name", ["other/x.json", "onnx/deep/x.json", "onnx/../x.json", "onnx/.x", "/onnx/x.json"])
def test_only_these_folders_can_be_listed(whisper, name):
    change(whisper, files={name: {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(ModelError, match="is no file of a package"):
        read(whisper)


def test_other_kinds_have_no_folders(folder):
    change(folder, files={"onnx/x.json": {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(ModelError, match="is no file of a package"):
        read(folder)


def test_another_folder_in_a_whisper_package_is_refused(whisper):
    (whisper / "more").mkdir()
    with pytest.raises(ModelError, match="is no plain file"):
        check(whisper)


@pytest.mark.parametrize("fields", [{"labels": ["a", "b"]}, {"units": "phones"}, {"stride": 320}])
def test_a_whisper_model_has_no_labels(whisper, fields):
    change(whisper, **fields)
    with pytest.raises(ModelError, match="has no labels, units and frames"):
        read(whisper)
