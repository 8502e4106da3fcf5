"""Clusters and corpora of units: how fast frames find their centres, codebooks are made and corpora written and read.

    python benchmarks/units_corpus.py [--hours 84]

Features are noise around a hundred centres, units are drawn with runs of three frames, as those of speech are. Prints
tables, in seconds of one processor; memory is the largest resident size of a process of its own. What encoding takes
with an encoder in front is in benchmarks/unit_encoders.py and benchmarks/eighty_four_hours.py.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from melisma.data.units import corpus_files
from melisma.data.units.corpus_files import Layout
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Task
from melisma.train.units import kmeans
from melisma.train.units.kmeans import Config
from melisma.train.units.sample import sampled
from melisma.units.codebook import nearest_centres
from melisma.units.line import UnitLine, joined
from melisma.units.read import read_lines

PER_HOUR = 3600 * 50
SEGMENT = 17 * 50  # frames; the document's segments last 17 s
DIMENSIONS = {"mfcc": 39, "phone": 384, "XLSR-53": 1024}


def frames(n: int, n_dims: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(100, n_dims)).astype(np.float32)
    return centres[rng.integers(0, 100, n)] + rng.normal(size=(n, n_dims)).astype(np.float32)


def apart(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Do it in a process of its own; what it tells, with its seconds and its memory."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_apart, args=(theirs, work, given))
    process.start()
    told = ours.recv()
    process.join()
    return told


def _apart(link: Any, work: Callable[..., dict[str, Any]], given: tuple[Any, ...]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = work(*given)
    link.send(told | {"mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "before_mb": before / 1024})


def predict(n_dims: int) -> dict[str, Any]:
    features = frames(20_000, n_dims)
    centres = frames(100, n_dims, 2)
    nearest_centres(features[:100], centres)
    begin, n = time.process_time(), 0
    while time.process_time() - begin < 2.0:
        nearest_centres(features, centres)
        n += len(features)
    return {"per_s": n / (time.process_time() - begin)}


def fit(n_dims: int) -> dict[str, Any]:
    begin = time.process_time()
    stream = (frames(SEGMENT, n_dims, seed) for seed in range(2 * PER_HOUR // SEGMENT))
    sample = sampled(stream, PER_HOUR, 0).frames()
    read = time.process_time()
    found = kmeans.fit(sample, Config())
    return {"read_s": read - begin, "fit_s": time.process_time() - read, "n_repaired": found.n_repaired}


def line(number: int) -> UnitLine:
    rng = np.random.default_rng(number)
    units = np.repeat(rng.integers(0, 100, SEGMENT // 3 + 1), 3)[:SEGMENT]
    return UnitLine(f"book/{number:06d}", f"audio/{number:06d}.wav", *joined(units.tolist()), 0.0, 17.0, "reader", "pt")


class Encoded:
    """What a journal asks of a stage."""

    name = "encode"

    def configuration(self) -> str:
        """Return nothing: all is alike."""
        return ""


def write(folder: str, n_lines: int) -> dict[str, Any]:
    """Write a corpus as `units encode` does after a run that was killed at its end: from the journal."""
    place = Path(folder)
    made = [line(number) for number in range(200)]
    with Journal(place / "journal", Encoded()) as journal:
        begin = time.process_time()
        for number in range(n_lines):
            one = made[number % 200]
            value = [[{"units": list(one.units), "runs": list(one.runs), "n_samples": 272000}]]
            journal.keep(Task(f"{number}", None), Outcome(f"{number}", value))
        kept = time.process_time()
        with corpus_files.opened(place, Layout(), {}, n_lines) as files:
            for number in range(n_lines):
                found = journal.find(Task(f"{number}", None))
                [[facts]] = found.value if found is not None else [[{}]]
                about = (f"book/{number:06d}", f"audio/{number:06d}.wav")
                files.add(UnitLine(*about, tuple(facts["units"]), tuple(facts["runs"]), 0.0, 17.0, "reader", "pt"))
                files.done(about[1])
        written = time.process_time()
    size = sum(path.stat().st_size for path in place.glob("[a-z]*_*"))
    return {
        "keep_s": kept - begin,
        "write_s": written - kept,
        "size_mb": size / 1e6,
        "journal_mb": (place / "journal").stat().st_size / 1e6,
    }


def read(folder: str) -> dict[str, Any]:
    begin, n = time.process_time(), 0
    said = hashlib.sha256()
    for each in read_lines(Path(folder)):
        n += each.n_frames
        said.update(each.id.encode())
    return {"read_s": time.process_time() - begin, "n_frames": n}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--hours", type=float, default=84.0)
    hours = asked.parse_args().hours
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MELISMA_THREADS": "1"}
    print("nearest of 100 centres       dims   frames/s  × real time")
    for name, n_dims in DIMENSIONS.items():
        told = apart(predict, n_dims)
        print(f"{name:<27} {n_dims:>5} {told['per_s']:>10,.0f} {told['per_s'] / 50:>12,.0f}")
    print("\nfit of 1 h sampled from 2 h  dims   sample s    fit s  memory MB  sample MB")
    for name, n_dims in DIMENSIONS.items():
        told = apart(fit, n_dims)
        kept = PER_HOUR * n_dims * 4 / 2**20
        row = f"{told['read_s']:>10.1f} {told['fit_s']:>8.1f} {told['mb']:>10.0f} {kept:>10.0f}"
        print(f"{name:<27} {n_dims:>5} {row}")
    print("\ncorpus        lines  journal s  write s  read s  MB on disk  journal MB  write, read: memory MB")
    for part in (hours / 4, hours):
        n_lines = round(part * PER_HOUR / SEGMENT)
        with tempfile.TemporaryDirectory() as folder:
            wrote = apart(write, folder, n_lines)
            back = apart(read, folder)
        row = f"{wrote['keep_s']:>10.1f} {wrote['write_s']:>8.1f} {back['read_s']:>7.1f} {wrote['size_mb']:>11.0f}"
        print(
            f"{part:>5.1f} h {n_lines:>10,} {row} {wrote['journal_mb']:>11.0f} {wrote['mb']:>8.0f} {back['mb']:>8.0f}"
        )


if __name__ == "__main__":
    main()
