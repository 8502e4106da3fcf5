"""A real training under the supervisor: killed in the middle, it ends with the losses of one that nobody killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

import pytest

from melisma.train.supervise import Supervisor, SupervisorConfig


def losses(folder):
    lines = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: line["loss"] for line in lines if line["stage"] == "train"}


# The program, which halts after its fifth step, the first time, until somebody kills it.
HALTING = """
import sys, time
from pathlib import Path
from melisma.cli.main import run as main
from melisma.train.log_lines import Lines

halted, add = Path(sys.argv.pop(1)), Lines.add

def halting(self, said):
    add(self, said)
    if said["step"] == 5 and not halted.exists():
        with self.path.open("a") as log:
            log.write('{"step": 6, "lo')  # as a kill leaves it
        halted.touch()
        time.sleep(600)

Lines.add = halting
main()
"""


def kill_when(halted, supervisor):
    """Kill the training where it halts."""
    while not halted.exists():
        time.sleep(0.01)
    os.kill(supervisor._child.pid, signal.SIGKILL)


def test_a_killed_training_ends_with_the_losses_of_one_that_nobody_killed(
    train, quick, manifests, tmp_path, monkeypatch
):
    whole = losses(train("whole", steps=12, checkpoint_steps=3))
    monkeypatch.setenv("MELISMA_THREADS", "1")
    settings = quick.model_dump(mode="json") | {"steps": 12, "checkpoint_steps": 3}
    shape = settings.pop("phone_net")
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if value is not None]
    lines += ["[phone_net]", *(f"{key} = {json.dumps(value)}" for key, value in shape.items())]
    (tmp_path / "ctc.toml").write_text("\n".join(lines), encoding="utf-8")
    halted = tmp_path / "halted"
    command = [sys.executable, "-c", HALTING, str(halted)]
    command += ["train", "ctc", str(manifests[0]), "--valid", str(manifests[1]), "-o", str(tmp_path / "run")]
    command += ["--config", str(tmp_path / "ctc.toml"), "--device", "cpu", "--workers", "0", "--quiet"]
    said: list[str] = []
    supervisor = Supervisor(command, tmp_path / "run", SupervisorConfig(3, 0.01, 0.02), said.append)
    killer = threading.Thread(target=kill_when, args=(halted, supervisor), daemon=True)
    killer.start()
    assert supervisor.run() == 0
    assert said == ["the training was killed: going on from the last checkpoint"]
    assert losses(tmp_path / "run") == pytest.approx(whole, rel=1e-5)
