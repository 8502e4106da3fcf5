"""`MELISMA_ROOT` moves whatever corpus commands write unless they are told where."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import soundfile

from melisma.cli.main import app
from melisma.core.artifacts import VARIABLE
from melisma.synth.speech import utter

COMMANDS = {
    "inventory uploads --manifest all.jsonl -j 1": "manifests/dataset_inventory.csv",
    "validate all.jsonl -j 1": "manifests/validation_report.json",
    "dedupe all.jsonl --exact -j 1": "manifests/dedupe_report.json",
    "balance all.jsonl --no-noise --no-plots -j 1": "manifests/dataset_balance.json",
    "split all.jsonl --no-near-duplicates -j 1": "manifests/splits/split.json manifests/splits/train.jsonl",
    "preprocess all.jsonl -j 1": "data/processed/manifest.jsonl data/processed/preprocess_report.json",
    "segment all.jsonl -j 1": "data/segments/manifest.jsonl data/segments/segment_report.json",
    "align all.jsonl --min-coverage 0 -j 1": "outputs/manifest.jsonl outputs/alignment_report.json",
    "licenses all.jsonl": "DATA_LICENSES.md data_licenses_report.json",
}


@pytest.fixture
def corpus(here: Path) -> Path:
    """Three speakers who say a sentence each, in `uploads` of the current folder."""
    folder = here / "uploads"
    folder.mkdir()
    for n, voice in enumerate(("f1", "m1", "m2")):
        samples, _ = utter("the rain falls on the roof", "en", voice, 160, 50)
        soundfile.write(folder / f"{n}.wav", samples, 22050)
        (folder / f"{n}.txt").write_text("the rain falls on the roof", encoding="utf-8")
        said = {"language": "en", "speaker_id": f"s{n}", "license": "CC0-1.0", "source": "voices"}
        (folder / f"{n}.source.json").write_text(json.dumps(said), encoding="utf-8")
    return here


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_all_that_is_written_lies_under_the_root(corpus, runner, tmp_path, monkeypatch):
    root = tmp_path / "elsewhere"
    monkeypatch.setenv(VARIABLE, str(root))
    before = files(corpus)
    for command, written in COMMANDS.items():
        done = runner.invoke(app, ["data", *shlex.split(command)])
        assert done.exit_code == 0, (command, done.output)
        assert set(written.split()) <= files(root), command
    assert {name for name in files(corpus) - before if not Path(name).name.startswith(".")} == {"all.jsonl"}


def test_recordings_of_the_web_come_into_its_uploads(here, runner, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    done = runner.invoke(app, ["data", "fetch", "http://127.0.0.1:9/a.mp3", "--retries", "0", "--pause", "0"])
    assert done.exit_code == 1, done.output
    assert "uploads/fetch_report.json" in files(tmp_path / "elsewhere")
    assert not files(here)


def test_songs_of_dali_are_looked_for_under_the_root(here, runner, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    done = runner.invoke(app, ["dali", "list"])
    assert f"{tmp_path / 'elsewhere' / 'data' / 'dali'} holds no index.jsonl" in done.stderr


@pytest.mark.parametrize(("command", "place"), [("split", "manifests/splits"), ("align", "outputs")])
def test_help_names_the_place_below_the_root(runner, monkeypatch, command, place):
    monkeypatch.setenv(VARIABLE, "/elsewhere")
    assert f"({place})" in runner.invoke(app, ["data", command, "--help"]).stdout
