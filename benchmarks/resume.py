"""Kill a training at random steps with SIGKILL, let it go on, and compare its losses with those of a whole one.

    python benchmarks/resume.py --kills 10

Half of the trainings are of a small wav2vec2 network in characters, with dropout and SpecAugment, half of a phone
network; augmentation on the fly, workers, gradients added up over two batches and label priors are on in all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16000
WORDS = ("see", "me", "mama", "no", "tea", "boat", "soon", "deep", "sea", "name", "book", "toe", "mean", "soup")
RECIPE = """effects:
  - effect: gain
    probability: 0.5
    db: [-6, 6]
  - effect: noise
    probability: 0.5
    snr_db: [10, 30]
"""
CONFIG = """warmup_steps = 5
batch_s = 8.0
accumulate = 2
label_priors = 0.3
log_steps = 1
validate_steps = 10
checkpoint_steps = 7
keep = 1
phone_net = { channels = 24, dilations = [1, 2] }
"""


def write_manifest(path: Path, n: int, seed: int) -> None:
    """Write clips of noise bursts; what is said in them is of no importance here."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        words = [str(word) for word in rng.choice(WORDS, int(rng.integers(1, 5)))]
        duration = 0.5 * len(words) + 0.4
        samples = (
            rng.normal(0, 0.1, int(duration * RATE))
            * np.repeat(rng.random(int(duration * 10) + 1), 1600)[: int(duration * RATE)]
        )
        soundfile.write(path.parent / f"{seed}-{i}.wav", samples.astype(np.float32), RATE)
        times = [{"text": w, "start": 0.2 + 0.5 * k, "end": 0.6 + 0.5 * k} for k, w in enumerate(words)]
        row: dict[str, Any] = {"id": f"{seed}/{i}", "audio": f"{seed}-{i}.wav", "duration": len(samples) / RATE}
        row |= {"transcript": " ".join(words), "language": "en", "speaker_id": f"{seed}-{i}", "words": times}
        lines.append(json.dumps(row) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def command(folder: Path, run: Path, model: str, steps: int) -> list[str]:
    """Return the call of a training."""
    units = "phones" if model == "phone-net" else "characters"
    return [
        *(sys.executable, "-m", "melisma.cli.main", "train", "ctc", str(folder / "train.jsonl")),
        *("--valid", str(folder / "valid.jsonl"), "-o", str(run), "--config", str(folder / "config.toml")),
        *("--augment", str(folder / "recipe.yaml"), "--model", model, "--units", units, "--steps", str(steps)),
        *("--device", "cpu", "--workers", "1", "--jobs", "1", "-q"),
    ]


def log_of(run: Path) -> dict[int, dict[str, Any]]:
    """Return the lines of a log by their step; a line that broke off is left out."""
    found = {}
    path = run / "log.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        found[int(said["step"])] = said
    return found


def kill_at(call: list[str], run: Path, step: int, environment: dict[str, str]) -> int:
    """Start a training and kill all its processes once it has logged a step; return the last that it logged."""
    process = subprocess.Popen(call, env=environment, start_new_session=True)
    while process.poll() is None and max(log_of(run), default=0) < step:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return max(log_of(run), default=0)


def compare(whole: Path, resumed: Path) -> tuple[float, bool]:
    """Return the largest relative difference of a loss, and whether validations say the same."""
    ours, theirs = log_of(whole), log_of(resumed)
    if ours.keys() != theirs.keys():
        return float("inf"), False
    apart = max(abs(ours[k]["loss"] - theirs[k]["loss"]) / abs(ours[k]["loss"]) for k in ours)
    history = [
        [(line["step"], line["error_s"], line["best"]) for line in map(json.loads, path.read_text().splitlines())]
        for path in (whole / "training_history.jsonl", resumed / "training_history.jsonl")
    ]
    return apart, history[0] == history[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    environment = {**os.environ, "MELISMA_THREADS": "1"}
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_manifest(folder / "train.jsonl", 40, 1)
        write_manifest(folder / "valid.jsonl", 6, 2)
        (folder / "config.toml").write_text(CONFIG)
        (folder / "recipe.yaml").write_text(RECIPE)
        models = ("random:tiny", "phone-net")
        for model in models:
            run = folder / f"whole-{model.replace(':', '-')}"
            subprocess.run(command(folder, run, model, asked.steps), check=True, env=environment)
        print("| network | killed after step | from checkpoint | largest difference of a loss | validations |")
        print("|---|---|---|---|---|")
        for k in range(asked.kills):
            model = models[k % len(models)]
            run, whole = folder / f"killed-{k}", folder / f"whole-{model.replace(':', '-')}"
            call = command(folder, run, model, asked.steps)
            died = kill_at(call, run, draw.randint(1, asked.steps - 1), environment)
            kept = sorted(int(path.stem.partition("-")[2]) for path in (run / "checkpoints").glob("step-*.ckpt"))
            subprocess.run(call, check=True, env=environment)
            apart, same = compare(whole, run)
            print(
                f"| {model} | {died} | {kept[-1] if kept else 'none'} | {apart:.1e} | {'equal' if same else 'DIFFER'} |"
            )


if __name__ == "__main__":
    main()
