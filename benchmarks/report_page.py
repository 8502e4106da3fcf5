"""Time, memory and size of a report: `python benchmarks/report_page.py [--utterances 1000 20000] [--clips 24 200]`.

Made-up evaluations, of which 3 of 10 clips have an error, and a log of 20,000 lines; the clips last 10 s and are noise.
Each page is drawn in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

WORDS = ("dobar", "dan", "svijete", "pjesma", "noć", "more", "kamen", "vjetar", "ruka", "grad", "ulica", "kiša")
N_LINES, SECONDS = 20_000, 10


def fill(root: Path, n: int) -> None:
    """Write a manifest, what was heard, the log of a training, and evaluate."""
    rng = random.Random(1)
    folder = root / "manifests"
    folder.mkdir()
    noise = np.random.default_rng(1).normal(0, 0.1, 16000 * SECONDS).astype(np.float32)
    soundfile.write(folder / "a.flac", noise, 16000)
    with (folder / "test.jsonl").open("w") as rows, (folder / "heard.jsonl").open("w") as heard:
        for k in range(n):
            said = rng.choices(WORDS, k=12)
            row = {"id": f"u{k:07d}", "audio": "a.flac", "duration": SECONDS, "transcript": " ".join(said)}
            row |= {"language": ("hr", "sr", "bs")[k % 3], "speaker_id": f"s{k % 200}"}
            if rng.random() < 0.3:
                said[rng.randrange(12)] = rng.choice(WORDS)
            print(json.dumps(row), file=rows)
            print(json.dumps({"id": row["id"], "text": " ".join(said)}), file=heard)
    log = root / "logs" / "training" / "run.log"
    log.parent.mkdir(parents=True)
    with log.open("w") as lines:
        for step in range(1, N_LINES + 1):
            print(json.dumps({"step": 10 * step, "stage": "train", "loss": rng.random(), "lr": 1e-5}), file=lines)
    melisma(root, "eval", "asr", folder / "test.jsonl", "--hypotheses", folder / "heard.jsonl", "--run", "run",
            "--draws", "100", "--no-noise", "-q")  # fmt: skip


def melisma(root: Path, *given: object) -> tuple[float, float]:
    """Run the program; return its seconds, and the most memory that it had in MB."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "melisma.cli.main", *map(str, given)]
    run = subprocess.Popen(command, env={**os.environ, "MELISMA_ROOT": str(root)}, stdout=subprocess.DEVNULL)
    _, code, used = os.wait4(run.pid, 0)
    if code:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(code)}")
    return time.perf_counter() - begun, used.ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, nargs="+", default=[1_000, 20_000])
    parser.add_argument("--clips", type=int, nargs="+", default=[24, 200])
    given = parser.parse_args()
    print("| utterances | clips | seconds | peak MB | MB of the page |\n|---|---|---|---|---|", flush=True)
    for n in given.utterances:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            fill(root, n)
            for clips in given.clips:
                seconds, peak = melisma(root, "report", "run", "--clips", clips, "-q")
                size = (root / "reports" / "run" / "index.html").stat().st_size / 1e6
                print(f"| {n:,} | {clips} | {seconds:.1f} | {peak:.0f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
