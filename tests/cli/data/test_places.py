"""What every corpus command refuses before it does anything: nothing to read, and nowhere to write."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.cli.main import app
from melisma.data import manifest
from melisma.data.manifest import Utterance

ROOT = Path(__file__).parents[3]
# M is the manifest; O is a folder for what is written.
COMMANDS = {
    "validate": ["validate", "M", "-o", "O/v.jsonl", "--report", "O/r.json", "-j", "1"],
    "dedupe": ["dedupe", "M", "-o", "O/d.jsonl", "--report", "O/r.json", "-j", "1"],
    "normalize": ["normalize", "M", "-o", "O/n.jsonl", "--report", "O/r.json", "-j", "1"],
    "preprocess": ["preprocess", "M", "-o", "O/p", "--report", "O/r.json", "-j", "1"],
    "segment": ["segment", "M", "-o", "O/s", "--report", "O/r.json", "-j", "1"],
    "align": ["align", "M", "-o", "O/a", "--report", "O/r.json", "-j", "1"],
    "split": ["split", "M", "-o", "O/t", "--report", "O/r.json", "-j", "1"],
    "balance": ["balance", "M", "-o", "O/r.json", "-j", "1"],
    "augment": ["augment", "M", "-r", "recipe.yaml", "-o", "O/a", "--report", "O/r.json", "-j", "1"],
    "licenses": ["licenses", "M", "-o", "O/L.md", "--report", "O/r.json"],
    "filter": ["filter", "M", "-o", "O/f.jsonl", "--report", "O/r.json"],
}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a b\nЂ"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.random.default_rng(1).uniform(-0.3, 0.3, 16000), 16000)
    manifest.write(folder / "m.jsonl", [Utterance(id="a", audio="a.wav", duration=1, transcript="dobar dan")])
    shutil.copy(ROOT / "configs" / "augment.yaml", "recipe.yaml")
    Path("file").write_bytes(b"x")
    return folder / "m.jsonl"


def files():
    return {each: each.is_file() and each.read_bytes() for each in Path().resolve().rglob("*")}


def refused(runner, asked, path):
    """Run a command that must fail in one sentence and leave everything as it is; return the sentence."""
    before = files()
    done = runner.invoke(app, ["data", *({"M": str(path)}.get(each, each.replace("O/", "out/")) for each in asked)])
    assert (done.exit_code, done.stderr.count("error: "), "Traceback" in done.stderr) == (2, 1, False), done.output
    assert files() == before
    return done.stderr


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("data", [b"", b"\n \n", b"\0" * 99, b"\x89PNG\r\n\x1a\n\xff\xfe"])
def test_what_is_no_manifest_is_refused(runner, corpus, name, data):
    Path("bad.jsonl").write_bytes(data)
    said = refused(runner, COMMANDS[name], "bad.jsonl")
    assert "bad.jsonl" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_manifest_that_is_not_there_is_refused(runner, corpus, name):
    refused(runner, COMMANDS[name], "gone.jsonl")


@pytest.mark.parametrize("name", COMMANDS)
def test_no_report_is_written_over_the_manifest(runner, corpus, name):
    asked = [str(corpus) if each == "O/r.json" else each for each in COMMANDS[name]]
    assert "is what is read" in refused(runner, asked, corpus)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_report_that_cannot_be_written_is_said_before_the_work(runner, corpus, name):
    for place in (".", "file/r.json"):
        asked = [place if each == "O/r.json" else each for each in COMMANDS[name]]
        assert "cannot write" in refused(runner, asked, corpus)


@pytest.mark.parametrize("name", ["validate", "dedupe", "normalize", "licenses", "filter"])
def test_no_two_outputs_are_one_file(runner, corpus, name):
    asked = COMMANDS[name]
    refused(runner, ["O/r.json" if each == asked[3] else each for each in asked], corpus)


def test_an_inventory_has_places_of_its_own(runner, corpus):
    folder = str(corpus.parent)
    refused(runner, ["inventory", folder, "-o", "."], corpus)
    refused(runner, ["inventory", folder, "-o", "O/i.csv", "--manifest", "O/i.csv"], corpus)
    refused(runner, ["inventory", folder, "-o", "O/i.csv", "--report", "file/r.json"], corpus)


def test_nothing_to_import_or_to_fetch_makes_no_folder(runner, corpus):
    Path("empty").mkdir()
    Path("empty.txt").write_text("# nothing yet\n")
    for kind in ("kaldi", "common-voice", "lj", "lhotse"):
        refused(runner, ["import", kind, "empty", "-o", "O/m.jsonl"], corpus)
    assert "there is no address in" in refused(runner, ["fetch", "empty.txt", "-o", "O/f"], corpus)
