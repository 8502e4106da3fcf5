"""Whisper trainings as programs: killed by the system at any moment, and shared by two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("peft")

CONFIG = """
model = "random:custom"
steps = 8
batch_size = 2
accumulate = 1
lr = 3e-3
warmup_steps = 2
validate_steps = 4
validation_clips = 4
max_new_tokens = 6
checkpoint_steps = 1
timestamps = 0.5
log_steps = 1
{more}
[shape]
width = 16
heads = 2
encoder_layers = 1
decoder_layers = 1
"""
PROGRAM = ("-m", "melisma.cli.main")

# The program, which halts while the third checkpoint is being written, until somebody kills it.
HALTING = """
import sys, time
from pathlib import Path
from melisma.cli.main import run as main
from melisma.train.whisper import checkpoints

halted, finish = Path(sys.argv.pop(1)), checkpoints.finish

def halting(run, step, progress):
    if step == 3:
        halted.touch()
        time.sleep(600)
    return finish(run, step, progress)

checkpoints.finish = halting
main()
"""


@pytest.fixture
def command(tones, tmp_path):
    def make(name, more=""):
        config = tmp_path / f"{name}.toml"
        config.write_text(CONFIG.format(more=more), encoding="utf-8")
        train, valid = map(str, tones)
        folder = str(tmp_path / "root" / "models" / "whisper" / name)
        said = ["train", "whisper", train, "--valid", valid, "-o", folder, "--config", str(config)]
        return [*PROGRAM, *said, "--workers", "0", "--device", "cpu"]

    return make


@pytest.fixture
def environment(tmp_path):
    more = {"MELISMA_THREADS": "1", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return os.environ | more | {"MELISMA_ROOT": str(tmp_path / "root")}


def run(command, environment):
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def losses(environment, name):
    log = f"{environment['MELISMA_ROOT']}/logs/training/{name}.log"
    with open(log, encoding="utf-8") as file:
        said = [json.loads(line) for line in file]
    trained = [line for line in said if line["stage"] == "train"]
    assert len({line["step"] for line in trained}) == len(trained)  # none stands there twice
    return {line["step"]: (line["loss"], line["grad_norm"], line["lr"]) for line in trained}


def test_a_training_that_was_killed_learns_the_same(command, environment, tmp_path):
    more = "dropout = 0.1\nmask_time = 0.2"
    run(command("whole", more), environment)
    halted = tmp_path / "halted"
    halting = [sys.executable, "-c", HALTING, str(halted), *command("killed", more)[len(PROGRAM) :]]
    program = subprocess.Popen(halting, env=environment, stderr=subprocess.DEVNULL)
    while program.poll() is None and not halted.exists():
        time.sleep(0.01)
    program.kill()
    assert program.wait() == -signal.SIGKILL  # else it was over before
    assert "going on after step 2 of 8" in run(command("killed", more), environment).stderr
    assert losses(environment, "killed") == losses(environment, "whole")
    folder = tmp_path / "root" / "models" / "whisper" / "killed"
    whole = folder.with_name("whole")
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_two_processes_give_the_losses_of_one(command, environment, tmp_path):
    run(command("one"), environment)
    # --multi_gpu has accelerate start the processes; each of them trains on a CPU, in the precision of the training.
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    more = ["--mixed_precision", "bf16", "--dynamo_backend", "no", "--main_process_port", "0"]
    run([*launcher, *more, *command("two")], environment)
    one, two = losses(environment, "one"), losses(environment, "two")
    assert list(one) == list(two) == list(range(1, 9))
    for step, said in one.items():
        assert two[step] == pytest.approx(said, rel=1e-4)
    folder = tmp_path / "root" / "models" / "whisper"
    files = [(folder / name / "training_history.jsonl").read_text(encoding="utf-8") for name in ("one", "two")]
    histories = [[json.loads(line) for line in text.splitlines()] for text in files]
    for here, there in zip(*histories, strict=True):
        assert (here["wer"], here["n_clips"], here["best"]) == (there["wer"], there["n_clips"], there["best"])
        assert here["loss"] == pytest.approx(there["loss"], rel=1e-4)
