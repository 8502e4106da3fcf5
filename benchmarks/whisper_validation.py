"""What a validation of a Whisper training takes: seconds a clip and memory, for sets of several sizes, on one thread.

MELISMA_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/whisper_validation.py
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from accelerate import Accelerator

from melisma.models.quiet import quiet
from melisma.train.whisper.config import Shape, WhisperTrainingConfig
from melisma.train.whisper.generation import settle
from melisma.train.whisper.judge import Judge
from melisma.train.whisper.network import open_network
from melisma.train.whisper.processor import NewVocabulary, new_processor
from melisma.train.whisper.windows import build

_TEXT = "dobar dan svima koji danas slušaju ovu kratku pjesmu"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--transformers", action="store_true", help="Whisper's own generate beside it, on 4 clips.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder), asked)


def _run(folder: Path, asked: argparse.Namespace) -> None:
    n = max(asked.clips)
    config = WhisperTrainingConfig(
        model="random:custom", shape=Shape(width=asked.width, heads=2), max_new_tokens=32, validation_clips=n
    )
    processor = new_processor([f" {_TEXT}"] * 4, NewVocabulary(n_tokens=2000))
    model = open_network(config, None, processor).model.eval()
    settle(model, processor, ["hr"], "transcribe")
    windows = build(_manifest(folder, n), folder / "prepared", config, processor, lambda stage, share: None)
    print("| clips | seconds a clip | most memory, MB |\n|---|---|---|")
    for size in asked.clips:
        judge = Judge(windows, processor, config.model_copy(update={"validation_clips": size}))
        since = time.perf_counter()
        judge.judge(model, Accelerator(cpu=True))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {size} | {(time.perf_counter() - since) / size:.3f} | {most:.0f} |")
    if asked.transformers:
        features = judge.collate([windows.alone()[clip] for clip in range(4)])["input_features"]
        since = time.perf_counter()
        with torch.no_grad(), quiet():
            model.generate(features, language="hr", task="transcribe", max_new_tokens=32)
        print(f"| 4, by Whisper's own generate | {(time.perf_counter() - since) / 4:.3f} | |")


def _manifest(folder: Path, n: int) -> Path:
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        soundfile.write(folder / f"{i}.wav", rng.normal(0, 0.1, 16_000 * 5).astype(np.float32), 16_000)
        rows.append(
            {"id": str(i), "audio": f"{i}.wav", "duration": 5.0, "transcript": f"{_TEXT} {i}", "language": "hr"}
        )
    path = folder / "valid.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
