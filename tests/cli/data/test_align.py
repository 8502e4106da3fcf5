"""`melisma data align` as a user calls it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from data.spoken import utterance
from melisma.cli.main import app
from melisma.data import manifest


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    manifest.write(folder / "m.jsonl", [utterance(folder, "x", "en", "x.wav")])
    return folder / "m.jsonl"


def run(*arguments):
    return CliRunner().invoke(app, ["data", "align", *map(str, arguments), "-j", "1"])


def test_it_writes_files_manifest_and_report(corpus, tmp_path):
    result = run(corpus, "-o", tmp_path / "outputs")
    assert result.exit_code == 0, result.output
    assert "covered: 1" in result.stdout
    report = json.loads((tmp_path / "outputs" / "alignment_report.json").read_text(encoding="utf-8"))
    assert report["counts"]["coverage"] == 1
    assert report["details"]["criterion"] == {"met": True, "missed": []}
    assert report["details"]["languages"]["en"]["words_timed"] == 6
    assert report["details"]["offset"]["mean_ms"] < 200
    assert len(next(manifest.read(tmp_path / "outputs" / "manifest.jsonl")).words) == 6


def test_too_little_coverage_exits_with_1_and_writes_the_report(corpus, tmp_path):
    (said,) = manifest.read(corpus)
    lost = [manifest.rebased(said, corpus, tmp_path / "m.jsonl"), said.changed(id="y", audio="gone.wav")]
    manifest.write(tmp_path / "m.jsonl", lost)
    result = run(tmp_path / "m.jsonl", "-o", tmp_path / "outputs")
    assert result.exit_code == 1
    assert "1 of 2 utterances could be aligned, 50.0%: 80% are asked for" in result.stderr
    assert "en: 1 of 2 (50.0%)" in result.stderr
    report = json.loads((tmp_path / "outputs" / "alignment_report.json").read_text(encoding="utf-8"))
    assert report["details"]["criterion"]["met"] is False
    assert report["problems"][0]["item"] == "y"
    assert run(tmp_path / "m.jsonl", "-o", tmp_path / "outputs", "--min-coverage", "0.5").exit_code == 0


def test_times_far_from_the_manifests_exit_with_1(corpus, tmp_path):
    (said,) = manifest.read(corpus)
    late = [word.model_copy(update={"start": word.start + 0.5, "end": word.end + 0.5}) for word in said.words]
    moved = manifest.rebased(said, corpus, tmp_path / "m.jsonl").changed(words=[each.model_dump() for each in late])
    manifest.write(tmp_path / "m.jsonl", [moved])
    result = run(tmp_path / "m.jsonl", "-o", tmp_path / "outputs")
    assert result.exit_code == 1
    assert "ms from the manifest's times on average: less than 200 ms are asked for" in result.stderr


def test_bad_input_is_one_sentence_and_nothing_written(corpus, tmp_path):
    out = tmp_path / "outputs"
    for wrong in (["--engine", "nobody"], ["--min-confidence", "2"]):
        result = run(corpus, "-o", out, *wrong)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert not out.exists()
    (tmp_path / "m.jsonl").write_text('{"id": "x"}\n', encoding="utf-8")
    result = run(tmp_path / "m.jsonl", "-o", out)
    assert result.exit_code == 2
    assert "line 1" in result.stderr
    assert not out.exists()
