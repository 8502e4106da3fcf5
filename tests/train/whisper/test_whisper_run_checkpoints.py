"""Checkpoints of Whisper trainings: whole or not there, whatever moment a kill picks."""

from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError, OutputError
from melisma.train.whisper import checkpoints


def write(run, step, **files):
    folder = checkpoints.begin(run, step)
    for name, text in ({"model": "m", "optimizer": "o"} | files).items():
        (folder / name).write_text(text)
    return checkpoints.finish(run, step, {"step": step})


def test_the_last_whole_one_is_found(tmp_path):
    write(tmp_path, 2)
    found = write(tmp_path, 10)
    (checkpoints.begin(tmp_path, 12) / "model").write_text("half")
    assert checkpoints.last(tmp_path) == (10, found)
    assert [step for step, _ in checkpoints.found(tmp_path)] == [2, 10]


def test_without_any_there_is_none(tmp_path):
    assert checkpoints.last(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "model").unlink(),
        lambda path: (path / "model").write_text(""),
        lambda path: (path / "model").write_text("n"),
        lambda path: (path / "progress.json").unlink(),
        lambda path: (path / "files.json").unlink(),
        lambda path: (path / "files.json").write_text("{"),
        lambda path: (path / "files.json").write_text('{"files": {"../../else": {"bytes": 1, "sha256": ""}}}'),
        lambda path: (path / "files.json").write_text('{"files": {"model": null}}'),
        lambda path: (path / "files.json").write_text('{"files": {}}'),
        lambda path: (path / "files.json").write_text("[]"),
    ],
)
def test_a_damaged_one_is_passed_over_for_the_one_before(tmp_path, damage):
    whole = write(tmp_path, 2)
    damage(write(tmp_path, 4))
    said: list[str] = []
    assert checkpoints.last(tmp_path, said.append) == (2, whole)
    assert said[0].startswith("checkpoint-4 is damaged")


def test_damaged_ones_alone_are_refused_and_stay(tmp_path):
    (write(tmp_path, 2) / "model").write_text("n")
    with pytest.raises(InputError, match=r"no checkpoint of .* is whole; of the last one, .* is not what was written"):
        checkpoints.last(tmp_path)
    assert checkpoints.path_of(tmp_path, 2).is_dir()


def test_a_step_that_is_taken_again_takes_the_place_of_the_damaged_one(tmp_path):
    (write(tmp_path, 2) / "model").write_text("n")
    write(tmp_path, 2, model="new")
    assert checkpoints.fault(checkpoints.path_of(tmp_path, 2)) == ""
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-2"]


def test_older_ones_go_but_not_the_best(tmp_path):
    for step in (1, 2, 3, 4, 5):
        write(tmp_path, step)
    checkpoints.begin(tmp_path, 6)
    (tmp_path / "checkpoints" / "mine").mkdir()
    checkpoints.prune(tmp_path, 2, best=2)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"checkpoint-2", "checkpoint-4", "checkpoint-5", "mine"}


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    checkpoints.begin(tmp_path, 1)
    checkpoints.partial_of(tmp_path, 1).rmdir()
    with pytest.raises(OutputError, match="cannot write"):
        checkpoints.finish(tmp_path, 1, {})


def test_what_is_no_json_object_is_refused(tmp_path):
    path = tmp_path / "progress.json"
    for text in ("", "[1]", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(InputError, match="is damaged"):
            checkpoints.read(path)
    path.write_text(json.dumps({"a": 1}))
    assert checkpoints.read(path) == {"a": 1}
