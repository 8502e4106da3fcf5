"""What the corpus commands cost, and what they find: `python benchmarks/corpora.py [N] [--figures fingerprint|…]`.

Takes N recordings (2000) of $MELISMA_SHARED/corpus. Prints tables of files a second and peak memory of inventory,
validate and dedupe, each in a process of its own, with one process and with two; of how many changed copies the
fingerprint finds, beside Chromaprint where ffmpeg has it; and of a search among 100,000 fingerprints.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from melisma.data import fingerprint, inventory_files, set_aside, validate
from melisma.data.checks import Limits
from melisma.data.dedupe import Search
from melisma.data.fingerprint import NEAR
from melisma.data.inventory_files import Outputs
from melisma.data.near_duplicates import Index
from melisma.data.set_aside import Asked
from melisma.scale.local import LocalExecutor

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
CORPUS = SHARED / "corpus"
RATE = 16000


def chosen(n: int) -> list[dict]:
    rows = [json.loads(line) for line in (CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    return random.Random(1).sample(rows, min(n, len(rows)))


def copied(rows: list[dict], folder: Path) -> Path:
    """Copy recordings and a manifest of them."""
    lines = []
    for row in rows:
        target = folder / row["audio"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CORPUS / row["audio"], target)
        target.with_suffix(".txt").write_text(row["transcript"], encoding="utf-8")
        lines.append(json.dumps(row, ensure_ascii=False))
    path = folder / "all.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# Throughput: each in a process of its own, so that peak memory is its own.


def run_inventory(path: Path, jobs: int, out: Path) -> None:
    inventory_files.write(path.parent, Outputs(out / "table.csv", out / "m.jsonl"), executor=LocalExecutor(jobs))


def run_validate(path: Path, jobs: int, out: Path) -> None:
    for _ in validate.check(path, Limits(), executor=LocalExecutor(jobs), journal=out / "journal"):
        pass


def run_dedupe(path: Path, jobs: int, out: Path) -> None:
    set_aside.run(Asked(path, Search()), out / "journal", executor=LocalExecutor(jobs))


COMMANDS: dict[str, Callable[[Path, int, Path], None]] = {
    "inventory": run_inventory,
    "validate": run_validate,
    "dedupe": run_dedupe,
}


def one(name: str, path: Path, jobs: int, out: Path) -> None:
    """Run in this process, and print seconds of the clock and of the processors, and MB."""
    begin = time.perf_counter()
    COMMANDS[name](path, jobs, out)
    wall = time.perf_counter() - begin
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(use.ru_utime + use.ru_stime for use in (own, children))
    print(json.dumps([wall, cpu, own.ru_maxrss / 1024, children.ru_maxrss / 1024]))


def throughput(rows: list[dict]) -> None:
    hours = sum(row["duration"] for row in rows) / 3600
    print(f"\n{len(rows)} files, {hours:.2f} h of speech\n")
    print("| command | processes | files/s | processor, s for 1000 | peak MB, main | peak MB, a worker | again, s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = copied(rows, Path(folder) / "corpus")
        for name in COMMANDS:
            for jobs in (1, 2):
                out = Path(folder) / f"{name}{jobs}"
                found = []
                for _ in range(2):  # the second finds all of it in the journal
                    command = [sys.executable, __file__, "--one", name, str(path), str(jobs), str(out)]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    found.append(json.loads(done.stdout))
                (wall, cpu, own, child), (again, *_) = found
                worker = f"{child:.0f}" if jobs > 1 else "–"
                figures = f"{len(rows) / wall:.0f} | {1000 * cpu / len(rows):.1f} | {own:.0f} | {worker} | {again:.1f}"
                print(f"| {name} | {jobs} | {figures} |", flush=True)


# The fingerprint: copies changed in ways that happen.


def encoded(samples: np.ndarray, format: str, subtype: str, level: float) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), RATE, format=format, subtype=subtype, compression_level=level)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def noisy(samples: np.ndarray, db: float, rng: np.random.Generator) -> np.ndarray:
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-db / 20)
    return (samples + level * rng.standard_normal(len(samples))).astype(np.float32)


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, int]]] = {
    "MP3, low bit rate": lambda x, rng: (encoded(x, "MP3", "MPEG_LAYER_III", 0.9), RATE),
    "Vorbis, lowest quality": lambda x, rng: (encoded(x, "OGG", "VORBIS", 1.0), RATE),
    "Opus, 6 kbit/s": lambda x, rng: (encoded(x, "OGG", "OPUS", 1.0), RATE),
    "resampled to 44.1 kHz": lambda x, rng: (soxr.resample(x, RATE, 44100), 44100),
    "resampled to 8 kHz": lambda x, rng: (soxr.resample(x, RATE, 8000), 8000),
    "12 dB quieter": lambda x, rng: (0.25 * x, RATE),
    "12 dB louder, clipped": lambda x, rng: (np.clip(4 * x, -1, 1), RATE),
    "0.3 s cut off in front": lambda x, rng: (x[4800:], RATE),
    "0.17 s in front and 0.3 s behind cut off, MP3": lambda x, rng: (
        encoded(x[2777:-4800], "MP3", "MPEG_LAYER_III", 0.8),
        RATE,
    ),
    "0.5 s of silence in front": lambda x, rng: (np.concatenate([np.zeros(8000, np.float32), x]), RATE),
    "noise at 20 dB": lambda x, rng: (noisy(x, 20, rng), RATE),
    "noise at 10 dB": lambda x, rng: (noisy(x, 10, rng), RATE),
    "noise at 5 dB": lambda x, rng: (noisy(x, 5, rng), RATE),
    "played 2 % faster": lambda x, rng: (x, round(RATE * 1.02)),
}


def chromaprint(samples: np.ndarray, rate: int) -> np.ndarray | None:
    """Fingerprint with ffmpeg's muxer; None where ffmpeg lacks it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        soundfile.write(file.name, samples, rate, format="WAV", subtype="FLOAT")
        command = ["ffmpeg", "-v", "error", "-i", file.name, "-f", "chromaprint", "-fp_format", "raw", "-"]
        done = subprocess.run(command, capture_output=True, check=False)
    return np.frombuffer(done.stdout, "<u4") if done.returncode == 0 else None


