"""The local executor keeps the contract, and ends as it should when somebody ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Task
from melisma.testing.executors import Script, check_executor, leave_in_hand

PATIENCE_S = 300.0  # for what another process is to do
SLOW = """
import sys, time
from pathlib import Path
from dataclasses import dataclass
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Task

@dataclass(frozen=True)
class Slow:
    name = "slow"
    def configuration(self): return ""
    def __call__(self, item):
        folder, number = item
        started = Path(folder, f"started {number}")
        try:
            with started.open("a") as file:
                file.write("x")
            time.sleep(0.01 if number < 5 or Path(folder, "go").exists() else 600)
            return number
        finally:
            Path(folder, f"left {number}").touch()

if __name__ == "__main__":
    folder, jobs = sys.argv[1], int(sys.argv[2])
    tasks = [Task(str(n), (folder, n)) for n in range(10)]
    try:
        found = [o.value for o in LocalExecutor(jobs).run(Slow(), tasks, journal=Path(folder, "journal"))]
        print(found)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_contract(tmp_path):
    check_executor(lambda: LocalExecutor(2), tmp_path)


@pytest.mark.parametrize("jobs", [3, None])
def test_any_number_of_processes_gives_the_same_outcomes(jobs):
    tasks = [Task(str(n), "die" if n == 30 else n) for n in range(60)]
    found = list(LocalExecutor(jobs).run(Script(), tasks))
    assert [(each.key, each.value) for each in found] == [(str(n), None if n == 30 else 2 * n) for n in range(60)]


def test_contract_in_this_process(tmp_path):
    check_executor(lambda: LocalExecutor(1), tmp_path, isolates=False)


class Slow:
    """The script above, run and watched."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.folder, self.jobs = folder, jobs
        self.started: list[subprocess.Popen[str]] = []
        (folder / "slow.py").write_text(SLOW, encoding="utf-8")

    def start(self) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            [sys.executable, str(self.folder / "slow.py"), str(self.folder), str(self.jobs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(run)
        return run

    def wait_for(self, name: str) -> None:
        self.wait_until((self.folder / name).exists)

    def wait_until(self, is_so: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < until, "what is waited for never came"
            run = self.started[-1]
            assert run.poll() is None or run.returncode < 0 or is_so(), f"it has ended: {run.communicate()}"
            time.sleep(0.02)

    def finish(self) -> str:
        """Let all be quick now, and run to the end."""
        (self.folder / "go").touch()
        run = self.start()
        out, err = run.communicate(timeout=PATIENCE_S)
        assert (run.returncode, err) == (0, "")
        return out.strip()

    def times_started(self, number: int) -> int:
        try:
            return len((self.folder / f"started {number}").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0


@pytest.fixture
def slow_in(tmp_path):
    made: list[Slow] = []

    def make(jobs: int) -> Slow:
        made.append(Slow(tmp_path, jobs))
        return made[-1]

    yield make
    for run in (run for slow in made for run in slow.started):
        run.kill()
        run.communicate(timeout=PATIENCE_S)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_done_is_kept_when_it_is_ended(tmp_path, slow_in, jobs, sent, code):
    slow = slow_in(jobs)
    run = slow.start()
    slow.wait_for("started 5")
    os.killpg(run.pid, sent) if sent == signal.SIGINT else run.send_signal(sent)
    out, err = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, out, err) == (code, "", "")
    assert (tmp_path / "left 5").exists(), "a task that is ended clears up behind itself"
    assert slow.finish() == str(list(range(10)))
    assert slow.times_started(5) == 2
    assert sum(slow.times_started(number) for number in range(10)) <= 10 + jobs


LOADING = """
if __name__ == "__mp_main__":  # in a process that has begun to load what it needs
    import os
    part = Path(sys.argv[1], f"part {os.getpid()}")
    part.write_text(str(os.getpid()))
    part.rename(Path(sys.argv[1], "loading"))
    while not Path(sys.argv[1], "go on").exists():
        time.sleep(0.01)
