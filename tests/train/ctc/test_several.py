"""Two processes learn what one learns: the same losses, step by step, on CPUs here as on GPUs elsewhere."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

CONFIG = """
model = "random:tiny"
units = "phones"
steps = 6
batch_s = 6.0
lr = 1e-3
warmup_steps = 2
dropout = 0.0
mask_time = 0.0
freeze_features = false
validate_steps = 6
checkpoint_steps = 3
log_steps = 1
"""


@pytest.fixture
def command(tmp_path, manifests):
    config = tmp_path / "ctc.toml"
    config.write_text(CONFIG)

    def arguments(name):
        train, valid = map(str, manifests)
        return ["train", "ctc", train, "--valid", valid, "-o", str(tmp_path / name), "--config", str(config)]

    return arguments


def losses(tmp_path, name):
    lines = map(json.loads, (tmp_path / name / "log.jsonl").read_text().splitlines())
    return {line["step"]: (line["loss"], line["grad_norm"]) for line in lines if line["stage"] == "train"}


def run(*command):
    environment = os.environ | {"MELISMA_THREADS": "1", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def together(*command):
    """Run a command as two machines do, which meet at a port of the first."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = f"127.0.0.1:{free.getsockname()[1]}"
    at = command.index("--nproc-per-node")
    where = ("--rdzv-backend", "c10d", "--rdzv-id", "test", "--rdzv-endpoint", meet, "--local-addr", "127.0.0.1")
    with ThreadPoolExecutor(2) as machines:
        for done in [machines.submit(run, *command[:at], *where, *command[at:]) for _ in range(2)]:
            done.result()


PROGRAM = (sys.executable, "-m", "melisma.cli.main")
MORE = ("--workers", "0", "--device", "cpu", "--no-doctor")


def test_two_processes_give_the_losses_of_one(command, tmp_path):
    run(*PROGRAM, *command("one"), *MORE)
    run(*PROGRAM, *command("two"), *MORE, "--devices", "2")
    one, two = losses(tmp_path, "one"), losses(tmp_path, "two")
    assert list(one) == list(two) == [1, 2, 3, 4, 5, 6]
    said = json.loads((tmp_path / "two" / "config.json").read_text())
    assert said["run_id"] == json.loads((tmp_path / "two" / "log.jsonl").read_text().splitlines()[0])["run_id"]
    for step, (loss, norm) in one.items():
        assert two[step][0] == pytest.approx(loss, rel=1e-4)
        assert two[step][1] == pytest.approx(norm, rel=1e-3)
    # What two have begun one may end, and pieces in one process are as good as processes.
    last = tmp_path / "two" / "checkpoints" / "last.ckpt"
    last.unlink()
    os.link(tmp_path / "two" / "checkpoints" / "step-3.ckpt", last)
    run(*PROGRAM, *command("two"), *MORE, "--micro-batches", "3")
    again = losses(tmp_path, "two")
    assert [again[step][0] for step in (4, 5, 6)] == pytest.approx([one[step][0] for step in (4, 5, 6)], rel=1e-4)


APART = """
import sys
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl

from melisma.train.ctc.config import CtcTrainingConfig
from melisma.train.ctc.history import Validate
from melisma.train.ctc.loop import Request, train


class Apart(pl.Callback):
    # The second process hears the network grow worse while the first hears it grow better.
    def on_train_start(self, trainer, pl_module):
        judge = next(each for each in trainer.callbacks if isinstance(each, Validate)).judge
        rank, found = trainer.global_rank, judge.judge

        def judged(module):
            step = trainer.global_step
            return replace(found(module), error_s=10.0 + step if rank else 10.0 - step)

        judge.judge = judged


if __name__ == "__main__":
    ours, theirs, folder, config = map(Path, sys.argv[1:])
    said = {"steps": 4, "validate_steps": 1, "patience": 1}
    request = Request(ours, theirs, folder, CtcTrainingConfig.read(config, said), workers=0, device="cpu", devices=2)
    train(request, tell=lambda *_: None, say=print, callbacks=lambda _: [Apart()])
"""


def test_processes_that_hear_apart_agree_on_what_is_best_and_when_to_end(command, manifests, tmp_path):
    command("apart")
    script = tmp_path / "apart.py"
    script.write_text(APART)
    run(sys.executable, str(script), *map(str, manifests), str(tmp_path / "apart"), str(tmp_path / "ctc.toml"))
    history = map(json.loads, (tmp_path / "apart" / "training_history.jsonl").read_text().splitlines())
    assert [(line["step"], line["best"]) for line in history] == [(step, True) for step in (1, 2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_torchrun_starts_them_as_well(command, tmp_path, nodes):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes)]
    if nodes == 1:
        run(*torchrun, "--standalone", "--nproc-per-node", "2", "-m", "melisma.cli.main", *command("two"), *MORE)
    else:
        together(*torchrun, "--nproc-per-node", "1", "-m", "melisma.cli.main", *command("two"), *MORE)
    run(*PROGRAM, *command("one"), *MORE)
    one, two = losses(tmp_path, "one"), losses(tmp_path, "two")
    assert [two[step][0] for step in two] == pytest.approx([one[step][0] for step in one], rel=1e-4)
