"""Whisper models by the commands: packaged, verified, named, and the default of a language."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("faster_whisper")

from melisma.cli.main import app
from melisma.models import package as packages
from melisma.pipeline import packages as added
from melisma.pipeline import tiers
from speaking_whisper import TEXT, Speaking, save_speaking
from whisper_clips import row, write_clips


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("MELISMA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MELISMA_ROOT", str(tmp_path))
    yield
    tiers.forget()


@pytest.fixture
def clips(tmp_path):
    return write_clips(tmp_path / "set.jsonl", [row("a", "hr", TEXT, 1.0), row("b", "sr", TEXT, 2.0)])


def test_package_verify_add_and_default(runner, tmp_path, clips):
    source, out = save_speaking(tmp_path / "checkpoint"), tmp_path / "mine"
    (source / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    made = runner.invoke(app, ["models", "package", str(source), "-o", str(out), "--set", str(clips)])
    assert made.exit_code == 0, made.output
    assert [line.split()[0] for line in made.stdout.splitlines()[1:]] == [
        "transformers",
        "torch",
        "ctranslate2",
        "ctranslate2",
        "faster-whisper",
        "onnx",
    ]
    assert packages.check(out).terms.spdx == "MIT"
    assert json.loads((out / "run_manifest.json").read_bytes())["parity"]["n_clips"] == 2

    verified = runner.invoke(app, ["models", "verify", str(out), "--json"])
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["formats"] == [
        "transformers",
        "torch",
        "ctranslate2 float32",
        "ctranslate2 int8",
        "onnx",
    ]
    scored = json.loads(runner.invoke(app, ["models", "verify", str(out), "--set", str(clips), "--json"]).stdout)
    assert {each["wer"] for each in scored["parity"]["formats"] if "with times" not in each["name"]} == {0.0}

    assert runner.invoke(app, ["models", "add", "mine", str(out)]).exit_code == 0
    assert runner.invoke(app, ["models", "default", "hr", "mine"]).exit_code == 0
    assert runner.invoke(app, ["models", "default", "any", "mine"]).exit_code == 0
    assert json.loads(runner.invoke(app, ["models", "default", "--json"]).stdout) == {"any": "mine", "hr": "mine"}
    listed = json.loads(runner.invoke(app, ["models", "list", "--json"]).stdout)[-1]
    assert (listed["model_id"], listed["engine"], listed["default_for"]) == ("mine", "whisper", ["any", "hr"])
    assert [added.default_for(code) for code in ("hr", "hr-HR", "sr", None)] == ["mine"] * 4
    assert runner.invoke(app, ["models", "default", "any", "--remove"]).exit_code == 0
    assert [added.default_for(code) for code in ("hr", "sr", None)] == ["mine", None, None]
    assert runner.invoke(app, ["models", "remove", "mine"]).exit_code == 0
    assert added.default_for("hr") is None


def test_a_conversion_that_loops_is_one_sentence_and_leaves_nothing(runner, tmp_path, clips):
    source, out = save_speaking(tmp_path / "checkpoint", Speaking(end="<|startoflm|>")), tmp_path / "mine"
    made = runner.invoke(app, ["models", "package", str(source), "-o", str(out), "--set", str(clips)])
    assert made.exit_code == 1
    assert "loops on 2 of 2 clips, where transformers does on 0" in made.stderr
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_export_takes_the_formats_that_are_named(runner, tmp_path, clips):
    source = save_speaking(tmp_path / "checkpoint")
    said = ["models", "export", str(source), "--onnx", "--int8", "--set", str(clips), "-o"]
    made = runner.invoke(app, [*said, str(tmp_path / "small"), "--json"])
    assert made.exit_code == 0, made.output
    facts = packages.check(tmp_path / "small")
    assert facts.conversions == ("onnx",)
    assert "model.safetensors" not in facts.files
    verified = runner.invoke(app, ["models", "verify", str(tmp_path / "small"), "--json"])
    assert json.loads(verified.stdout)["formats"] == ["onnx"]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["package", "CHECKPOINT", "-o", "out"], "name the clips that the conversions are to hear with --set MANIFEST"),
        (["package", "CHECKPOINT", "-o", "out", "--set", "SET", "--mix"], "--mix is for aligners"),
        (["package", "CHECKPOINT", "-o", "out", "--set", "SET", "--onnx", "int3"], "float32, int8 or none, not 'int3'"),
        (["package", "CHECKPOINT", "-o", "out", "--set", "none.jsonl"], "none.jsonl"),
        (["default", "hr"], "melisma models default LANGUAGE NAME"),
        (["default", "hr", "nobody"], "nobody"),
        (["default", "klingon", "nobody"], "klingon"),
    ],
)
def test_bad_input_is_one_sentence(runner, tmp_path, clips, monkeypatch, said, sentence):
    monkeypatch.chdir(tmp_path)
    places = {"CHECKPOINT": str(tmp_path / "checkpoint"), "SET": str(clips)}
    if "CHECKPOINT" in said:
        save_speaking(tmp_path / "checkpoint")
    result = runner.invoke(app, ["models", *(places.get(each, each) for each in said)])
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_aligner_is_nobodys_default(runner, tmp_path):
    from melisma.testing.checkpoints import save_random_ctc

    folder = save_random_ctc(tmp_path / "ctc")
    assert runner.invoke(app, ["models", "add", "aligner", str(folder)]).exit_code == 0
    result = runner.invoke(app, ["models", "default", "en", "aligner"])
    assert result.exit_code == 2
    assert "a default model transcribes" in result.stderr
    result = runner.invoke(app, ["models", "verify", str(folder), "--set", str(tmp_path / "set.jsonl")])
    assert result.exit_code == 2
    assert "--set is for Whisper models" in result.stderr