"""


def test_a_process_that_is_still_loading_does_not_hear_ctrl_c(tmp_path, slow_in):
    slow = slow_in(2)
    with (tmp_path / "slow.py").open("a", encoding="utf-8") as script:
        script.write(LOADING)
    (tmp_path / "go").touch()
    run = slow.start()
    slow.wait_for("loading")
    os.kill(int((tmp_path / "loading").read_text(encoding="utf-8")), signal.SIGINT)
    (tmp_path / "go on").touch()
    out, err = run.communicate(timeout=PATIENCE_S)
    assert (run.returncode, out.strip(), err) == (0, str(list(range(10))), "")


def test_what_is_done_is_kept_when_it_is_killed_and_no_process_stays(slow_in):
    slow = slow_in(2)
    run = slow.start()
    slow.wait_for("started 5")
    run.kill()
    run.communicate(timeout=PATIENCE_S)
    slow.wait_for("left 5")  # its process notices that nobody waits for it any more
    assert slow.finish() == str(list(range(10)))
    assert slow.times_started(5) == 2
    assert sum(slow.times_started(number) for number in range(10)) <= 10 + 2


@pytest.mark.parametrize(("n_killed", "given_up"), [(2, False), (3, True)])
def test_a_task_that_ends_three_runs_is_not_begun_in_a_fourth(tmp_path, slow_in, n_killed, given_up):
    slow = slow_in(1)
    for _ in range(n_killed):
        before = slow.times_started(5)
        run = slow.start()
        slow.wait_until(lambda before=before: slow.times_started(5) > before)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate(timeout=PATIENCE_S)
        for each in tmp_path.glob("*outlived*"):  # a machine that goes down leaves nobody to say so
            each.unlink()
    result = str([*range(5), None if given_up else 5, *range(6, 10)])
    assert slow.finish() == result
    assert slow.times_started(5) == 3
    assert slow.finish() == result, "nor in one after that"


def test_a_run_that_alone_was_killed_blames_no_task(tmp_path, slow_in):
    slow = slow_in(2)
    for times in range(1, 3):
        run = slow.start()
        slow.wait_until(lambda times=times: slow.times_started(5) == times)
        run.kill()
        run.communicate(timeout=PATIENCE_S)
        slow.wait_until(lambda: any(tmp_path.glob("journal.outlived-*")))
    assert slow.finish() == str(list(range(10)))
    assert not list(tmp_path.glob("journal.outlived-*"))


def test_a_crash_in_this_process_is_kept_from_it_the_second_time(tmp_path):
    tasks = [Task("good", 1), Task("bad", "die"), Task("other", 2)]
    leave_in_hand(tmp_path / "j", Script(), tasks[:2])
    good, bad, other = LocalExecutor(1).run(Script(), tasks, journal=tmp_path / "j")
    assert (good.value, other.value) == (2, 4)
    assert bad.error == (
        "bad: the process that worked on it ended (SIGKILL, as where memory runs out), as a run did before it"
    )


def test_what_it_was_at_ends_with_the_iterator(tmp_path):
    outcomes = LocalExecutor(2).run(Script(), [Task(str(n), n) for n in range(1000)])
    assert next(outcomes).value == 0
    outcomes.close()
    assert list(outcomes) == []


def test_a_script_without_a_guard_is_one_sentence(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text(
        textwrap.dedent("""
        from melisma.core.errors import MelismaError
        from melisma.scale.local import LocalExecutor
        from melisma.scale.protocol import Task
        from melisma.testing.executors import Script
        try:
            print(list(LocalExecutor(2).run(Script(), [Task("a", 1)])))
        except MelismaError as error:
            print(error)
        """),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert done.stdout.strip().splitlines()[-1].startswith("processes for script end before they begin (exit code 1)")


def test_an_item_that_cannot_be_sent_ends_the_run():
    with pytest.raises(Exception, match=r"pickle|local object"):
        list(LocalExecutor(2).run(Script(), [Task("a", lambda: None)]))


def test_the_cause_of_a_fault_tells_where_it_was():
    with pytest.raises(ValueError, match="a fault of the program") as caught:
        list(LocalExecutor(2).run(Script(), [Task("a", "fault")]))
    assert 'executors.py", line' in str(caught.value.__cause__)


def test_a_segmentation_fault_is_told_by_its_name():
    [outcome] = LocalExecutor(2).run(Script(), [Task("song.mp3", ("die", signal.SIGSEGV))])
    assert outcome.error == (
        "song.mp3: the process that worked on it ended (SIGSEGV), and did so again when it ran alone"
    )


def test_of_a_stage_that_cannot_be_loaded_the_reason_is_told():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        list(LocalExecutor(2).run(Own(), [Task("a", 1)]))


class Own(Script):
    __slots__ = ()

    def __reduce__(self):
        return import_module, ("no_such_module",)
