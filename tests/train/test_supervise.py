"""The supervisor on real processes; how a real training goes on is in ctc/test_supervised.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from melisma.core.errors import InputError
from melisma.train.supervise import GaveUp, Supervisor, SupervisorConfig, folder_of, with_pieces

PATIENCE_S = 120.0  # for what another process is to do
QUICK = SupervisorConfig(restarts=3, wait_s=0.01, longest_wait_s=0.02)

# A training of ten steps: each leaves a checkpoint; the argument of `--dies` says at which steps it ends, and how.
TRAINING = """
import os, signal, sys, time
from pathlib import Path
run, deaths = Path(sys.argv[1]), [d.split(":") for d in sys.argv[2].split(",") if d]
pieces = int(sys.argv[-1]) if "--micro-batches" in sys.argv else 1
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
kept = run / "checkpoints" / "last.ckpt"
at = int(kept.read_text()) if kept.exists() else 0
with (run / "lives").open("a") as lives:
    print(at, pieces, file=lives)
for step in range(at, 10):
    for where, how in deaths:
        mark = run / f"died-{where}"
        if int(where) == step and (how.startswith("always") or not mark.exists()):
            mark.touch()
            how = how.removeprefix("always-")
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if how == "memory" and pieces < 4:
                mark.unlink()
                sys.exit("torch.OutOfMemoryError: CUDA out of memory.")
            if how == "fault":
                sys.exit(f"error: the loss of step {step} is not a number")
            if how == "input":
                print("error: there is no manifest", file=sys.stderr)
                sys.exit(2)
            if how == "hang":
                time.sleep(600)
    partial = kept.with_suffix(".part")
    partial.write_text(str(step + 1))
    os.replace(partial, kept)
    time.sleep(0.01)
