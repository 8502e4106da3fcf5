"""`melisma data normalize` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance


def corpus(folder: Path, *texts: str) -> Path:
    made = (Utterance(id=str(i), audio="a.wav", duration=1, transcript=t, language="hr") for i, t in enumerate(texts))
    manifest.write(folder / "m.jsonl", made)
    return folder / "m.jsonl"


def test_it_writes_manifest_and_report(tmp_path: Path):
    result = CliRunner().invoke(app, ["data", "normalize", str(corpus(tmp_path, "Imam 2 kune. [šum]"))])
    assert result.exit_code == 0, result.output
    (found,) = manifest.read(tmp_path / "m.norm.jsonl")
    assert found.norm == "imam dvije kune"
    assert f"wrote {tmp_path / 'm.norm.jsonl'}\n" in result.stderr
    report = json.loads((tmp_path / "normalize_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["share_cleaned"] == 1
    assert report["details"]["changed_by_rule"]["numbers"] == 1


def test_rules_are_left_out_by_name(tmp_path: Path):
    path = corpus(tmp_path, "Imam 2 [x] kune.")
    options = ["--skip", "numbers", "--skip", "brackets", "--case", "keep", "--punctuation", "keep"]
    result = CliRunner().invoke(app, ["data", "normalize", str(path), *options])
    assert result.exit_code == 0, result.output
    (found,) = manifest.read(tmp_path / "m.norm.jsonl")
    assert found.norm == "Imam 2 [x] kune."


def test_it_exits_with_1_where_too_little_is_left(tmp_path: Path):
    path = corpus(tmp_path, "[šum]", "da")
    assert CliRunner().invoke(app, ["data", "normalize", str(path)]).exit_code == 1
    assert CliRunner().invoke(app, ["data", "normalize", str(path), "--require", "0.5"]).exit_code == 0


def test_bad_input_is_one_sentence_and_nothing_written(tmp_path: Path):
    path = corpus(tmp_path, "da")
    wrong = (["--skip", "all"], ["--script", "greek"], ["--case", "up"], ["--language", "?"], ["-o", str(path)])
    for options in wrong:
        result = CliRunner().invoke(app, ["data", "normalize", str(path), *options])
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert [each.name for each in tmp_path.iterdir()] == ["m.jsonl"]
