"""The chain of units over 84 hours: memory, throughput of each stage, and a run that is killed twice on the way.

    python benchmarks/eighty_four_hours.py --hours 84 --folder FOLDER [--workers 2] [--executor local]

Makes long recordings of six made-up voices (a lexicon of syllables with Zipf's frequencies, pauses, a floor of noise),
runs `melisma units segment`, `fit`, `encode` (MFCC) and `motifs` over them, each as a user would, and then all of it a
second time, in which segmenting and encoding are killed (SIGKILL, the program and then, by their own watch, its
workers) and begun again. Both must leave the same bytes. Memory is that of the program and of its largest worker, by
/proc, a few times a second; "first" and "last" are the peaks of the first and the last quarter of a stage.

Recordings take 75 MB an hour as FLAC, segments 90 MB; those of the first run are deleted before the second begins, so
84 hours need 14 GB, and 230 MB for each worker and hour of its recording while it is cut.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from melisma.core.records import Float32

RATE = 22_050  # of the recordings; segments have 16 kHz
VOICES, SYLLABLES, WORDS = 6, 40, 400
KILLED = ("segment", "encode")  # stages that the second run is killed in
SAME = ("manifest.jsonl", "codebook.npz", "corpus_timestamped.jsonl", "all_units_for_bpe.txt", "motifs.model")
SAME += ("motifs.vocab", "motif_analysis.json", "processed_files.txt")
MELISMA = [sys.executable, "-c", "from melisma.cli.main import run; run()"]
# The syllables' formants, in Hz: about those of i, e, a, o, u of a man.
FORMANTS = ((270, 2290, 3010), (530, 1840, 2480), (730, 1090, 2440), (570, 840, 2410), (300, 870, 2240))


def syllables(voice: int) -> list[Float32]:
    """Return the syllables of a voice: noise or nothing, then harmonics through formants, float32 [n]."""
    rng = np.random.default_rng((7, voice))
    kinds = np.random.default_rng(11)  # which consonant and vowel each one is: the same for all voices
    made = []
    for _ in range(SYLLABLES):
        vowel, edge = FORMANTS[kinds.integers(len(FORMANTS))], kinds.uniform(0.02, 0.4)
        n = int(RATE * kinds.uniform(0.12, 0.24))
        at, f0 = np.arange(n) / RATE, 90 + 25 * voice
        pitch = f0 * (1 + 0.05 * np.sin(2 * np.pi * 3 * at + rng.uniform(0, 6)))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        sound = np.zeros(n)
        for k in range(1, int(4000 / f0)):
            gain = sum(1 / (1 + ((k * f0 - formant * (1 + 0.03 * voice)) / 90) ** 2) for formant in vowel)
            sound += gain * np.sin(k * phase)
        burst = np.diff(rng.normal(0, 1, n + 1)) * np.exp(-at / (0.1 * edge))
        shape = np.minimum(1, np.minimum(at, at[::-1]) / 0.02)
        made.append((shape * (0.12 * sound / np.abs(sound).max() + 0.08 * edge * burst)).astype(np.float32))
    return made


def talk(voice: int, seconds: float, seed: int) -> Iterator[Float32]:
    """Yield phrases with the pauses behind them until there are so many seconds, float32 [n] each."""
    inventory, rng = syllables(voice), np.random.default_rng((seed, voice))
    words = [np.random.default_rng((13, w)).integers(0, SYLLABLES, 2 + w % 3) for w in range(WORDS)]
    chance = 1 / np.arange(1, WORDS + 1)
    chance /= chance.sum()
    left = round(seconds * RATE)
    while left > 0:
        chosen = rng.choice(WORDS, int(rng.integers(6, 40)), p=chance)
        said = [inventory[k] for w in chosen for k in words[w]]
        pause = np.zeros(round(RATE * rng.uniform(0.6, 1.6)), np.float32)
        phrase = np.concatenate([*said, pause])[:left]
        left -= len(phrase)
        yield phrase * np.float32(rng.uniform(0.6, 1.0)) + rng.normal(0, 2e-4, len(phrase)).astype(np.float32)


def record(folder: Path, hours: float, file_hours: float, suffix: str) -> int:
    """Write the recordings, in a folder for each voice; return their size in bytes. What is there is kept."""
    total = 0
    n_files = max(1, round(hours / file_hours))
    for i in range(n_files):
        path = folder / f"voice{i % VOICES}" / f"{i:04d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            partial = path.with_name(f".{path.name}")
            kind = suffix.upper()
            with soundfile.SoundFile(partial, "w", RATE, 1, "PCM_16" if kind == "FLAC" else None, format=kind) as file:
                for phrase in talk(i % VOICES, 3600 * hours / n_files, i):
                    file.write(phrase)
            partial.rename(path)
        total += path.stat().st_size
    return total


@dataclass
class Memory:
    """Resident memory of a program and of its workers while it runs, in MB, and when it was looked at."""

    pid: int
    program: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Take a sample."""
        sizes = [_resident_mb(pid) for pid in [self.pid, *_children(self.pid)]]
        if sizes[0]:
            self.program.append(sizes[0])
            self.worker.append(max(sizes[1:], default=0.0))

    def peaks(self, of: list[float]) -> tuple[float, float]:
        """Return the peaks of the first and of the last quarter."""
        quarter = max(1, len(of) // 4)
        return max(of[:quarter], default=0.0), max(of[-quarter:], default=0.0)


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []


@dataclass(frozen=True)
class Ran:
    """How a stage went: seconds, memory, and how often it was killed."""

    seconds: float
    memory: Memory
    n_killed: int = 0


def run(command: list[str], kill_after_s: float | None = None) -> tuple[int, Memory, float]:
    """Run a command, killed after some seconds where that is asked for; its exit code, memory and seconds."""
    began = time.perf_counter()
    process = subprocess.Popen([*MELISMA, *command], stdout=subprocess.DEVNULL, start_new_session=True)
    memory, over = Memory(process.pid), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            memory.look()
            if kill_after_s is not None and time.perf_counter() - began > kill_after_s:
                process.send_signal(signal.SIGKILL)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    over.set()
    watcher.join()
    return code, memory, time.perf_counter() - began


def stages(source: Path, out: Path, more: list[str]) -> dict[str, list[str]]:
    """Return the commands."""
    segments, units = out / "data" / "segments", out / "units" / "made-up"
    lines = str(segments / "manifest.jsonl")
    return {
        "segment": [
            "units",
            "segment",
            str(source),
            "-o",
            str(segments),
            "--format",
            "flac",
            "--speaker-by-folder",
            *more,
        ],
        "fit": ["units", "fit", lines, "-o", str(units), "--encoder", "mfcc", "--n-init", "1", *more],
        "encode": ["units", "encode", lines, "-o", str(units), *more],
        "motifs": ["units", "motifs", str(units), "--sound-mb", "1", "-q"],
    }


def chain(source: Path, out: Path, more: list[str], kill_after_s: dict[str, float]) -> dict[str, Ran]:
    """Run all stages; those that are to be killed are, and are begun again."""
    found = {}
    for name, command in stages(source, out, more).items():
        n_killed, lost = 0, 0.0
        if name in kill_after_s:
            code, _, lost = run(command, kill_after_s[name])
            n_killed = int(code == -signal.SIGKILL)
            _until_gone(out)
        code, memory, seconds = run(command)
        if code != 0:
            sys.exit(f"{name} ended with {code}")
        found[name] = Ran(seconds + lost, memory, n_killed)
        print(f"{name}: {seconds + lost:.0f} s", "and killed on the way" if n_killed else "", flush=True)
    return found


def _until_gone(out: Path) -> None:
    """Wait until no worker of a program that was killed is left: they end by themselves."""
    said = os.fsencode(str(out))
    while any(said in _maps(pid) for pid in map(int, filter(str.isdigit, os.listdir("/proc")))):
        time.sleep(0.2)


def _maps(pid: int) -> bytes:
    if pid == os.getpid():
        return b""
    try:
        names = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
        return b"\0".join([Path(f"/proc/{pid}/cmdline").read_bytes(), *map(os.fsencode, names)])
    except OSError:
        return b""


def hashes(out: Path) -> dict[str, str]:
    """Return SHA-256 of what a run leaves; the manifest has that of every segment."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.name in SAME and path.is_file():
            found[path.relative_to(out).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def megabytes(folder: Path) -> float:
    """Return the size of a folder's files in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def table(ran: dict[str, Ran], hours: float) -> None:
    """Print throughput and memory."""
    print("\n| stage | seconds | hours of audio an hour | program, MB first · last | largest worker, MB first · last |")
    print("|---|---|---|---|---|")
    for name, each in ran.items():
        memory = [each.memory.peaks(of) for of in (each.memory.program, each.memory.worker)]
        sizes = " | ".join(f"{first:.0f} · {last:.0f}" for first, last in memory)
        print(f"| {name} | {each.seconds:.0f} | {3600 * hours / each.seconds:,.0f} | {sizes} |")
    total = sum(each.seconds for each in ran.values())
    print(f"| all | {total:.0f} | {3600 * hours / total:,.0f} | | |")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=84.0)
    parser.add_argument("--file-hours", type=float, default=1.0, help="length of a recording")
    parser.add_argument("--format", choices=("flac", "mp3"), default="flac", help="of the recordings")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--folder", type=Path, help="where all of it goes; a temporary one without, which is deleted")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work(asked, asked.folder or Path(temporary))