"""


@pytest.fixture
def training(tmp_path):
    """Give a command whose training dies as it is told."""
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    return lambda deaths="": [sys.executable, str(script), str(tmp_path / "run"), deaths]


def lives(tmp_path):
    return [tuple(map(int, line.split())) for line in (tmp_path / "run" / "lives").read_text().splitlines()]


def test_a_training_that_ends_well_is_run_once(training, tmp_path):
    assert Supervisor(training(), tmp_path / "run", QUICK).run() == 0
    assert lives(tmp_path) == [(0, 1)]


def test_a_killed_and_a_crashed_training_go_on_from_the_last_checkpoint(training, tmp_path):
    said: list[str] = []
    supervisor = Supervisor(training("3:kill,7:crash"), tmp_path / "run", QUICK, said.append)
    assert supervisor.run() == 0
    assert lives(tmp_path) == [(0, 1), (3, 1), (7, 1)]
    assert said[0].startswith("the training was killed: going on from the last checkpoint")
    assert "SIGSEGV" in said[1]
    kept = json.loads(supervisor.log.read_text())
    assert [one["cause"] for one in kept["attempts"]] == ["killed", "crash", "done"]
    assert all(one["progressed"] for one in kept["attempts"])


def test_want_of_memory_cuts_batches_into_more_pieces(training, tmp_path):
    said: list[str] = []
    supervisor = Supervisor(training("2:memory"), tmp_path / "run", QUICK, said.append)
    assert supervisor.run() == 0
    assert lives(tmp_path) == [(0, 1), (2, 2), (2, 4)]
    assert said[-1].endswith("batches in 4 pieces")


def test_pieces_that_the_command_asks_for_are_cut_smaller_and_not_larger(training, tmp_path):
    command = [*training("2:memory"), "--micro-batches", "3"]
    assert Supervisor(command, tmp_path / "run", QUICK).run() == 0
    assert lives(tmp_path) == [(0, 3), (2, 6)]


def test_a_training_that_knows_no_pieces_is_started_again_as_it_is(training, tmp_path):
    config = SupervisorConfig(restarts=2, wait_s=0.01)
    with pytest.raises(GaveUp, match=r"ran out of memory .*, 3 times without a new checkpoint"):
        Supervisor([*training("2:memory"), "train", "rows"], tmp_path / "run", config).run()
    assert lives(tmp_path) == [(0, 1), (2, 1), (2, 1)]  # the first of them had left a checkpoint


def test_memory_that_suffices_for_no_piece_is_said(training, tmp_path):
    config = SupervisorConfig(restarts=9, wait_s=0.01, most_pieces=2)
    with pytest.raises(GaveUp, match=r"ran out of memory .*with batches in 2 pieces too"):
        Supervisor(training("2:memory"), tmp_path / "run", config).run()


def test_the_same_fault_twice_at_the_same_place_ends_it(training, tmp_path):
    with pytest.raises(GaveUp, match="the loss of step 4 is not a number, twice at the same place"):
        Supervisor(training("4:always-fault"), tmp_path / "run", QUICK).run()
    assert lives(tmp_path) == [(0, 1), (4, 1)]


def test_deaths_without_a_new_checkpoint_are_limited(training, tmp_path):
    config = SupervisorConfig(restarts=2, wait_s=0.01)
    with pytest.raises(GaveUp, match="SIGSEGV, 3 times without a new checkpoint"):
        Supervisor(training("0:always-crash"), tmp_path / "run", config).run()
    assert len(lives(tmp_path)) == 3


def test_bad_input_is_not_tried_again(training, tmp_path):
    assert Supervisor(training("0:always-input"), tmp_path / "run", QUICK).run() == 2
    assert len(lives(tmp_path)) == 1


def test_a_supervisor_goes_on_with_what_an_earlier_one_learnt(training, tmp_path):
    Supervisor(training("2:memory"), tmp_path / "run", QUICK).run()
    again = Supervisor(training(), tmp_path / "run", QUICK)
    assert again.run() == 0
    assert lives(tmp_path)[-1] == (10, 4)


def test_a_damaged_log_is_one_sentence(training, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "supervisor.json").write_text('{"pieces": "many"')
    with pytest.raises(InputError, match="is no log of a supervisor"):
        Supervisor(training(), tmp_path / "run", QUICK)


def test_a_program_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no program 'no-such-program'"):
        Supervisor(["no-such-program"], tmp_path / "run", QUICK).run()


def supervised(command, run, **more):
    """Start a supervisor in a process of its own."""
    program = (
        "import sys; from pathlib import Path; from melisma.train.supervise import *; "
        "sys.exit(Supervisor(sys.argv[2:], Path(sys.argv[1]), SupervisorConfig(3, 0.01, 0.02)).run())"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(run), *command], **more)


def until(true):
    limit = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.02)


def test_sigterm_ends_the_training_and_it_is_not_started_again(training, tmp_path):
    process = supervised(training("5:always-hang"), tmp_path / "run")
    until((tmp_path / "run" / "died-5").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert len(lives(tmp_path)) == 1


def test_a_signal_that_comes_while_the_training_is_being_started_ends_it_too(training, tmp_path, monkeypatch):
    start = subprocess.Popen

    def interrupted(*args, **more):
        child = start(*args, **more)
        signal.raise_signal(signal.SIGTERM)  # before the supervisor knows its child
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    assert Supervisor(training("0:always-hang"), tmp_path / "run", QUICK).run() == 128 + signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_supervisor_that_is_killed_takes_the_training_along(training, tmp_path):
    script = training("5:always-hang")
    (tmp_path / "training.py").write_text(
        TRAINING.replace("run, deaths =", "Path(sys.argv[1] + '.pid').write_text(str(os.getpid()))\nrun, deaths =")
    )
    process = supervised(script, tmp_path / "run")
    until((tmp_path / "run" / "died-5").exists)
    child = int((tmp_path / "run.pid").read_text())
    process.kill()
    process.wait()
    until(lambda: not alive(child))
    again = supervised(training(), tmp_path / "run")
    assert again.wait(PATIENCE_S) == 0
    assert lives(tmp_path) == [(0, 1), (5, 1)]


def test_ctrl_c_in_a_terminal_reaches_the_training_once(tmp_path):
    # A training that counts: one signal is to end it with a checkpoint, a second one ends it at once.
    script = tmp_path / "counting.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "Path(sys.argv[1]).touch()\n"
        "while not got:\n"
        "    time.sleep(0.02)\n"
        "time.sleep(0.5)\n"
        "Path(sys.argv[1]).write_text(f'{len(got)} {os.getpgrp() == os.getpid()}')\n"
        "sys.exit(130)\n"
    )
    heard = tmp_path / "heard"
    process = supervised([sys.executable, str(script), str(heard)], tmp_path / "run", start_new_session=True)
    until(heard.exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does to all that runs in its foreground
    assert process.wait(PATIENCE_S) == 130
    assert heard.read_text() == "1 True"  # two at once may count as one: its own group says that there are none


@pytest.mark.skipif(sys.platform != "linux", reason="whether a process lives is read from /proc")
def test_what_a_dead_training_has_started_is_ended(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, signal, subprocess, sys\n"
        "from pathlib import Path\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "with Path(sys.argv[1]).open('a') as file:\n"
        "    print(child.pid, file=file)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    config, pids = SupervisorConfig(restarts=1, wait_s=0.01), tmp_path / "pids"
    with pytest.raises(GaveUp):
        Supervisor([sys.executable, str(script), str(pids)], tmp_path / "run", config).run()
    left = [int(pid) for pid in pids.read_text().split()]
    assert len(left) == 2
    until(lambda: not any(map(alive, left)))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second where it goes between opening and reading
        return False


def test_the_folder_is_read_from_the_command():
    assert folder_of(["melisma", "train", "ctc", "--output=runs/two"]).name == "two"
    with pytest.raises(InputError, match="names no folder"):
        folder_of(["melisma", "train", "ctc", "-o"])


def test_one_piece_leaves_the_command_alone():
    assert with_pieces(["a", "-o", "b"], 1) == ["a", "-o", "b"]
