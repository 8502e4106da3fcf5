"""Encoders of units: how fast they are against real time, and what extraction takes in memory.

    python benchmarks/unit_encoders.py [--threads 2] [--large]

Networks of the hub are ones with random weights of the sizes of real ones: what they have learnt changes no speed.
`--large` adds XLSR-53 up to layer 14, whose weights take 0.8 GB on disk and twice that in memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import features
from melisma.data.units.features import Settings
from melisma.scale.local import LocalExecutor
from melisma.testing.speech_checkpoints import RandomEncoder, save_random_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.export import export_encoder

RATE = 16000
SEGMENT_S = 10.0
_REAL = (
    ("conv_dim", (512,) * 7),
    ("num_conv_pos_embeddings", 128),
    ("num_conv_pos_embedding_groups", 16),
    ("initializer_range", 0.02),
)
BASE = RandomEncoder("hubert", False, 7, 768, more=(*_REAL, ("num_attention_heads", 12), ("intermediate_size", 3072)))
XLSR = RandomEncoder(
    "wav2vec2", True, 14, 1024, more=(*_REAL, ("num_attention_heads", 16), ("intermediate_size", 4096))
)


def speech(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    loud = np.repeat(rng.uniform(0, 0.3, round(seconds * 8) + 1), RATE // 8)[: len(t)]
    return (loud * np.sin(2 * np.pi * 140 * t + 4 * np.sin(11 * t)) + 0.01 * rng.standard_normal(len(t))).astype("f4")


def apart(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Do it in a process of its own; what it tells, with the most memory it took, in MB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_apart, args=(theirs, work, given))
    process.start()
    told: dict[str, Any] = ours.recv()
    process.join()
    return told


def _apart(link: Any, work: Callable[..., dict[str, Any]], given: tuple[Any, ...]) -> None:
    told = work(*given)
    link.send(told | {"mb": peak_mb()})


def peak_mb() -> float:
    """Return the most memory that this process took; getrusage would tell of its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def encode(name: str, layer: int | None, batch_s: float, seconds: float, threads: int) -> dict[str, Any]:
    """Encode so much audio in segments of 10 s, after one that warms up; seconds of audio a second."""
    config = EncoderConfig(name, layer, device="cpu", batch_s=batch_s, threads=threads)
    encoder = open_encoder(config)
    encoder.encode([speech(2.0)])
    waveforms = [speech(SEGMENT_S, seed) for seed in range(round(seconds / SEGMENT_S))]
    begin, used = time.perf_counter(), time.process_time()
    encoder.encode(waveforms)
    return {
        "speed": seconds / (time.perf_counter() - begin),
        "per_core": seconds / (time.process_time() - used),
        "n_dims": encoder.facts.n_dims,
    }


def extract(folder: Path, path: Path, name: str) -> dict[str, Any]:
    """Extract the features of a manifest in this process."""
    begin = time.perf_counter()
    made = features.write(
        recordings.read(path), folder, Settings(EncoderConfig(name), shard_s=600), executor=LocalExecutor(1)
    )
    return {"speed": made.seconds / (time.perf_counter() - begin), "mb_on_disk": made.size_bytes / 1e6}


def corpus(folder: Path, minutes: float) -> Path:
    """Write a manifest whose utterances lie in ten files of 17 s each, again and again."""
    folder.mkdir()
    for number in range(10):
        soundfile.write(folder / f"{number}.flac", speech(17.0, number), RATE)
    n = round(minutes * 60 / 17)
    lines = (Utterance(id=f"u{i}", audio=f"./{'./' * (i // 10)}{i % 10}.flac", duration=17.0) for i in range(n))
    manifest.write(folder / "m.jsonl", lines)
    return folder / "m.jsonl"


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--large", action="store_true")
    asked = options.parse_args()
    for name in ("MELISMA_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(asked.threads)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        rows: list[tuple[str, str, int | None, float, float]] = [
            ("mfcc", "mfcc", None, 0.0, 120.0),
            ("phone, layer 8", "phone", 8, 0.0, 60.0),
            ("phone, layer 12", "phone", 12, 0.0, 60.0),
        ]
        nets = [("HuBERT base, layer 7", "base", BASE), *([("XLSR-53, layer 14", "xlsr", XLSR)] * asked.large)]
        for title, short, config in nets:
            net = str(save_random_encoder(folder / short, config))
            export_encoder(EncoderConfig(net, config.n_layers), folder / f"{short}-onnx")
            rows += [
                (f"{title}, torch, one by one", net, config.n_layers, 0.0, 20.0),
                (f"{title}, torch, a batch of 20 s", net, config.n_layers, 20.0, 20.0),
                (f"{title}, onnxruntime", str(folder / f"{short}-onnx"), None, 0.0, 20.0),
            ]
        print(f"threads: {asked.threads}; load of the machine: {os.getloadavg()[0]:.1f}")
        print(f"{'encoder':42} {'dims':>5} {'x real time':>12} {'a CPU second':>13} {'MB':>6}")
        for title, name, layer, batch_s, seconds in rows:
            told = apart(encode, name, layer, batch_s, seconds, asked.threads)
            print(
                f"{title:42} {told['n_dims']:5} {told['speed']:12.1f} {told['per_core']:13.1f} {told['mb']:6.0f}",
                flush=True,
            )
        print(f"\n{'units extract, one process':42} {'minutes':>7} {'x real time':>12} {'MB':>6} {'MB on disk':>11}")
        for name, minutes in (("mfcc", 10), ("mfcc", 60), ("mfcc", 240), ("phone", 5), ("phone", 20)):
            path = corpus(folder / f"{name}{minutes}", minutes)
            told = apart(extract, folder / f"{name}{minutes}-out", path, name)
            print(
                f"{name:42} {minutes:7} {told['speed']:12.1f} {told['mb']:6.0f} {told['mb_on_disk']:11.1f}", flush=True
            )


if __name__ == "__main__":
    main()
