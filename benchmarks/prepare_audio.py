"""How fast recordings are prepared and segmented, and in how much memory.

    python benchmarks/prepare_audio.py [HOURS]

Makes MP3 files (44.1 kHz, stereo) of bursts with pauses: one of HOURS (3 without), three minutes again and again, and
twelve of three minutes; and runs the commands as a user does. "audio s/s" is seconds of audio per second of wall clock,
"audio/cpu" per second of the processor, all threads and processes together, "MB" the largest resident memory of any of
the processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RATE = 44100
_RUN = "from melisma.cli.main import run; run()"


def make(path: Path) -> bytes:
    """Write bursts of noise of 1 to 8 s with pauses of 0.3 to 1.5 s, three minutes; return the frames of the MP3."""
    random = np.random.default_rng(1)
    with soundfile.SoundFile(path, "w", RATE, 2, format="MP3", bitrate_mode="CONSTANT") as file:
        done = 0.0
        while done < 180:
            said, pause = random.uniform(1, 8), random.uniform(0.3, 1.5)
            burst = random.standard_normal((int(said * RATE), 2)) * np.hanning(int(said * RATE))[:, None] * 0.2
            file.write(burst.astype(np.float32))
            file.write(np.zeros((int(pause * RATE), 2), np.float32))
            done += said + pause
    data = path.read_bytes()
    return data[data.index(data[:2], 4) :]  # without the first frame, which says how long the file is


def manifest_of(path: Path, recordings: Sequence[Path], length: float, clip_s: float | None = None) -> float:
    """Write a manifest of whole recordings of a length, or of clips of them; return the seconds of all."""
    with path.open("w", encoding="utf-8") as file:
        for each in recordings:
            step = clip_s or length
            for i in range(int(length / step + 1e-9)):
                line = {"id": f"{each.stem}/{i}", "audio": each.name, "start": i * step, "duration": step}
                file.write(json.dumps(line) + "\n")
    return length * len(recordings)


def measure(name: str, seconds: float, arguments: Sequence[str]) -> None:
    """Run a command in a process of its own and print a row."""
    code = (
        "import resource, subprocess, sys; r = subprocess.run([sys.executable, '-c', sys.argv[1], *sys.argv[2:]], "
        "stderr=subprocess.DEVNULL); u = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(u.ru_maxrss, u.ru_utime + u.ru_stime, r.returncode)"
    )
    began = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code, _RUN, *arguments], capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    kilobytes, processor, failed = run.stdout.split()[-3:]
    if failed != "0":
        raise SystemExit(f"{name} failed")
    pace = f"{seconds / wall:>11.0f}{float(processor):>9.1f}{seconds / float(processor):>11.0f}"
    print(f"{name:<40}{seconds:>9.0f}{wall:>9.1f}{pace}{int(kilobytes) / 1000:>7.0f}", flush=True)


def main() -> None:
    """Print a table."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        long, song = folder / "long.mp3", folder / "song0.mp3"
        long.write_bytes(make(song) * round(20 * hours))
        short = [song, *(folder / f"song{i}.mp3" for i in range(1, 12))]
        for each in short[1:]:
            each.write_bytes(song.read_bytes())
        length = soundfile.info(song).duration
        whole = manifest_of(folder / "long.jsonl", [long], length * round(20 * hours))
        manifest_of(folder / "clips.jsonl", [long], whole, 10.0)
        many = manifest_of(folder / "short.jsonl", short, length)
        base = ["data", "preprocess", "-q"]
        print(f"{'':<40}{'audio s':>9}{'wall s':>9}{'audio s/s':>11}{'cpu s':>9}{'audio/cpu':>11}{'MB':>7}")
        for jobs in ("1", "2"):
            out = str(folder / f"short{jobs}")
            measure(
                f"preprocess 12 songs, {jobs} process(es)",
                many,
                [*base, str(folder / "short.jsonl"), "-o", out, "-j", jobs],
            )
        loud = [*base, str(folder / "short.jsonl"), "-o", str(folder / "loud"), "--format", "flac", "--loudness", "-23"]
        measure("preprocess them, FLAC, -23 LUFS, 2", many, [*loud, "-j", "2"])
        measure("the same again, nothing to do", many, [*loud, "-j", "2"])
        for name, title in (("long", "one long recording"), ("clips", "its clips of 10 s")):
            arguments = [*base, str(folder / f"{name}.jsonl"), "-o", str(folder / f"{name}.done"), "-j", "1"]
            measure(f"preprocess {title}, 1", whole, arguments)
        for by in ("silence", "voice"):
            out = str(folder / by)
            arguments = ["data", "segment", "-q", str(folder / "long.jsonl"), "-o", out, "--by", by, "-j", "1"]
            measure(f"segment it by {by}, 1", whole, arguments)


if __name__ == "__main__":
    main()
