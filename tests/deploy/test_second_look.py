"""What failed once is run again by itself: a busy machine is forgiven and named, a fault is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "second_look.py"
ONCE = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("name", {names})
def test_falls_once(name):
    seen = Path(name)
    there = seen.exists()
    seen.touch()
    assert there

def test_stands():
    assert not Path("stood").exists()
    Path("stood").touch()
"""
ALWAYS = "def test_falls():\n    assert False\n"


def look(folder: Path, **files: str) -> tuple[int, str]:
    """Write tests, run them, and look again."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    run = [Path(sys.executable).with_name("pytest"), "-q"]
    assert subprocess.run(run, cwd=folder, capture_output=True).returncode in (1, 2)
    done = subprocess.run([sys.executable, SCRIPT], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_what_passes_by_itself_is_named_and_nothing_else_is_run_again(tmp_path):
    code, said = look(tmp_path, test_some=ONCE.format(names=["a/b", "c"]).replace("Path(name)", "Path(name[-1])"))
    assert code == 0
    assert [line for line in said.splitlines() if line.startswith("unstable")] == [
        f"unstable, to be mended: test_some.py::test_falls_once[{name}] failed, and passed when run again by itself"
        for name in ("a/b", "c")
    ]


@pytest.mark.parametrize("beside", [{}, {"test_some": ONCE.format(names=["a"])}])
def test_what_fails_again_is_a_fault(tmp_path, beside):
    code, said = look(tmp_path, test_fault=ALWAYS, **beside)
    assert code == 1
    assert "unstable" not in said


def test_many_that_fail_are_not_looked_at_again(tmp_path):
    code, said = look(tmp_path, test_some=ONCE.format(names=["a", "b", "c", "d"]))
    assert code == 1
    assert "4 tests failed, more than a busy machine explains (3): no second look" in said


def test_a_file_that_cannot_be_collected_fails_again(tmp_path):
    code, said = look(tmp_path, test_fault="import no_such_module_anywhere\n")
    assert code == 1
    assert "unstable" not in said


def test_a_run_that_broke_off_is_no_failed_test(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no test is on record" in done.stdout
