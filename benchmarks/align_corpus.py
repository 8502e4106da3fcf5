"""How fast a corpus is aligned, and how well right transcripts are told from wrong ones.

    OMP_NUM_THREADS=1 MELISMA_THREADS=1 python benchmarks/align_corpus.py [--clips 200] [--engine auto]

Clips are drawn from $MELISMA_SHARED/corpus. They are aligned by one process and by two, each run into a new folder,
start of the processes and loading of the model included; then again with each transcript given to another clip of the
same language. Other work on the machine makes the seconds by the clock longer, those of the processor (of all
processes) hardly. The last table says which share of both gets through at each `--min-confidence`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from melisma.data import manifest, recordings
from melisma.data.align_corpus import Settings, write
from melisma.data.manifest import Utterance
from melisma.scale.local import LocalExecutor

LEAST = (0.0, 0.5, 0.8, 0.9, 0.95)


def permuted(lines: list[Utterance]) -> list[Utterance]:
    """Give each transcript to the next clip of its language."""
    by_language: dict[str, list[Utterance]] = defaultdict(list)
    for line in lines:
        by_language[line.language].append(line)
    return [
        line.changed(transcript=other.transcript)
        for group in by_language.values()
        if len(group) > 1
        for line, other in zip(group, [*group[1:], group[0]], strict=True)
    ]


def confidences(lines: list[Utterance], folder: Path, jobs: int, engine: str) -> list[float]:
    """Align; return the confidence of each, 0 where it could not be aligned."""
    manifest.write(folder / "m.jsonl", lines)
    out = folder / "out"
    write(recordings.read(folder / "m.jsonl"), out, Settings(engine, min_confidence=0), executor=LocalExecutor(jobs))
    found = [float((each.model_extra or {})["alignment_confidence"]) for each in manifest.read(out / "manifest.jsonl")]
    return found + [0.0] * (len(lines) - len(found))


def processor_s() -> float:
    """Return what this process and those that it has ended have taken of the processor, in seconds."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--engine", default="auto")
    asked = parser.parse_args()
    corpus = Path(os.environ.get("MELISMA_SHARED", "shared")).resolve() / "corpus" / "manifest.jsonl"
    drawn = random.Random(1).sample(list(manifest.read(corpus)), asked.clips)
    lines = [each.changed(audio=str(manifest.audio_path(corpus, each))) for each in drawn]
    seconds = sum(each.duration for each in lines)
    print(f"{len(lines)} clips, {seconds:.0f} s\n")
    print("| processes | seconds by the clock | of the processor | audio for each of the processor |")
    print("|---|---|---|---|")
    right: list[float] = []
    for jobs in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            begun, used = time.perf_counter(), processor_s()
            right = confidences(lines, Path(name), jobs, asked.engine)
            took = time.perf_counter() - begun
            used = processor_s() - used
            print(f"| {jobs} | {took:.1f} | {used:.1f} | {seconds / used:.0f} |")
    with tempfile.TemporaryDirectory() as name:
        wrong = confidences(permuted(lines), Path(name), 2, asked.engine)
    print(f"\n| `--min-confidence` | {len(right)} right | {len(wrong)} wrong |\n|---|---|---|")
    for least in LEAST:
        shares = (sum(each > 0 and each >= least for each in kind) / len(kind) for kind in (right, wrong))
        print(f"| {least:g} | {' | '.join(f'{share:.1%}' for share in shares)} |")


if __name__ == "__main__":
    main()
