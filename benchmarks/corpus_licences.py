"""What licences of a large corpus cost: adding them up, writing the page, and taking a source out of it.

    python benchmarks/corpus_licences.py [--lines 1000000] [--sources 1000]

A manifest of so many lines from so many sources, and a second one of cuts of them with as many lines; no audio, for it
is files that are moved, not their content. Each step runs in a process of its own; memory is that process's peak.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from melisma.data.licence_document import document, take
from melisma.data.licences import taint
from melisma.data.manifest import read
from melisma.data.removal.choose import Selection
from melisma.data.removal.run import remove

LINE = (
    '{{"id":"{id}","audio":"audio/{id}.wav","duration":9.5,"transcript":"words of some length, as they are sung",'
    '"language":"hr","speaker_id":"s{speaker}","license":"CC-BY-4.0","source":"https://example.org/{source}"{more}}}\n'
)


def written(folder: Path, n_lines: int, n_sources: int) -> None:
    """Write two manifests: recordings, and cuts of them."""
    for name, more in (("recordings", ""), ("cuts", ',"clip_of":"r{n}","recording_id":"r{n}"')):
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for n in range(n_lines):
                source = n % n_sources
                kept = more.format(n=n)
                file.write(LINE.format(id=f"{name[0]}{n}", speaker=source // 3, source=source, more=kept))


def measured(step: Callable[[Path], object], folder: Path) -> tuple[float, float, float]:
    """Run a step in a fresh process; return its seconds, those of the processor, and its peak memory in MB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(step, folder, theirs))
    process.start()
    theirs.close()
    found: tuple[float, float, float] = ours.recv()
    process.join()
    return found


def _run(step: Callable[[Path], object], folder: Path, out) -> None:
    begin, used = time.perf_counter(), time.process_time()
    step(folder)
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    out.send((seconds, used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def add_up(folder: Path) -> object:
    return taint(read(folder / "recordings.jsonl"))


def page(folder: Path) -> object:
    manifests = [folder / "recordings.jsonl"]
    return document(take(manifests), manifests)


def look(folder: Path) -> object:
    return remove(Selection(sources=("https://example.org/7",)), [folder], apply=False)


def take_out(folder: Path) -> object:
    return remove(Selection(sources=("https://example.org/7",)), [folder], apply=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--sources", type=int, default=1000)
    asked = parser.parse_args()
    print("| step | seconds | of the processor | peak memory |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, asked.lines, asked.sources)
        for step, what in (
            (add_up, "`taint`, one manifest"),
            (page, "`DATA_LICENSES.md`, one manifest"),
            (look, "`data remove` of a source, two manifests, dry"),
            (take_out, "the same with `--apply`"),
        ):
            seconds, used, peak = measured(step, folder)
            print(f"| {what} | {seconds:.1f} | {used:.1f} | {peak:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
