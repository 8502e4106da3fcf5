"""How fast units are heard and said, and in how much memory.

    python benchmarks/units_speed.py [--seconds 30] [--threads 1 2]

Networks have random weights of their default shapes: as fast as trained ones. Sound is made of harmonics and noise.
Every figure is the best of some runs in a process of its own, which MELISMA_THREADS gives its threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

N_RUNS = 3
K = 100
# Siuzdak, Vocos, ICLR 2024, table 4: times real time on an AMD EPYC, at 24 kHz; 13.5 and 14.0 M weights.
PUBLISHED = {"Vocos": 169.6, "HiFi-GAN": 5.8}


def best_s(act: Callable[[], object]) -> tuple[float, float]:
    """Return the shortest of some runs after a first one: seconds by the clock, and seconds of the processor."""
    act()
    times = []
    for _ in range(N_RUNS):
        began, worked = time.perf_counter(), time.process_time()
        act()
        times.append((time.perf_counter() - began, time.process_time() - worked))
    return min(clock for clock, _ in times), min(work for _, work in times)


def voice(seconds: float) -> np.ndarray:
    """Return sound that is no silence, float32 at 16 kHz."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(16000 * seconds)) / 16000
    tone = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 30))
    return (0.1 * tone * (1 + np.sin(7 * time_s)) + 0.01 * rng.standard_normal(len(time_s))).astype(np.float32)


def encoders(seconds: float) -> Iterator[dict[str, object]]:
    """Measure what makes features, and the search for the nearest of 100 centres."""
    from melisma.units.codebook import Codebook
    from melisma.units.encoder import EncoderConfig
    from melisma.units.encoders import MFCC, PHONE, open_encoder

    sound = voice(seconds)
    for name in (MFCC, PHONE):
        encoder = open_encoder(EncoderConfig(name))
        [features] = encoder.encode([sound])
        centres = features[np.random.default_rng(1).choice(len(features), K)]
        book = Codebook(centres, encoder.facts)
        yield {"what": f"encode, {name}", "s": best_s(lambda e=encoder: e.encode([sound])), "audio_s": seconds}
        took = best_s(lambda b=book, f=features: b.predict(f))
        yield {"what": f"nearest of {K}, {features.shape[1]} dimensions", "s": took, "audio_s": seconds}


def vocoders(seconds: float, folder: Path) -> Iterator[dict[str, object]]:
    """Measure generators of their default shapes, as ONNX and by torch."""
    import torch

    from melisma.core.settings import n_threads
    from melisma.units.vocoders import open_checkpoint, open_onnx
    from melisma.units.voice import Spoken

    torch.set_num_threads(n_threads())
    units = np.repeat(np.random.default_rng(2).integers(K, size=round(seconds * 50) // 2 + 1), 2)[: round(seconds * 50)]
    for path in sorted(folder.iterdir()):
        weights = json.loads((path / "vocoder.json").read_text(encoding="utf-8"))["n_parameters"]
        for kind, vocoder in (
            ("onnxruntime", open_onnx(path / "vocoder.onnx")),
            ("torch", open_checkpoint(path / "vocoder_final.pt")),
        ):
            took = best_s(lambda v=vocoder: v.synthesize(Spoken(units)))
            yield {"what": f"say, {path.name} {weights / 1e6:.1f} M, {kind}", "s": took, "audio_s": seconds}


def memory_mb(path: Path, seconds: float) -> float:
    """Return the highest memory of a process that says so much, block by block."""
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from melisma.units.vocoders import open_onnx\nfrom melisma.units.voice import Spoken\n"
        f"v = open_onnx(Path({str(path)!r}) / 'vocoder.onnx')\n"
        f"n = sum(len(b) for b in v.blocks(Spoken(np.arange({round(seconds * 50)}) % {K})))\n"
        # Not ru_maxrss: that of a process that another one starts begins with what the other has taken.
        "print(next(int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def prepare(folder: Path) -> None:
    """Save and export a generator of each kind."""
    import torch

    from melisma.models.vocoder import file
    from melisma.train.vocoder.config import VocoderTrainingConfig
    from melisma.train.vocoder.export import export
    from melisma.train.vocoder.trainer import shape_of
    from melisma.units.encoder import EncoderFacts
    from melisma.units.voice import VocoderFacts

    for name, given in (
        ("Vocos", {}),
        ("Vocos, 512 wide", {"channels": 512}),
        ("HiFi-GAN", {"generator": "hifigan"}),
        ("HiFi-GAN, 512 wide", {"generator": "hifigan", "channels": 512}),
    ):
        torch.manual_seed(0)
        shape = shape_of(VocoderTrainingConfig(**given), K, 0)
        facts = VocoderFacts(shape.kind, K, (), False, EncoderFacts("mfcc", "mfcc", None, 39, "0" * 64), "0" * 64)
        (folder / name).mkdir()
        path = folder / name / "vocoder_final.pt"
        torch.save(file.packed(shape, facts.as_dict(), file.make(shape).state_dict()), path)
        export(path, folder / name)


def measured(threads: int, seconds: float, folder: Path) -> list[dict[str, object]]:
    """Measure all in a process of its own."""
    variables = ("MELISMA_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environ = os.environ | dict.fromkeys(variables, str(threads))
    command = [sys.executable, __file__, "--seconds", str(seconds), "--inside", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    return json.loads(done.stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps([*encoders(asked.seconds), *vocoders(asked.seconds, asked.inside)]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        runs = [measured(threads, asked.seconds, folder) for threads in asked.threads]
        heads = [f"{n} thread{'s' * (n > 1)}, × real time" for n in asked.threads]
        print("| what | audio a CPU second | " + " | ".join(heads) + " |\n|---|" + "---:|" * (1 + len(runs)))
        for rows in zip(*runs, strict=True):
            speeds = [rows[0]["audio_s"] / rows[0]["s"][1], *(each["audio_s"] / each["s"][0] for each in rows)]
            print(f"| {rows[0]['what']} | " + " | ".join(f"{each:,.0f}" for each in speeds) + " |")
        for label, speed in PUBLISHED.items():
            print(f"| {label}, published | | {speed:,.0f} |")
        print("\n| memory of a process that says | 1 min | 10 min |\n|---|---|---|")
        for path in sorted(each for each in folder.iterdir() if "wide" not in each.name):
            print(f"| {path.name} | {memory_mb(path, 60):,.0f} MB | {memory_mb(path, 600):,.0f} MB |")
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
