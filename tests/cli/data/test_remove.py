from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.data.manifest import Utterance, read, write


def run(*words: object):
    return CliRunner().invoke(app, ["data", "remove", *map(str, words)])


@pytest.fixture
def corpus(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(name.encode() * 100)
    write(
        tmp_path / "manifest.jsonl",
        [Utterance(id=name, audio=f"{name}.wav", duration=1.0, source=f"source {name}") for name in "ab"],
    )
    return tmp_path


def test_look_then_take_out_then_bring_back_then_purge(corpus):
    looked = run(corpus, "--source", "source a")
    assert looked.exit_code == 0, looked.output
    assert "nothing was moved: run it again with --apply" in looked.output
    assert (corpus / "a.wav").exists()
    taken = run(corpus, "--source", "source a", "--apply", "--json")
    report = json.loads(taken.stdout)
    assert (report["applied"], report["counts"]["lines"], report["counts"]["files"]) == (True, 1, 1)
    assert not (corpus / "a.wav").exists()
    (folder,) = report["details"]["undo"]
    assert f"--undo {folder}" in taken.output
    assert run("--undo", folder).exit_code == 0
    assert [line.id for line in read(corpus / "manifest.jsonl")] == ["a", "b"]
    run(corpus, "--id", "a", "--apply")
    purged = run("--purge", folder)
    assert (purged.exit_code, "deleted 2 files" in purged.output) == (0, True)
    assert run("--undo", folder).exit_code == 2


def test_how_far_it_is_can_be_seen(corpus):
    said = run(corpus, "--source", "source a", "-v").output
    assert "read manifests: " in said
    assert "look for files: " in said


def test_finding_nothing_is_no_success(corpus):
    assert run(corpus, "--source", "nobody", "--apply").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ROOT"], "say what is to be removed"),
        (["--source", "x"], "name the folder"),
        (["ROOT/none", "--source", "x"], "there is no folder"),
        (["ROOT", "--source", "*", "--apply"], "would remove everything"),
        (["--undo", "ROOT"], "is no removal"),
        (["ROOT", "--id", "a", "--purge", "ROOT"], "say what is to be removed"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(corpus, words, said):
    done = run(*(word.replace("ROOT", str(corpus)) for word in words))
    assert (done.exit_code, said in done.output) == (2, True)
    assert sorted(path.name for path in corpus.iterdir()) == ["a.wav", "b.wav", "manifest.jsonl"]
