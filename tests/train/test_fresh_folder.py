from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from melisma.core.errors import OutputError
from melisma.train.fresh_folder import fresh_folder

# Fills a folder halfway, says so, and goes on when it is told to.
FILLER = """
import sys
from pathlib import Path
from melisma.core.errors import OutputError
from melisma.train.fresh_folder import fresh_folder
try:
    with fresh_folder(Path(sys.argv[1])) as folder:
        (folder / "audio").mkdir()
        (folder / "audio" / "half.flac").write_bytes(b"half")
        print(folder.name, flush=True)
        sys.stdin.readline()
        (folder / "whole").write_text("child")
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def filler(tmp_path):
    """Start processes that fill a folder; each gives the name of its hidden folder, and waits."""
    started: list[subprocess.Popen[str]] = []

    def start(out: Path) -> tuple[subprocess.Popen[str], Path]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen([sys.executable, "-c", FILLER, str(out)], text=True, **pipes)
        started.append(child)
        return child, out.parent / child.stdout.readline().strip()

    yield start
    for child in started:
        child.kill()
        child.communicate()


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def fill(out: Path) -> None:
    with fresh_folder(out) as folder:
        (folder / "whole").write_text("parent")


class GivenUp(Exception):
    pass


def give_up(out: Path, still_there: tuple[Path, ...] = ()) -> None:
    """Fail in the middle of the work; see that what must be there then is."""
    with fresh_folder(out) as folder:
        (folder / "half").write_text("x")
        assert all(path.exists() for path in still_there)
        raise GivenUp


def test_a_folder_is_there_when_it_is_whole_and_anyone_may_read_it(tmp_path):
    out = tmp_path / "deep" / "out"
    with fresh_folder(out) as folder:
        assert folder.parent == out.parent
        assert folder.name.startswith(".")
        (folder / "whole").write_text("x")
        assert not out.exists()
    assert names(tmp_path / "deep") == ["out"]
    assert names(out) == ["whole"]
    assert out.stat().st_mode & 0o777 == 0o755


def test_nothing_is_left_of_work_that_fails(tmp_path):
    with pytest.raises(GivenUp):
        give_up(tmp_path / "out")
    assert names(tmp_path) == []


def test_marks_that_lie_in_the_folder_already_are_kept(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".begun.json").write_text("{}")
    fill(out)
    assert names(out) == [".begun.json", "whole"]


@pytest.mark.parametrize("kind", ["file", "full"])
def test_what_is_there_is_left_as_it_is(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "full":
        out.mkdir()
    (out if kind == "file" else out / "mine").write_text("mine")
    with pytest.raises(OutputError, match=r"out is in use already: remove it, or name another folder$"):
        fill(out)
    assert (out if kind == "file" else out / "mine").read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot make the folder .*/file/out: File exists$"):
        fill(tmp_path / "file" / "out")


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path, filler):
    child, left = filler(tmp_path / "out")
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert (left / "audio" / "half.flac").exists()
    fill(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["whole"]


def test_the_next_run_clears_what_was_left_even_if_it_fails_itself(tmp_path, filler):
    child, _ = filler(tmp_path / "out")
    child.kill()
    child.wait()
    with pytest.raises(GivenUp):
        give_up(tmp_path / "out")
    assert names(tmp_path) == []


def test_a_run_that_goes_on_is_left_alone(tmp_path, filler):
    child, theirs = filler(tmp_path / "out")
    with pytest.raises(GivenUp):
        give_up(tmp_path / "out", still_there=(theirs / "audio" / "half.flac",))
    assert child.communicate("go on\n")[1] == ""
    assert child.returncode == 0
    assert names(tmp_path / "out") == ["audio", "whole"]
    assert names(tmp_path) == ["out"]


def test_the_slower_of_two_runs_does_not_touch_what_the_faster_made(tmp_path, filler):
    child, _ = filler(tmp_path / "out")
    fill(tmp_path / "out")
    assert "is in use already" in child.communicate("go on\n")[1]
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "whole").read_text() == "parent"
    assert names(tmp_path / "out") == ["whole"]


def test_hidden_folders_of_other_steps_and_of_other_people_are_left_alone(tmp_path, filler):
    child, other = filler(tmp_path / "out.b")
    child.kill()
    child.wait()
    mine = [".out.making-of", ".out.settings"]
    for name in mine:
        (tmp_path / name).mkdir()
    fill(tmp_path / "out")
    assert names(tmp_path) == sorted([*mine, other.name, "out"])


def test_what_was_left_before_it_was_locked_is_cleared(tmp_path, filler):
    child, left = filler(tmp_path / "out")
    child.kill()
    child.wait()
    os.unlink(left / ".lock")
    fill(tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_a_lock_that_a_kill_left_in_a_finished_folder_is_taken_away(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_bytes(b"")
    fill(tmp_path / "out")
    assert names(tmp_path / "out") == ["whole"]
