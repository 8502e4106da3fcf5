"""What executors cost, and that they lose and double nothing when a process or a node is lost.

    MELISMA_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/executors.py [--songs 1000] [--parts time,faults,tasks]

Songs of a few seconds are made once: a line in one of espeak-ng's voices, on a pitch for each, over a chord. They are
aligned as `melisma align MANIFEST` does it, by 1 and 2 processes of this machine and by 1 and 2 Ray actors, each run
from nothing: processes, Ray, models. "Start" is the time until the first song is done, "overhead" what a song takes
after that beyond its share of the same stage called in a loop, `(seconds - start) * processes / songs - loop`. Other
work on the machine makes all of these longer, but hardly the time of the processors: of all processes of the run, with
what starts them. Then runs in which a process is killed, and a Ray node is stopped: every song is there, once, and the
files are the same bytes. The last table is of tasks that do nothing, with a journal.

Start it with `setsid`, or from a shell of its own: processes are counted and killed by their session.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile
import soxr

from melisma.data import recordings
from melisma.data.batch import align
from melisma.data.batch.align import Align
from melisma.pipeline.align import AlignConfig
from melisma.scale.journal import Journal
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress, Task
from melisma.scale.ray import RayExecutor, connect
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.synth.voice import SINGERS
from melisma.testing.executors import Script
from melisma.text.espeak import voice_code

NOUNS = ("river", "morning", "window", "silver lake", "summer", "candle", "city", "garden", "ocean", "winter night")
VERBS = ("remembers", "is calling", "will carry", "has forgotten", "sings for", "is waiting for", "belongs to")
ENDS = ("the children of the hill", "all the lonely stars", "my heart tonight", "a sailor far away", "the falling rain")
RATE = 16_000


def song(number: int) -> tuple[np.ndarray, str]:
    """Make a short song: samples at `RATE`, and its words."""
    rng = random.Random(number)
    words = f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} {rng.choice(ENDS)}"
    voice = SINGERS[rng.choice(sorted(SINGERS))]
    samples, _ = utter(words, voice_code("en"), voice.variant, voice.speed, rng.randint(30, 70))
    sung = soxr.resample(np.asarray(samples, np.float32), SAMPLE_RATE, RATE)
    at = np.arange(len(sung)) / RATE
    chord = sum(np.sin(2 * np.pi * 110 * 2 ** ((rng.randint(0, 11) + step) / 12) * at) for step in (0, 4, 7))
    return (0.5 * sung / max(1e-6, np.abs(sung).max()) + 0.05 * chord).astype(np.float32), words


def make_songs(folder: Path, n: int) -> Path:
    """Write songs and their manifest; return that."""
    path = folder / "manifest.jsonl"
    lines = []
    for number in range(n):
        samples, words = song(number)
        soundfile.write(folder / f"{number:04d}.flac", samples, RATE)
        seconds = len(samples) / RATE
        facts = {"id": f"song-{number:04d}", "audio": f"{number:04d}.flac", "duration": seconds, "language": "en"}
        lines.append(json.dumps({**facts, "transcript": words, "license": "CC0-1.0", "source": "espeak"}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def stage_into(out: Path) -> Align:
    """Return the stage of `melisma align`."""
    return Align(str(out), config=AlignConfig(engine="auto", language="en"))


def run(manifest: Path, out: Path, executor: Executor, progress: Progress | None = None) -> tuple[float, float]:
    """Align all; return the seconds by the clock until the first was done, and until the end."""
    begun = time.perf_counter()
    first: list[float] = []

    def told(name: str, share: float) -> None:
        first.append(time.perf_counter() - begun)
        if progress is not None:
            progress(name, share)

    made = align.run(recordings.read(manifest), stage_into(out), executor=executor, progress=told)
    if made.problems:
        raise SystemExit(f"{len(made.problems)} songs failed: {made.problems[0]}")
    return first[0], time.perf_counter() - begun


def digest(out: Path) -> tuple[int, str]:
    """Return how many files of songs there are, and the hash of all files."""
    total, n = hashlib.sha256(), 0
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        n += path.name.startswith("song-")
        total.update(path.relative_to(out).as_posix().encode() + b"\0" + path.read_bytes())
    return n, total.hexdigest()[:16]


def check(out: Path, manifest: Path, expected: str | None) -> str:
    """Hold a folder to what every run gives; return the hash."""
    asked = [json.loads(line)["id"] for line in manifest.read_text(encoding="utf-8").splitlines()]
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    if [json.loads(line)["id"] for line in lines] != asked:
        raise SystemExit(f"{out.name}: songs are lost, doubled or out of order")
    n, found = digest(out)
    if n != len(asked) or (expected is not None and found != expected):
        raise SystemExit(f"{out.name}: {n} files of {len(asked)}, {found} instead of {expected}")
    return found


@contextmanager
def ray_here() -> Iterator[None]:
    """End Ray after a run, so that the next one begins without it."""
    import ray

    try:
        yield
    finally:
        ray.shutdown()


def processors_s() -> float:
    """Return what the processes of this session, and those that they have ended, have taken of the processors."""
    ticks = 0
    for each in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # ended meanwhile, or no process
            if os.getsid(int(each.name)) == os.getsid(0):
                ticks += sum(map(int, (each / "stat").read_bytes().rpartition(b")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def loop_s(manifest: Path, out: Path) -> tuple[float, float]:
    """Return the seconds a song takes where the stage is called in a loop, its model loaded; by clock and processor."""
    found = recordings.read(manifest)
    stage = stage_into(out)
    tasks = [align.task_of(manifest, each) for each, _ in zip(found, range(200), strict=False)]
    stage(tasks[0].item)
    begun, used = time.perf_counter(), time.process_time()
    for task in tasks:
        stage(task.item)
    return (time.perf_counter() - begun) / len(tasks), (time.process_time() - used) / len(tasks)


def times(manifest: Path, folder: Path) -> str:
    """Print the table of times; return the hash that all runs gave."""
    alone, worked = loop_s(manifest, folder / "loop")
    n = len(manifest.read_text(encoding="utf-8").splitlines())
    said = f"{1000 * alone:.0f} ms a song by the clock, {1000 * worked:.0f} ms of the processor"
    print(f"{n} songs; the stage in a loop takes {said}\n")
    head = (
        "executor | processes | seconds | start | songs a second | efficiency | overhead a song (ms) | processors (s)"
    )
    print(f"| {head} | hash |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    expected: str | None = None
    for name, kind in (("local", LocalExecutor), ("ray", RayExecutor)):
        first = 0.0
        for workers in (1, 2):
            out = folder / f"{name}-{workers}"
            used = processors_s()
            with ray_here():
                start, took = run(manifest, out, kind(workers))
                used = processors_s() - used
            expected = check(out, manifest, expected)
            first = first or took
            over = 1000 * ((took - start) * workers / n - alone)
            speed = f"{n / took:.1f} | {first / took / workers:.2f} | {over:.0f}"
            row = f"{took:.1f} | {start:.1f} | {speed} | {used:.1f} | `{expected}`"
            print(f"| {name} | {workers} | {row} |", flush=True)
    return expected or ""


def when(share: float, happens: Callable[[], None]) -> Progress:
    """Return what does something once, when a share of the work is done."""
    left = [happens]

    def told(_: str, done: float) -> None:
        if left and done >= share:
            left.pop()()

    return told


def kill_a_process() -> None:
    """Kill one of the processes that this one started, as where memory runs out."""
    os.kill(next(each.pid or 0 for each in multiprocessing.active_children()), signal.SIGKILL)


def kill_an_actor() -> None:
    """Kill an actor of this run: on Linux the name of its process says what it is."""
    for each in Path("/proc").iterdir():
        with suppress(OSError):  # ended meanwhile, or no process
            is_actor = (each / "comm").read_text(encoding="utf-8").startswith("ray::Actor")
            if is_actor and os.getsid(int(each.name)) == os.getsid(0):
                os.kill(int(each.name), signal.SIGKILL)
                return
    raise SystemExit("there is no actor to kill")


def faults(manifest: Path, folder: Path, expected: str | None) -> None:
    """Print what is left after a process and a node are lost."""
    import ray
    from ray.cluster_utils import Cluster

    print("\n| executor | what happens halfway | seconds | songs | hash |\n|---|---|---|---|---|", flush=True)

    def row(name: str, what: str, executor: Executor, happens: Callable[[], None]) -> None:
        nonlocal expected
        out = folder / f"{name}-{what}".replace(" ", "-")
        _, took = run(manifest, out, executor, when(0.5, happens))
        expected = check(out, manifest, expected)
        print(f"| {name} | {what} | {took:.1f} | {digest(out)[0]} | `{expected}` |", flush=True)

    row("local, 2 processes", "one is killed", LocalExecutor(2), kill_a_process)
    with ray_here():
        connect("local")
        row("ray, 2 actors", "one is killed", RayExecutor(2), kill_an_actor)
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    lost = cluster.add_node(**node)
    with ray_here():
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        ray._private.worker._worker_logs_enabled = False
        stop = lambda: cluster.remove_node(lost, allow_graceful=False)  # noqa: E731 - of this cluster
        row("ray, 2 nodes", "one is stopped", RayExecutor(2), stop)
    cluster.shutdown()


def tasks_alone(folder: Path, n: int = 5000) -> None:
    """Print what a task costs that does nothing, and a lease."""
    print(f"\n| executor | processes | ms a task that does nothing ({n}, with a journal) |\n|---|---|---|", flush=True)
    tasks = [Task(f"task {number}", number) for number in range(n)]
    for name, kind in (("local", LocalExecutor), ("ray", RayExecutor)):
        for workers in (1, 2):
            with ray_here():
                outcomes = kind(workers).run(Script(), tasks, journal=folder / f"journal-{name}-{workers}")
                next(outcomes)  # started
                begun = time.perf_counter()
                list(outcomes)
                print(f"| {name} | {workers} | {1000 * (time.perf_counter() - begun) / n:.2f} |", flush=True)
    with Journal(folder / "leases", Script()) as journal:
        begun = time.perf_counter()
        for task in tasks:
            journal.lease([task])
    print(f"\nA lease takes {1e6 * (time.perf_counter() - begun) / n:.0f} µs.")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=1000)
    parser.add_argument("--parts", default="time,faults,tasks")
    asked = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "songs").mkdir()
        manifest = make_songs(folder / "songs", asked.songs)
        expected = times(manifest, folder) if "time" in asked.parts else None
        if "faults" in asked.parts:
            faults(manifest, folder, expected)
        if "tasks" in asked.parts:
            tasks_alone(folder)


if __name__ == "__main__":
    main()
