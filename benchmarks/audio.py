"""How long a recording takes to become a waveform, stage by stage, and how much memory: `python benchmarks/audio.py`.

Each measurement runs in a process of its own, best of three; songs are read from $MELISMA_SHARED/songs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from melisma.audio.decode import load
from melisma.audio.downmix import CentreMix
from melisma.audio.probe import open_source, probe
from melisma.audio.resample import Resampler

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
RATE = 44100


def best(run: Callable[[], object], n: int = 3) -> float:
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def stages(path: Path) -> dict[str, float]:
    """Time each stage alone, in seconds, over the blocks that the stage before it gives."""
    with open_source(path) as source:
        blocks = list(source.blocks())
        info = source.info

    def decode() -> None:
        with open_source(path) as again:
            for _ in again.blocks():
                pass

    def resample() -> list[np.ndarray]:
        stage = Resampler(info.sample_rate, 16000, info.channels)
        return [*(stage.push(b) for b in blocks), stage.flush()]

    resampled = resample()

    def downmix() -> None:
        stage = CentreMix(16000)
        for block in resampled:
            stage.push(block)
        stage.flush()

    return {"decode": best(decode), "resample": best(resample), "downmix": best(downmix)}


def whole(path: Path, n: int) -> dict[str, float]:
    """Time `load`; the peak is that of a process that does nothing else."""
    seconds = best(lambda: load(path), n)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return {"load": seconds, "peak_mb": peak, "duration": probe(path).duration_s or 0.0}


def measure(kind: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, kind, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def write_hour(path: Path) -> None:
    """Write an hour of stereo at 44.1 kHz, a minute at a time."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for _ in range(60):
            file.write(0.1 * rng.standard_normal((60 * RATE, 2), dtype=np.float32))


def row(name: str, path: Path, *, split: bool) -> None:
    found = measure("whole", path) | (measure("stages", path) if split else {})
    cells = [f"{found[k]:8.3f}" if k in found else " " * 8 for k in ("decode", "resample", "downmix", "load")]
    print(f"{name[:36]:36} {found['duration']:7.1f} {' '.join(cells)} {found['peak_mb']:8.0f}")


def main() -> None:
    print(f"{'recording':36} {'s':>7} {'decode':>8} {'resample':>8} {'downmix':>8} {'load':>8} {'peak MB':>8}")
    if not SHARED.is_dir():
        print(f"the songs are skipped: there is no {SHARED} (MELISMA_SHARED names the folder)")
    for name in ("jonathan-coulton-i-feel-fantastic", "jonathan-coulton-code-monkey"):
        for path in sorted((SHARED / "songs" / name).glob("audio.*")):
            row(f"{name}{path.suffix}"[-36:], path, split=True)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("wav", "flac", "mp3"):
            path = Path(folder) / f"hour.{suffix}"
            write_hour(path)
            row(f"an hour of noise, {suffix}", path, split=False)
            path.unlink()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        job, recording = sys.argv[1], Path(sys.argv[2])
        n_runs = 1 if recording.stem == "hour" else 3
        print(json.dumps(stages(recording) if job == "stages" else whole(recording, n_runs)))
    else:
        main()
