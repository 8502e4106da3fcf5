"""A folder of recordings becomes a manifest."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import folder, manifest, moves
from melisma.data.moves import Move, Plan


def sound(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(8000 * seconds)), 8000)


def test_recordings_are_found_with_their_texts_and_the_output_is_not(tmp_path: Path):
    sound(tmp_path / "b" / "two.wav", 2.5)
    sound(tmp_path / "one.flac")
    sound(tmp_path / "one.wav")
    sound(tmp_path / ".hidden" / "no.wav")
    sound(tmp_path / "out" / "audio" / "made.wav")
    (tmp_path / "b" / "two.txt").write_bytes("Šumi šuma, žubori rječica, a ja čekam noć.\n".encode("cp1250"))
    (tmp_path / "b" / "notes.md").write_text("no sound", encoding="utf-8")
    (tmp_path / "broken.mp3").write_bytes(b"x" * 300)
    found = list(manifest.read(folder.listed(tmp_path, tmp_path / "out")))
    assert [each.id for each in found] == ["b/two", "broken", "one.flac", "one.wav"]
    assert (found[0].duration, found[0].audio) == (2.5, "../b/two.wav")
    assert found[0].transcript == "Šumi šuma, žubori rječica, a ja čekam noć."


def test_copies_that_were_set_aside_are_passed_over(tmp_path: Path):
    sound(tmp_path / "one.wav")
    sound(tmp_path / "duplicates" / "one.wav")
    found = list(manifest.read(folder.listed(tmp_path, tmp_path / "out")))
    assert [each.id for each in found] == ["duplicates/one", "one"]  # a folder that is only called so
    plan = Plan("data dedupe", tmp_path, [Move(Path("one.wav"), Path("duplicates/two.wav"))])
    moves.apply(plan, tmp_path / "duplicates" / "moves-1.jsonl")
    sound(tmp_path / "three.wav")
    assert [each.id for each in manifest.read(folder.listed(tmp_path, tmp_path / "out"))] == ["three"]
    assert [each.name for each in folder.files(tmp_path, tmp_path / "out")] == ["three.wav"]


def test_the_folder_itself_is_no_output(tmp_path: Path):
    sound(tmp_path / "one.wav")
    with pytest.raises(InputError, match="is the folder of the recordings"):
        folder.listed(tmp_path, tmp_path)
    assert len(list(manifest.read(folder.listed(tmp_path / "../" / tmp_path.name, tmp_path / "out")))) == 1


def test_a_folder_without_recordings_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no recording"):
        folder.listed(tmp_path, tmp_path / "out")


def test_a_name_that_no_manifest_can_hold_is_said_before_anything_is_written(tmp_path: Path):
    sound(tmp_path / "in" / "one.wav")
    try:
        (tmp_path / "in" / "one.wav").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff.wav"))
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(InputError, match="not in UTF-8"):
        folder.listed(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_name_that_ends_like_another_file_is_no_second_of_its_id(tmp_path: Path):
    for name in ("a.mp3", "a.wav", "a.wav.mp3"):
        sound(tmp_path / "in" / "x.wav")
        (tmp_path / "in" / "x.wav").rename(tmp_path / "in" / name)
    found = list(manifest.read(folder.listed(tmp_path / "in", tmp_path / "out")))
    assert [each.id for each in found] == ["a.mp3", "a.wav", "a.wav.mp3"]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sound(tmp_path / "one.wav")
    sound(tmp_path / "locked" / "two.wav")
    listed = os.scandir

    def refused(path="."):
        if os.path.basename(os.fspath(path)) == "locked":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match="locked cannot be listed: Permission denied"):
        folder.listed(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_path_that_is_too_long_for_an_id_is_cut(tmp_path: Path):
    deep = tmp_path.joinpath("in", *["x" * 200] * 6)
    deep.mkdir(parents=True)
    for name in ("a", "b"):
        sound(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.wav").rename(deep / f"{name}.wav")
    found = list(manifest.read(folder.listed(tmp_path / "in", tmp_path / "out")))
    assert [(len(each.id), Path(each.audio).name) for each in found] == [(1000, "a.wav"), (1000, "b.wav")]
    assert found[0].id != found[1].id
