"""`melisma data augment` as a user calls it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance


@pytest.fixture
def corpus(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(3 * 16000) / 9), 16000)
    manifest.write(
        tmp_path / "m.jsonl", [Utterance(id=f"x{n}", audio="a.wav", start=n / 10, duration=1) for n in range(20)]
    )
    (tmp_path / "r.yaml").write_text("effects:\n  - {effect: pitch, cents: 100}\n", encoding="utf-8")
    return tmp_path


def run(folder, *more):
    given = [folder / "m.jsonl", "-r", folder / "r.yaml", "-o", folder / "out", "-j", "1", *more]
    return CliRunner().invoke(app, ["data", "augment", *map(str, given)])


def test_a_few_clips_are_written_before_and_after(corpus):
    result = run(corpus, "-n", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("pitch (cents 100)") == 3
    report = json.loads((corpus / "out" / "augment_report.json").read_text(encoding="utf-8"))
    assert len(report["details"]["clips"]) == report["counts"]["copies"] == 3
    for name in report["details"]["clips"]:
        before, _ = soundfile.read(corpus / "out" / "before" / f"{name}.wav")
        after, _ = soundfile.read(corpus / "out" / "audio" / f"{name}+1.wav")
        higher = np.abs(np.fft.rfft(after)).argmax() / np.abs(np.fft.rfft(before)).argmax()
        assert 1200 * np.log2(higher) == pytest.approx(100, abs=10)


def test_all_makes_a_manifest_of_copies(corpus):
    result = run(corpus, "--all", "--copies", "2", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["counts"]["copies"] == 40
    assert sum(1 for _ in manifest.read(corpus / "out" / "manifest.jsonl")) == 40
    assert not (corpus / "out" / "before").exists()


def test_a_clip_that_is_gone_exits_with_1(corpus):
    with (corpus / "m.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "y", "audio": "gone.wav", "duration": 1}\n')
    result = run(corpus, "--all")
    assert result.exit_code == 1
    assert "gone.wav" in result.stderr


@pytest.mark.parametrize(
    ("recipe", "more", "fault"),
    [
        ("effects: []", [], "at least 1 item"),
        ("a: &a [*a]", [], "anchors and aliases"),
        ("effects: [{effect: gain}]", ["--all", "--copies", "0"], "1 to 1000 copies"),
        ("effects: [{effect: noise}]", ["--noise", "nowhere"], "nowhere holds no sound"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_written(corpus, recipe, more, fault):
    (corpus / "r.yaml").write_text(recipe, encoding="utf-8")
    result = run(corpus, *more)
    assert result.exit_code == 2
    assert fault in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (corpus / "out").exists()
