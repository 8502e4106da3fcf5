from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch")

from melisma.cli.main import app
from melisma.pipeline import tiers
from melisma.testing.checkpoints import save_random_ctc
from melisma.train.ctc.package import PackageConfig, package
from melisma.train.ctc.packaged import open_trained


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    yield
    tiers.forget()


@pytest.fixture
def made(tmp_path):
    data = {"sources": [{"source": "DALI", "licence": "CC-BY-NC-SA-4.0"}]}
    trained = replace(open_trained(save_random_ctc(tmp_path / "start")), languages=("en",), facts={"data": data})
    package(trained, tmp_path / "mine", PackageConfig("mine"))
    return tmp_path / "mine"


def test_export_verify_add_show_and_remove(runner, made, tmp_path):
    out = tmp_path / "onnx"
    exported = runner.invoke(app, ["models", "export", str(made), "--onnx", "-o", str(out), "--json"])
    assert exported.exit_code == 0, exported.output
    assert json.loads(exported.stdout)["parity"]["agreement"] == 1.0
    verified = runner.invoke(app, ["models", "verify", str(out), "--json"])
    assert json.loads(verified.stdout)["name"] == "mine"
    added = runner.invoke(app, ["models", "add", "ours", str(out)])
    assert "not for commercial use: DALI (CC-BY-NC-SA-4.0)" in added.stderr
    rows = runner.invoke(app, ["models", "list"]).stdout.splitlines()
    assert rows[-1].split()[0] == "ours"
    listed = json.loads(runner.invoke(app, ["models", "list", "--json"]).stdout)[-1]
    assert (listed["model_id"], listed["commercial"], listed["changed"]) == ("ours", False, False)
    shown = runner.invoke(app, ["models", "show", "ours"]).stdout
    assert "# mine" in shown
    engines = json.loads(runner.invoke(app, ["engines", "list", "--json"]).stdout)
    assert engines[-1]["name"] == "ours"
    assert runner.invoke(app, ["models", "remove", "ours"]).exit_code == 0
    assert len(json.loads(runner.invoke(app, ["models", "list", "--json"]).stdout)) == len(rows) - 2
    assert out.is_dir()


def test_a_model_whose_folder_has_gone_is_listed_with_what_is_wrong(runner, made):
    runner.invoke(app, ["models", "add", "ours", str(made)])
    made.rename(made.with_name("moved"))
    result = runner.invoke(app, ["models", "list"])
    assert result.exit_code == 0
    assert "there is no model at" in result.stdout.splitlines()[-1]


def test_the_figures_of_an_evaluation_stand_in_the_card(runner, made, tmp_path):
    figures = {"aae": 0.051, "mae": None}
    said = {"schema": "melisma.eval-ctc/1", "n_utterances": 9, "models": {"mine": {"overall": figures}}}
    (tmp_path / "eval.json").write_text(json.dumps(said), encoding="utf-8")
    asked = ["models", "export", str(made), "-o", str(tmp_path / "out"), "--metrics", str(tmp_path / "eval.json")]
    assert runner.invoke(app, asked).exit_code == 0
    assert "| mine | 0.051 |  |" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["export", "gone", "-o", "out"], "there is no training and no model at gone"),
        (["export", "{made}", "-o", "out", "--max-error", "1e-12"], "nats from torch"),
        (["export", "{made}", "-o", "out", "--license", "MIT"], "cannot be licensed MIT"),
        (["export", "{made}", "-o", "out", "--metrics", "gone.json"], "--metrics: cannot read gone.json"),
        (["export", "{made}", "-o", "out", "--checkpoint", "first"], "--checkpoint is best or last"),
        (["package", "gone", "-o", "out"], "there is no training and no model at gone"),
        (["package", "{made}", "-o", "{made}"], "is in use already"),
        (["verify", "gone"], "there is no folder gone"),
        (["add", "phone", "{made}"], "is the name of an engine"),
        (["add", "ours", "gone"], "there is no model at"),
        (["remove", "ours"], "no added model is called 'ours'; there are none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(runner, made, here, asked, sentence):
    result = runner.invoke(app, ["models", *(part.replace("{made}", str(made)) for part in asked)])
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
    assert not (here / "out").exists()


def test_a_folder_that_is_no_package_cannot_be_verified(runner, here):
    (here / "recordings").mkdir()
    result = runner.invoke(app, ["models", "verify", "recordings"])
    assert (result.exit_code, result.stderr) == (2, "error: recordings is no package: there is no melisma.json in it\n")


def test_an_unknown_name_is_answered_with_those_of_added_models_too(runner, made):
    runner.invoke(app, ["models", "add", "ours", str(made)])
    result = runner.invoke(app, ["models", "show", "theirs"])
    assert result.exit_code == 2
    assert "no model is called 'theirs'; there are: " in result.stderr
    assert "ours" in result.stderr
