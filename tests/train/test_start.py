from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from melisma.testing.checkpoints import save_random_ctc
from melisma.train.ctc.package import PackageConfig, package
from melisma.train.ctc.packaged import open_trained
from melisma.train.start import of_checkpoint, sources_of


@pytest.mark.parametrize("model", ["phone-net", "random:tiny", ""])
def test_random_weights_bring_no_licence(model):
    assert sources_of({"config": {"model": model}}) == []
    assert sources_of({}) == []


def test_the_usual_checkpoint_is_known():
    (found,) = sources_of({"config": {"model": "facebook/wav2vec2-base-960h"}})
    assert (found["name"], found["license"]) == ("facebook/wav2vec2-base-960h", "Apache-2.0")


def test_another_checkpoint_is_what_its_card_says(tmp_path):
    folder = save_random_ctc(tmp_path / "start")
    assert [each["license"] for each in of_checkpoint(str(folder))] == [""]
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", encoding="utf-8")
    (found,) = sources_of({"config": {"model": str(folder)}})
    assert (found["name"], found["license"]) == ("start", "cc-by-nc-4.0")
    trained = replace(open_trained(folder), facts={"config": {"model": str(folder)}})
    made = package(trained, tmp_path / "out", PackageConfig("mine"))
    assert made.tainted_by == ("start (CC-BY-NC-4.0)",)


def test_a_package_hands_on_what_it_was_trained_on(tmp_path):
    data = {"sources": [{"source": "DALI", "licence": "CC-BY-NC-SA-4.0"}]}
    first = replace(open_trained(save_random_ctc(tmp_path / "start")), facts={"data": data})
    package(first, tmp_path / "first", PackageConfig("first"))
    assert of_checkpoint(str(tmp_path / "first")) == [{"name": "DALI", "license": "CC-BY-NC-SA-4.0", "vouched": False}]


def test_what_the_training_wrote_down_comes_first(tmp_path):
    said = {"base": {"model": "gone", "license": "MIT"}, "config": {"model": str(tmp_path / "gone")}}
    assert [each["license"] for each in sources_of(said)] == ["MIT"]
    said.pop("base")
    assert [each["license"] for each in sources_of(said)] == [""]
