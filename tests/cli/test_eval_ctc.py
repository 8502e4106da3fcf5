from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from melisma.cli.main import app


@pytest.fixture
def manifest(tmp_path):
    samples = np.random.default_rng(1).normal(0, 0.1, 32000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    words = [{"text": "one", "start": 0.2, "end": 0.6}, {"text": "two", "start": 1.1, "end": 1.5}]
    rows = [
        {"id": f"u{k}", "audio": "a.wav", "duration": 2.0, "transcript": "one two", "language": "en", "words": words}
        for k in range(2)
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def package(tmp_path):
    pytest.importorskip("torch")
    from melisma.testing.checkpoints import save_random_ctc
    from melisma.train.ctc.package import PackageConfig, package
    from melisma.train.ctc.packaged import open_trained

    data = {"sources": [{"source": "LJ", "licence": "CC0-1.0"}]}
    trained = replace(open_trained(save_random_ctc(tmp_path / "start")), languages=("en",), facts={"data": data})
    package(trained, tmp_path / "mine", PackageConfig("mine"))
    return tmp_path / "mine"


def test_a_package_beside_baselines(runner, manifest, package, tmp_path):
    out = tmp_path / "eval.json"
    asked = ["eval", "ctc", str(manifest), "--model", str(package), "-o", str(out), "-j", "1"]
    result = runner.invoke(app, [*asked, "--baselines", "untrained,uniform"])
    assert result.exit_code == 0, result.output
    said = json.loads(out.read_text(encoding="utf-8"))
    assert list(said["models"]) == ["mine", "untrained", "uniform"]
    assert said["models"]["mine"]["model_revision"] != said["models"]["untrained"]["model_revision"]
    assert set(said["models"]["mine"]["gain_over"]) == {"untrained", "uniform"}
    assert "mine less uniform, 2 utterances" in result.stdout
    assert str(tmp_path) not in out.read_text(encoding="utf-8")


def test_an_engine_by_name_has_no_untrained_baseline(runner, manifest):
    asked = ["eval", "ctc", str(manifest), "--model", "phone", "--baselines", "untrained,uniform", "--json", "-j", "1"]
    result = runner.invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.stdout)["models"]) == ["phone", "uniform"]


def test_the_start_checkpoint_can_stand_for_the_untrained(runner, manifest, package, tmp_path):
    asked = ["eval", "ctc", str(manifest), "--model", str(package), "--start", str(tmp_path / "start"), "--json"]
    result = runner.invoke(app, [*asked, "--baselines", "untrained", "-j", "1"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["models"]["untrained"]["model_id"] == "start"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "nobody"], "no engine is called 'nobody'"),
        (["--model", "phone", "--baselines", "guess"], "no baseline is called 'guess'; there are: all, "),
        (["--model", "path:gone"], "there is no model at "),
    ],
)
def test_bad_names_are_one_sentence(runner, manifest, more, sentence):
    result = runner.invoke(app, ["eval", "ctc", str(manifest), *more])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr


def test_a_model_that_may_not_be_used_exits_with_1(runner, manifest, package, monkeypatch):
    said = json.loads((package / "melisma.json").read_text(encoding="utf-8"))
    said["sources"] = [{"name": "DALI", "license": "CC-BY-NC-SA-4.0"}]
    (package / "melisma.json").write_text(json.dumps(said), encoding="utf-8")
    monkeypatch.setenv("MELISMA_LICENSE_MODE", "commercial")
    result = runner.invoke(app, ["eval", "ctc", str(manifest), "--model", str(package), "--baselines", "none"])
    assert result.exit_code == 1
    assert "was trained on DALI (CC-BY-NC-SA-4.0), which is not for commercial use" in result.stdout
