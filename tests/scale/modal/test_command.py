from __future__ import annotations

import sys
import threading
from pathlib import Path

from melisma.scale.modal.command import run_command
from melisma.scale.modal.folder_volume import FolderVolume, View

WRITES = "import sys, pathlib; pathlib.Path('out').mkdir(exist_ok=True); pathlib.Path('out/a').write_text(sys.argv[1])"
STOPS = """
import signal, sys, time, pathlib
def leave(*_):
    pathlib.Path("kept").write_text("checkpoint")
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
pathlib.Path("began").write_text("x")
print("training", flush=True)
for _ in range(6000):
    time.sleep(0.02)
"""


def view(folder: Path, name: str = "one") -> View:
    volume = FolderVolume(folder)
    return View(volume, volume.containers / name)


def test_a_command_works_on_the_volume_and_is_committed(tmp_path: Path):
    seen = view(tmp_path)
    report = run_command(["text"], seen, seen.folder, stop_s=600, program=(sys.executable, "-c", WRITES))
    assert (report.exit_code, report.stopped) == (0, False)
    assert (tmp_path / "volume" / "out" / "a").read_text(encoding="utf-8") == "text"


def test_a_command_sees_what_others_have_committed(tmp_path: Path):
    seen = view(tmp_path)
    FolderVolume(tmp_path).upload([(b"x", "in.txt")])
    code = "print(open('in.txt').read())"
    report = run_command([], seen, seen.folder, stop_s=600, program=(sys.executable, "-c", code))
    assert report.output == "x\n"


def test_a_command_is_asked_to_stop_in_time_and_what_it_keeps_then_is_committed(tmp_path: Path):
    seen = view(tmp_path)
    found = []
    # It may be stopped before it has begun to listen: then it ends by the signal, which is as good.
    run = threading.Thread(
        target=lambda: found.append(
            run_command([], seen, seen.folder, stop_s=5, commit_s=0.2, program=(sys.executable, "-c", STOPS))
        ),
        daemon=True,
    )
    run.start()
    run.join(300)
    assert found[0].stopped
    if (tmp_path / "volume" / "began").exists():
        assert found[0].exit_code in (143, -15)
        assert found[0].exit_code == -15 or (tmp_path / "volume" / "kept").read_text(encoding="utf-8") == "checkpoint"


def test_a_command_that_fails_says_so(tmp_path: Path):
    seen = view(tmp_path)
    report = run_command(["cache", "nothing"], seen, seen.folder, stop_s=600)
    assert report.exit_code == 2
    assert "nothing" in report.output
