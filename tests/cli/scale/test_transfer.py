from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from melisma.cli.main import app


@pytest.fixture
def melisma():
    """Return a function that runs a command."""
    return lambda *said: CliRunner().invoke(app, [str(each) for each in said])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of three files below the root that a rehearsed volume mirrors."""
    monkeypatch.setenv("MELISMA_MODAL_REHEARSAL", str(tmp_path / "modal"))
    monkeypatch.setenv("MELISMA_MODAL_ROOT", str(tmp_path / "work"))
    made = tmp_path / "work" / "data" / "segments"
    made.mkdir(parents=True)
    for name in "abc":
        (made / f"{name}.txt").write_text(name, encoding="utf-8")
    return made


def test_a_folder_goes_up_and_comes_back(melisma, folder: Path, tmp_path: Path):
    done = melisma("scale", "upload", folder)
    assert (done.exit_code, done.stderr) == (0, "3 files, 0.0 MB; 0 were there already\n")
    assert (tmp_path / "modal" / "volume" / "segmented_audio" / "a.txt").read_text(encoding="utf-8") == "a"
    (folder / "a.txt").unlink()
    (folder / "d.txt").write_text("d", encoding="utf-8")
    said = json.loads(melisma("scale", "status", folder, "--json").stdout)
    assert (said["same"], said["only_here"], said["only_there"]) == (
        2,
        ["segmented_audio/d.txt"],
        ["segmented_audio/a.txt"],
    )
    assert "1 only there: segmented_audio/a.txt" in melisma("scale", "status", folder).stdout
    back = json.loads(melisma("scale", "download", folder, "--json").stdout)
    assert (back["files"], back["there_already"], back["problems"]) == (1, 2, [])
    assert (folder / "a.txt").read_text(encoding="utf-8") == "a"


def test_a_place_on_the_volume_can_be_given(melisma, folder: Path, tmp_path: Path):
    assert melisma("scale", "upload", folder, "--at", "/raw_audio/", "-q").exit_code == 0
    assert (tmp_path / "modal" / "volume" / "raw_audio" / "b.txt").exists()
    done = melisma("scale", "upload", folder, "--at", "../x")
    assert (done.exit_code, done.stderr) == (2, "error: --at takes a path on the volume, and not '../x'\n")


def test_a_place_may_be_said_as_containers_see_it(melisma, folder: Path, tmp_path: Path):
    assert melisma("scale", "upload", folder, "--at", "/mnt/audio_data/raw_audio", "-q").exit_code == 0
    assert (tmp_path / "modal" / "volume" / "raw_audio" / "b.txt").exists()


def test_one_file_goes_up_and_comes_back_under_its_name(melisma, folder: Path):
    assert melisma("scale", "upload", folder / "a.txt").stderr == "1 file, 0.0 MB; 0 were there already\n"
    (folder / "a.txt").unlink()
    for _ in range(2):
        assert melisma("scale", "download", folder / "a.txt").exit_code == 0
        assert (folder / "a.txt").read_text(encoding="utf-8") == "a"


def test_what_is_on_neither_side_is_no_folder_that_is_the_same(melisma, folder: Path):
    done = melisma("scale", "status", folder / "nothing")
    assert done.exit_code == 2
    assert "and the volume has no file in segmented_audio/nothing" in done.stderr
    assert melisma("scale", "status", folder).exit_code == 0


def test_what_the_volume_does_not_mirror_is_refused(melisma, folder: Path, tmp_path: Path):
    done = melisma("scale", "upload", tmp_path)
    assert done.exit_code == 2
    assert "which the volume mirrors: say --at where it is to be there" in done.stderr
    assert melisma("scale", "download", folder).exit_code == 2  # nothing is there yet
    assert melisma("scale", "upload", folder / "nothing").exit_code == 2


def test_a_file_that_did_not_come_whole_ends_with_1(melisma, folder: Path, tmp_path: Path):
    melisma("scale", "upload", folder)
    (tmp_path / "modal" / "volume" / "segmented_audio" / "a.txt").write_text("x", encoding="utf-8")
    (folder / "a.txt").unlink()
    done = melisma("scale", "download", folder)
    assert done.exit_code == 1
    assert "warning: segmented_audio/a.txt did not come whole" in done.stderr


def test_what_runs_on_modal_is_told_without_an_account(melisma, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("modal")
    monkeypatch.setenv("MELISMA_MODAL_VOLUME", "my-corpus")
    done = melisma("scale", "modal-app")
    assert done.stdout.startswith("app melisma, volume my-corpus at /mnt/audio_data, which mirrors ")
    assert "modal deploy -m melisma.scale.modal.app" in done.stdout
    said = json.loads(melisma("scale", "modal-app", "--json").stdout)
    assert any(package.startswith("numpy==") for package in said["packages"])
    assert said["folders"]["data/segments"] == "segmented_audio"
