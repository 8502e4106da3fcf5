"""Seconds that synced lyrics cost: fitting the hints of 1,000 lines, and putting 6,000 heard words into them.

python benchmarks/synced.py [--lines 1000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from melisma.aligner.regroup import regroup
from melisma.aligner.synced import HeardLine, sync
from melisma.core.records import LyricLine, Lyrics, Word


def best_of(run: Callable[[], object], n: int = 5) -> float:
    seconds = []
    for _ in range(n):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1000)
    n_lines = parser.parse_args().lines
    generator = np.random.default_rng(0)
    starts = np.cumsum(generator.uniform(2.0, 6.0, n_lines))
    vocabulary = ["".join(generator.choice(list("aeioubdfglmnprst"), 5)) for _ in range(2000)]
    lines = [
        LyricLine(tuple(generator.choice(vocabulary, 6)), 0, round(start * 1000), round(start * 1000) + 1800)
        for start in starts
    ]
    moved = 3.0 + 1.02 * starts + generator.normal(0.0, 0.3, n_lines)
    heard = [HeardLine(float(start), 0.8) for start in moved]
    seconds = best_of(lambda: sync(Lyrics(tuple(lines)), heard, float(moved[-1]) + 10))
    print(f"fit of {n_lines} lines: {seconds:.2f} s")
    words = [
        Word(text, 0, at, at + 250)
        for line, start in zip(lines, starts, strict=True)
        for k, text in enumerate(line.words)
        for at in [round(start * 1000) + 300 * k]
    ]
    found = regroup(words, lines)
    seconds = best_of(lambda: regroup(words, lines))
    print(f"regrouping of {len(words)} words into {n_lines} lines: {seconds:.2f} s, {found.skipped_words} skipped")


if __name__ == "__main__":
    main()
