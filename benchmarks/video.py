"""How long a karaoke video takes, in how much memory, and how exactly it is in time: `python benchmarks/video.py`.

The first minute of a song with its gold timings, from $MELISMA_SHARED/songs, each video in a process of its own. Then
two hundred made-up words at random times, of which every picture is looked at. Arguments choose parts: hours, table,
time.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from melisma.audio.decode import decode
from melisma.audio.onset_list import onset_times
from melisma.audio.peaks import peaks
from melisma.core.records import Alignment, Line, Word
from melisma.formats.karaoke_script import Colours
from melisma.pipeline.video.config import Container, VideoConfig
from melisma.pipeline.video.render import render

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
SONG = "jonathan-coulton-better"
CASES = (
    ("mp4", 640, 360, 30, False),
    ("mp4", 1280, 720, 30, False),
    ("mp4", 1280, 720, 30, True),
    ("mp4", 1920, 1080, 30, False),
    ("webm", 1280, 720, 30, False),
)
PART_S = 60  # of the song
N_WORDS, FPS = 200, 60


def gold(folder: Path, duration_ms: int) -> Alignment:
    """Read the gold timings of a song."""
    words: list[Word] = []
    lines: list[Line] = []
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for line in sorted({int(row["line"]) for row in rows}):
        first = len(words)
        for row in (row for row in rows if int(row["line"]) == line):
            start, end = (round(1000 * float(row[name])) for name in ("start_s", "end_s"))
            words.append(Word(row["word"], len(lines), start, min(max(start, end), duration_ms)))
        lines.append(Line(first, len(words)))
    return Alignment(tuple(words), tuple(lines), duration_ms)


def one(container: str, width: int, height: int, fps: int, drawn: bool) -> dict[str, float]:
    """Make one video; return seconds, size and the most memory of this process and of ffmpeg, in MB."""
    audio = next((SHARED / "songs" / SONG).glob("audio.*"))
    sound = decode(audio, sample_rate=44100, downmix="mean").waveform
    alignment = gold(audio.parent, int(1000 * sound.duration_s))
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "minute.flac"
        soundfile.write(audio, sound.samples[: 44100 * PART_S], 44100)
        ground = Path(folder) / "ground.jpg"
        if drawn:
            from PIL import Image

            noise = np.random.default_rng(1).integers(0, 255, (135, 240, 3), np.uint8)
            Image.fromarray(noise).resize((4000, 2250)).save(ground)
        config = VideoConfig(Container(container), width, height, fps, picture=ground if drawn else None)
        before = time.perf_counter()
        made = render(alignment, audio, Path(folder) / "out", config)
        seconds = time.perf_counter() - before
    ffmpeg = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": seconds,
        "cpu_s": ffmpeg.ru_utime + ffmpeg.ru_stime,
        "mb": made.size_bytes / 1e6,
        "ffmpeg_mb": ffmpeg.ru_maxrss / 1024,
    }


def table() -> None:
    print(f"{SONG}\n{'video':24} {'seconds':>8} {'CPU s':>7} {'MB':>6} {'ffmpeg':>8}")
    for container, width, height, fps, drawn in CASES:
        case = json.dumps([container, width, height, fps, drawn])
        done = subprocess.run([sys.executable, __file__, case], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        name = f"{container} {width}x{height} {fps}{' picture' if drawn else ''}"
        print(
            f"{name:24} {found['seconds']:8.1f} {found['cpu_s']:7.1f} {found['mb']:6.1f} {found['ffmpeg_mb']:5.0f} MB"
        )


def in_time() -> None:
    """Measure when words begin to be lit, and when a click is heard, against the truth."""
    rng = np.random.default_rng(2)
    starts = np.cumsum(rng.integers(900, 1400, N_WORDS)) + 500
    words = tuple(Word("HHHH", k, int(at), int(at) + 400) for k, at in enumerate(starts))
    duration = int(starts[-1]) + 1000
    alignment = Alignment(words, tuple(Line(k, k + 1) for k in range(N_WORDS)), duration)
    samples = np.zeros(duration * 48, np.float32)
    for at in starts:
        samples[at * 48 : at * 48 + 48] = 0.9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "clicks.flac", samples, 48000)
        for container in Container:
            _look(alignment, folder, container, starts)


def _look(alignment: Alignment, folder: Path, container: Container, starts: np.ndarray) -> None:
    colours = Colours(unsung="#000000", sung="#ffffff", outline="#000000")
    config = VideoConfig(container, 320, 180, FPS, colours=colours, background="#000000", count_in=False)
    made = render(alignment, folder / "clicks.flac", folder / f"out.{container.value}", config)
    gray = ["-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"]  # every picture once
    command = ["ffmpeg", "-v", "error", "-i", made.path, *gray]
    seen = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    times = ["-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", made.path]
    told = subprocess.run(["ffprobe", "-v", "error", *times], capture_output=True, check=True, text=True).stdout
    at_ms = 1000 * np.sort([float(line.strip(",")) for line in told.split()])
    light = (seen.reshape(-1, 180, 320) > 96).sum(axis=(1, 2)).astype(int)
    heard = np.abs(decode(made.path, sample_rate=48000, downmix="mean").waveform.samples)
    dark = np.array(
        [next(k for k in range(round(at / 1000 * FPS) - 8, len(light)) if _grows(light, k)) for at in starts]
    )
    lit_ms = at_ms[dark] - starts
    clicks = np.array([heard[at * 48 - 2400 : at * 48 + 2400].argmax() / 48 - 50 for at in starts])
    for what, late in (("a word is lit", lit_ms), ("a click is heard", clicks)):
        print(
            f"{container.value}: {what} {late.mean():+6.1f} ms after the truth ({late.min():+.1f} to {late.max():+.1f})"
        )


def _grows(light: np.ndarray, k: int) -> bool:
    """Whether a word has begun to be lit in picture k: there is more light than in the one before, and more to come."""
    return light[k] > light[k - 1] and light[k + 3] > light[k] + 10


def three_hours() -> None:
    """Read a recording of three hours for its waveform and its onsets."""
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        minute = (0.1 * rng.standard_normal((60 * 44100, 2)) * np.geomspace(1, 0.01, 44100).repeat(60)[:, None]).astype(
            "f"
        )
        with soundfile.SoundFile(path, "w", 44100, 2) as file:
            for _ in range(180):
                file.write(minute)
        for name, run in (("waveform", peaks), ("onsets", onset_times)):
            before = time.perf_counter()
            run(path)
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"three hours of stereo: {name} in {time.perf_counter() - before:.1f} s, {most:.0f} MB at most so far"
            )


def main() -> None:
    parts = {"hours": three_hours, "table": table, "time": in_time}
    if len(sys.argv) > 1 and sys.argv[1] not in parts:
        print(json.dumps(one(*json.loads(sys.argv[1]))))
        return
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
