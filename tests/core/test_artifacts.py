from pathlib import Path

import pytest

from melisma.core.artifacts import VARIABLE, Artifacts
from melisma.core.errors import InputError


def test_folders_lie_where_the_contract_puts_them():
    at = Artifacts(Path("root"))
    assert at.manifests == Path("root/manifests")
    assert at.inventory == Path("root/manifests/dataset_inventory.csv")
    assert at.validation == Path("root/manifests/validation_report.json")
    assert at.balance == Path("root/manifests/dataset_balance.json")
    assert at.splits == Path("root/manifests/splits")
    assert at.licences == Path("root/DATA_LICENSES.md")
    assert at.uploads == Path("root/uploads")
    assert at.processed == Path("root/data/processed")
    assert at.processor("bcs") == Path("root/models/processor/bcs")
    assert at.whisper("run1") == Path("root/models/whisper/run1")
    assert at.log("run1") == Path("root/logs/training/run1.log")
    assert at.sweep("rates") == Path("root/sweeps/rates")
    assert at.report("run1") == Path("root/reports/run1")
    assert at.evaluation("run1") == Path("root/manifests/eval_run1.json")
    assert at.output("song") == Path("root/outputs/song")


def test_the_log_of_a_folder_lies_in_its_place_or_in_the_folder():
    at = Artifacts(Path("root"))
    assert at.log_of(Path("root/models/whisper/run1")) == Path("root/logs/training/run1.log")
    assert at.log_of(Path("root").absolute() / "models" / "whisper" / "run1") == at.log("run1")
    assert at.log_of(Path("/srv/run1")) == Path("/srv/run1/training.log")
    assert at.log_of(Path("root/models/whisper/my run")).name == "training.log"


def test_what_is_given_as_a_path_is_found_here_or_below_the_root(tmp_path, monkeypatch):
    here, root = tmp_path / "here", tmp_path / "root"
    for folder in (
        here / "models/whisper/both",
        root / "models/whisper/both",
        root / "models/whisper/run1",
        root / "x",
    ):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    at = Artifacts(root)
    assert at.found("models/whisper/run1") == str(root / "models/whisper/run1")
    assert at.found("models/whisper/both") == "models/whisper/both"
    assert at.found(root / "models/whisper/run1") == str(root / "models/whisper/run1")
    assert [at.found(each) for each in ("", "x", "models/none", "random:tiny")] == [
        "",
        "x",
        "models/none",
        "random:tiny",
    ]
    assert Artifacts().found("models/whisper/run1") == "models/whisper/run1"


def test_a_training_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    at = Artifacts(tmp_path / "root")
    (tmp_path / "root/models/whisper/run1").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    assert at.training("run1") == at.training("models/whisper/run1") == str(tmp_path / "root/models/whisper/run1")
    assert at.training("mine") == "mine"
    assert [at.training(each) for each in ("none", "openai/whisper-small")] == ["none", "openai/whisper-small"]


def test_one_variable_moves_them_all():
    assert Artifacts.of({}).manifests == Path("manifests")
    assert Artifacts.of({VARIABLE: " /srv/asr "}).log("a") == Path("/srv/asr/logs/training/a.log")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/etc", ".hidden", "a" * 101, "a b", "a\n"])
def test_no_name_leads_elsewhere(name):
    with pytest.raises(InputError, match="no name for a folder"):
        Artifacts().whisper(name)