def work(asked: argparse.Namespace, folder: Path) -> None:
    """Make recordings, run the chain undisturbed and disturbed, compare."""
    more = ["--workers", str(asked.workers), "--executor", asked.executor, "-q"]
    source, whole, killed = folder / "recordings", folder / "undisturbed", folder / "killed"
    began = time.perf_counter()
    size = record(source, asked.hours, asked.file_hours, asked.format)
    print(
        f"{asked.hours:g} h of recordings, {size / 1e6:,.0f} MB, made in {time.perf_counter() - began:.0f} s",
        flush=True,
    )
    for out in (whole, killed):
        shutil.rmtree(out, ignore_errors=True)
    first = chain(source, whole, more, {})
    kept = hashes(whole)
    print(f"segments {megabytes(whole / 'data'):,.0f} MB, units and motifs {megabytes(whole / 'units'):,.0f} MB")
    shutil.rmtree(whole)
    second = chain(source, killed, more, {name: 0.4 * first[name].seconds for name in KILLED})
    table(first, asked.hours)
    print(f"\nkilled: {', '.join(name for name, each in second.items() if each.n_killed) or 'none'}")
    same = hashes(killed) == kept
    said = "the same bytes" if same else "NOT the same"
    print(f"{len(kept)} files of the undisturbed run and of the one that was killed: {said}")
    if not same:
        there = hashes(killed)
        sys.exit("\n".join(name for name in kept.keys() | there.keys() if kept.get(name) != there.get(name)))


if __name__ == "__main__":
    main()
