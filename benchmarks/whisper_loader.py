"""How fast the windows of Whisper trainings are made, and how well packing fills them.

    python benchmarks/whisper_loader.py [--minutes 30] [--clips 100000]

Clips of 3 to 12 s are written as WAV at 16 kHz and prepared. Seconds of audio a second: samples alone, with log-mels,
and augmented, with 0, 1 and 2 workers that are spawned. Then, of so many clips of 60 speakers: how long a pass takes to
be planned, what share of the 30 s that the encoder sees is audio, and what the clips take in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.data.augment.recipe import Recipe
from melisma.train.whisper.collate import Collate
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.packing import Plan, Rules, Sizes
from melisma.train.whisper.processor import NewVocabulary, new_processor
from melisma.train.whisper.stream import Row, StepSampler, loader
from melisma.train.whisper.windows import Windows, build

RATE = 16000
RECIPE = Path(__file__).parents[1] / "configs" / "augment.yaml"
TEXT = "dobar dan svima koji slušaju ovu pjesmu"


def write_clips(folder: Path, minutes: float) -> Path:
    """Write clips of ten speakers, and their manifest."""
    rng = np.random.default_rng(1)
    lines, total = [], 0.0
    while total < 60 * minutes:
        seconds = round(float(rng.uniform(3, 12)), 2)
        noise = rng.normal(0, 0.05, round(seconds * RATE)).astype(np.float32)
        name = f"{len(lines)}.wav"
        soundfile.write(folder / name, noise, RATE, "PCM_16")
        said = {"id": name, "audio": name, "duration": seconds, "transcript": TEXT, "language": "hr"}
        lines.append(json.dumps(said | {"speaker_id": str(len(lines) % 10)}) + "\n")
        total += seconds
    path = folder / "clips.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


class Samples:
    """Gives the seconds of a batch, without log-mels."""

    def __call__(self, examples: Any) -> dict[str, Any]:
        """Return a batch."""
        return {"seconds": np.array([example.seconds for example in examples])}


def speed(windows: Windows, collate: Any, workers: int) -> float:
    """Return seconds of audio a second of the second pass on, once the workers are there."""
    n = 3 * (len(windows) // 4)
    batches = iter(loader(windows, StepSampler(Row(windows), n, 4), collate, workers, pin=False))
    next(batches)
    since, heard = time.perf_counter(), 0.0
    for batch in batches:
        heard += float(batch["seconds"].sum())
    return heard / (time.perf_counter() - since)


def packing(n: int) -> str:
    """Return what planning a pass of so many clips takes, and how full its windows are."""
    rng = np.random.default_rng(2)
    seconds = np.clip(rng.lognormal(1.6, 0.6, n), 1, 30)
    who = rng.integers(0, 3, n), rng.integers(0, 60, n)
    sizes = Sizes(seconds, (seconds * 5).astype(np.int64), *who)
    rows = []
    for name, share in (("packed", 1.0), ("half of the windows packed", 0.5), ("alone", 0.0)):
        since = time.perf_counter()
        windows = Plan(sizes, Rules(1, share)).windows(0)
        took = time.perf_counter() - since
        rows.append(f"| {name} | {len(windows):,} | {seconds.sum() / 30 / len(windows):.1%} | {took:.1f} s |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clips", type=int, default=100_000)
    asked = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    config, processor = WhisperTrainingConfig(), new_processor([f" {TEXT}"] * 2, NewVocabulary(400))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        manifest = write_clips(folder, asked.minutes)
        since = time.perf_counter()
        windows = build(manifest, folder / "prepared", config, processor, lambda *_: None)
        print(f"{len(windows.clips):,} clips prepared in {time.perf_counter() - since:.1f} s")
        print(f"{len(pickle.dumps(windows)):,} bytes are sent to a worker\n")
        mels = Collate(processor, config)
        augmented = windows.with_recipe(Recipe.read(RECIPE))
        kinds = {
            "samples": (windows, Samples()),
            "log-mels": (windows, mels),
            "log-mels, augmented": (augmented, mels),
        }
        print("| seconds of audio a second | 0 workers | 1 worker | 2 workers |\n|---|---|---|---|")
        for name, (dataset, collate) in kinds.items():
            print(f"| {name} | {' | '.join(f'{speed(dataset, collate, n):,.0f}' for n in (0, 1, 2))} |", flush=True)
    print(f"\n| {asked.clips:,} clips | windows | of 30 s that are audio | planning a pass |\n|---|---|---|---|")
    print(packing(asked.clips))
    print(f"\nmost memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