def chromaprint_alike(a: np.ndarray, b: np.ndarray) -> float:
    """Return the best agreement over all offsets with 70 % of the shorter one shared, as `fingerprint.similar`."""
    least = max(1, int(np.ceil(0.7 * min(len(a), len(b)))))
    best = 0.0
    for offset in range(least - len(b), len(a) - least + 1):
        first, last = max(0, offset), min(len(a), offset + len(b))
        if last - first >= least and last > first:
            differing = fingerprint.n_bits(a[first:last] ^ b[first - offset : last - offset]).mean() / 32
            best = max(best, 1 - 2 * float(differing))
    return best


def read(row: dict) -> np.ndarray:
    samples, rate = soundfile.read(CORPUS / row["audio"], dtype="float32")
    return samples if rate == RATE else soxr.resample(samples, rate, RATE)


def found_copies(rows: list[dict], n_copies: int, with_chromaprint: bool) -> None:
    rng = np.random.default_rng(2)
    index = Index()
    sounds = [read(row) for row in rows[:n_copies]]
    for row in rows:
        index.add(fingerprint.of(read(row), RATE))
    originals = len(index)
    made = []  # (original, change)
    prints: dict[str, list[float]] = {name: [] for name in CHANGES}
    other: list[float] = []
    for number, sound in enumerate(sounds):
        own = chromaprint(sound, RATE) if with_chromaprint else None
        for name, change in CHANGES.items():
            changed, rate = change(sound, rng)
            made.append((number, name))
            index.add(fingerprint.of(changed.astype(np.float32), rate))
            if own is not None and (theirs := chromaprint(changed, rate)) is not None:
                prints[name].append(chromaprint_alike(own, theirs))
        if own is not None and number:
            before = chromaprint(sounds[number - 1], RATE)
            other.append(chromaprint_alike(own, before) if before is not None else 0.0)
    pairs = {(pair.first, pair.second): pair for pair in index.pairs()}
    alike: dict[str, list[bool]] = {name: [] for name in CHANGES}
    for place, (number, name) in enumerate(made):
        alike[name].append((number, originals + place) in pairs)
    bound = max(0.5, float(np.quantile(other, 0.999))) if other else None
    print(f"\n{n_copies} clips, changed, among {originals} others\n")
    print("| change | found, of 100 |" + (" Chromaprint, of 100 |" if bound else ""))
    print("|---|---|" + ("---|" if bound else ""))
    for name in CHANGES:
        theirs = f" {100 * np.mean(np.array(prints[name]) > bound):.0f} |" if bound else ""
        print(f"| {name} | {100 * np.mean(alike[name]):.0f} |{theirs}")
    owner = [*range(originals), *(number for number, _ in made)]
    wrong = [pair for pair in pairs.values() if owner[pair.first] != owner[pair.second]]
    print(f"\n{len(pairs)} pairs found, {len(wrong)} of them of different clips; nearest:")
    rest = [index.words(i) for i in range(min(originals, 400))]
    nearest = max(fingerprint.similar(a, b) for i, a in enumerate(rest) for b in rest[:i:7])
    print(f"two different clips are alike by {nearest:.2f} at most (bound {NEAR})")
    if bound:
        print(
            f"Chromaprint: bound {bound:.2f}, that 999 of 1000 other pairs keep below; no words for clips under 2.3 s"
        )


