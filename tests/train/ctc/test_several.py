"""Two processes learn what one learns: the same losses, step by step, on CPUs here as on GPUs elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys

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
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


PROGRAM = (sys.executable, "-m", "melisma.cli.main")
MORE = ("--workers", "0", "--device", "cpu", "--no-doctor")


def test_two_processes_give_the_losses_of_one(command, tmp_path):
    run(*PROGRAM, *command("one"), *MORE)
    run(*PROGRAM, *command("two"), *MORE, "--devices", "2")
    one, two = losses(tmp_path, "one"), losses(tmp_path, "two")
    assert list(one) == list(two) == [1, 2, 3, 4, 5, 6]
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


@pytest.mark.slow
def test_torchrun_starts_them_as_well(command, tmp_path):
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run(*torchrun, "-m", "melisma.cli.main", *command("two"), *MORE)
    run(*PROGRAM, *command("one"), *MORE)
    one, two = losses(tmp_path, "one"), losses(tmp_path, "two")
    assert [two[step][0] for step in two] == pytest.approx([one[step][0] for step in one], rel=1e-4)
