"""What `melisma train plan` predicts against steps that are taken: Whispers of several shapes, real trainings on noise.

Each training's log is read as `--measured` reads it. What one shape reaches, in operations a second, predicts the
others; the table says how far off that is. Prints a table.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from melisma.train.plan.compute import step_operations
from melisma.train.plan.measured import measure
from melisma.train.plan.shapes import shape_of, weights
from melisma.train.whisper.processor import NewVocabulary, new_processor, save_processor

SHAPES = ((64, 2, 2), (128, 3, 3), (256, 4, 4), (384, 4, 4), (512, 6, 6))  # width, layers of encoder and decoder
TOKENS = 100  # of a window, about
RATE, CLIP_S, N_CLIPS = 16_000, 9.6, 36  # three clips fill a window
TEXT = "dobar dan svijete čekam te na kolodvoru gdje je moja žuta kuća šuma šumi "


def manifests(folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(N_CLIPS + 3):
        soundfile.write(folder / f"{i}.wav", rng.normal(0, 0.05, round(CLIP_S * RATE)).astype(np.float32), RATE)
        rows.append({"id": str(i), "audio": f"{i}.wav", "duration": CLIP_S, "transcript": TEXT * 2, "language": "hr"})
        rows[-1] |= {"speaker_id": "a" if i < N_CLIPS else "b", "license": "CC0-1.0", "source": "noise"}
    for name, chosen in (("train", rows[:N_CLIPS]), ("valid", rows[N_CLIPS:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")
    save_processor(new_processor([TEXT], NewVocabulary(400)), folder / "processor")


def train(folder: Path, shape: tuple[int, int, int], steps: int) -> Path:
    width, encoder, decoder = shape
    run = folder / f"w{width}"
    config = folder / f"w{width}.toml"
    config.write_text(
        f'model = "random:custom"\nprocessor = "{folder}/processor"\nsteps = {steps}\nbatch_size = 2\naccumulate = 1\n'
        f"validate_steps = {steps}\ncheckpoint_steps = {steps}\nvalidation_clips = 1\n"
        "max_new_tokens = 2\nlog_steps = 1\n"
        f"timestamps = 0.0\n[shape]\nwidth = {width}\nheads = {max(2, width // 64)}\n"
        f"encoder_layers = {encoder}\ndecoder_layers = {decoder}\n",
        encoding="utf-8",
    )
    command = ["train", "whisper", folder / "train.jsonl", "--valid", folder / "valid.jsonl", "-o", run]
    command += ["--config", config, "--workers", 0, "--quiet"]
    subprocess.run([sys.executable, "-m", "melisma.cli.main", *map(str, command)], check=True, env=dict(os.environ))
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="how many of them, the smallest first")
    asked = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests(folder)
        for sizes in SHAPES[: asked.shapes]:
            run = train(folder, sizes, asked.steps)
            shape = shape_of(json.loads((run / "config.json").read_text(encoding="utf-8")))
            measured = measure(run, TOKENS)
            speed = float(np.mean(measured.windows_per_s))
            found.append((sizes, shape, step_operations(shape, TOKENS), speed, measured.wait_share))
            print(f"width {sizes[0]}: {speed:.3g} windows a second", file=sys.stderr)
    print("| width, layers | weights, 10⁶ | operations a window, 10⁹ | s a window | waited | 10⁹ operations a second |")
    print("|---|---|---|---|---|---|")
    for sizes, shape, operations, speed, waited in found:
        layers = f"{sizes[1]} + {sizes[2]}"
        print(
            f"| {sizes[0]}, {layers} | {weights(shape) / 1e6:.2f} | {operations / 1e9:.1f} | {1 / speed:.3f} "
            f"| {waited:.0%} | {speed * operations / 1e9:.1f} |"
        )
    print(
        "\n| measured with | predicted for | s a window, predicted | taken | predicted / taken |\n|---|---|---|---|---|"
    )
    for known, other in itertools.permutations(found, 2):
        predicted = other[2] / (known[3] * known[2])
        print(f"| {known[0][0]} | {other[0][0]} | {predicted:.3f} | {1 / other[3]:.3f} | {predicted * other[3]:.2f} |")


if __name__ == "__main__":
    main()