def large(rows: list[dict], n: int) -> None:
    """Search among n fingerprints: real ones, and these backwards and with their bands turned round.

    Those are as strange to each other as other clips, with moments as common as those of speech. One in a thousand is a
    copy with a tenth of its bits turned over.
    """
    rng = np.random.default_rng(3)
    real = [fingerprint.of(read(row), RATE) for row in rows]
    index, planned = Index(), set()
    for number in range(n):
        words = real[number % len(real)]
        turn = number // len(real)
        if turn and number % 1000 == 0:
            planned.add((number % len(real), index.add(worn(words, rng, 0.1))))
            continue
        words = words[::-1] if turn % 2 else words
        by = np.uint32(turn // 2 % 32)
        index.add(words << by | words >> np.uint32(32 - by) if by else words)
    n_words = sum(len(index.words(i)) for i in range(n))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found = {(pair.first, pair.second) for pair in index.pairs()}
    wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{n} recordings, {n_words / 50 / 3600:.0f} h, {n_words / 1e6:.1f} million words")
    print(f"{wall:.0f} s, {cpu:.0f} s of processor; peak {peak:.0f} MB, {before:.0f} MB of it before the search")
    print(f"{len(planned & found)} of {len(planned)} copies found, and {len(found - planned)} other pairs")


def worn(words: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    flips = np.packbits(rng.random((len(words), 32)) < share, axis=1).view(">u4")[:, 0].astype(np.uint32)
    return words ^ flips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=2000)
    parser.add_argument("--copies", type=int, default=200)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--no-chromaprint", action="store_true")
    parser.add_argument("--figures", default="throughput,fingerprint,large")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        name, path, jobs, out = asked.one
        one(name, Path(path), int(jobs), Path(out))
        return
    rows = chosen(asked.n)
    wanted = asked.figures.split(",")
    if "throughput" in wanted:
        throughput(rows)
    if "fingerprint" in wanted:
        found_copies(rows, asked.copies, not asked.no_chromaprint)
    if "large" in wanted:
        large(rows, asked.large)


if __name__ == "__main__":
    main()
