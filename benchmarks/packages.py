"""What a package costs: export, its gate, size, and how long torch, ONNX and 8-bit ONNX listen to a minute.

    python benchmarks/packages.py [--size base] [--seconds 60] [--checkpoint FOLDER]

Without a checkpoint the network is one of real size with random weights, which takes as long as a trained one; how far
8 bits are from float then says little, for random networks have no sharp answers. Each engine listens in a process of
its own, once to warm up and then `--repeats` times, of which the best counts; memory is that process's peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any


def main() -> None:
    """Make the packages, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("base", "large"), default="base")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--listen", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.listen:
        print(json.dumps(listen(given.listen, given.seconds, given.repeats)))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(given, Path(folder))


def measure(given: argparse.Namespace, folder: Path) -> None:
    """Package, export twice, and let each listen."""
    from melisma.train.ctc.onnx_export import ExportConfig, Limits, export
    from melisma.train.ctc.package import PackageConfig, package
    from melisma.train.ctc.packaged import open_trained

    trained = replace(open_trained(given.checkpoint or save_random(folder, given.size)), languages=("en",))
    rows: list[tuple[str, ...]] = []
    begin = time.perf_counter()
    package(trained, folder / "torch", PackageConfig("torch"))
    rows.append(row("torch, float32", folder / "torch", "model.safetensors", time.perf_counter() - begin, None, given))
    for label, int8 in (("ONNX, float32", False), ("ONNX, int8 on MatMul", True)):
        begin = time.perf_counter()
        wide = Limits(log_prob=100.0, agreement=0.0)  # what is too far is to be seen in the table
        card = PackageConfig("onnx")
        made = export(trained, folder / label[-4:], ExportConfig(int8=int8, limits=wide, card=card))
        took = time.perf_counter() - begin
        rows.append(row(label, folder / label[-4:], "model.onnx", took, made.parity.as_dict(), given))
    print("| | MB | made in s | s a minute | peak MB | log-prob, all | likely | same frame |")
    print("|---|---|---|---|---|---|---|---|")
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


def save_random(folder: Path, size: str) -> Path:
    """Save a network of real size with random weights."""
    sys.path.insert(0, str(Path(__file__).parent))
    from engines import SHARED, SIZES
    from melisma.testing.checkpoints import RandomCtc, save_random_ctc

    return save_random_ctc(folder / "start", RandomCtc(more=tuple({**SHARED, **SIZES[size]}.items())))


def row(
    label: str, folder: Path, file: str, took: float, parity: dict[str, Any] | None, given: argparse.Namespace
) -> tuple[str, ...]:
    """Let one package listen, and return its row."""
    command = [sys.executable, __file__, "--listen", str(folder), "--seconds", str(given.seconds)]
    done = subprocess.run([*command, "--repeats", str(given.repeats)], check=True, capture_output=True, text=True)
    heard = json.loads(done.stdout.splitlines()[-1])
    cells = [label, f"{(folder / file).stat().st_size / 1e6:.0f}", f"{took:.0f}", f"{heard['s_a_minute']:.1f}"]
    cells.append(f"{heard['peak_mb']:.0f}")
    if parity is None:
        return (*cells, "–", "–", "–")
    return (*cells, f"{parity['log_prob']:.2g}", f"{parity['likely']:.2g}", f"{parity['agreement']:.2%}")


def listen(folder: Path, seconds: float, repeats: int) -> dict[str, float]:
    """Load a package as an engine and listen; return the best time for a minute of audio and the peak memory."""
    import numpy as np

    from melisma.core.records import Waveform
    from melisma.engines.packaged import open_engine

    engine: Any = open_engine(folder)
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * 16000)).astype(np.float32)
    engine.emit(Waveform(samples[: 16000 * 5], 16000))
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        engine.emit(Waveform(samples, 16000))
        best = min(best, time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s_a_minute": best * 60 / seconds, "peak_mb": peak}


if __name__ == "__main__":
    main()
