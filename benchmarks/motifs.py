"""Motifs in a corpus of 84 hours and more: `python benchmarks/motifs.py [--units 15000000] [--vocab-size 500]`.

Made-up speech: a lexicon of 3,000 words of three to eleven units, drawn as Zipf's law has it, one unit in ten changed,
forty speakers, fifty units a second with one to three frames each. Every step runs in a process of its own; its time on
the clock and on the processors and the peak memory of this process and of SentencePiece's are printed, and for tenths
of the corpus too, so that it can be seen what grows with it. No audio is there, so pages are silent.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from melisma.data.units.motif_page import page
from melisma.units.line import JSON, UnitLine
from melisma.units.motifs import learn
from melisma.units.motifs.analysis import analyse
from melisma.units.motifs.corpus import Corpus
from melisma.units.motifs.find import Found
from melisma.units.motifs.learn import Learning
from melisma.units.motifs.model import MotifModel

K, N_WORDS, N_SPEAKERS = 100, 3000, 40


def made_up(n_units: int) -> Iterator[UnitLine]:
    """Yield utterances of some 17 s until there are so many units."""
    rng = np.random.default_rng(0)
    lexicon = [rng.integers(0, K, rng.integers(3, 12)) for _ in range(N_WORDS)]
    law = 1 / np.arange(1, N_WORDS + 1)
    n = total = 0
    while total < n_units:
        units = np.concatenate([lexicon[i] for i in rng.choice(N_WORDS, 65, p=law / law.sum())])
        changed = rng.random(len(units)) < 0.1
        units[changed] = rng.integers(0, K, changed.sum())
        units = units[np.append(True, units[1:] != units[:-1])]
        runs = rng.integers(1, 4, len(units))
        n, total = n + 1, total + len(units)
        about = (f"u{n}", f"audio/{n}.wav", tuple(units.tolist()), tuple(runs.tolist()), 0.0, 0.02 * int(runs.sum()))
        yield UnitLine(*about, f"speaker-{n % N_SPEAKERS}", "pt")


def write(folder: Path, n_units: int, size: int) -> str:
    with (folder / JSON).open("w", encoding="utf-8") as file:
        file.writelines(line.to_json() + "\n" for line in made_up(n_units))
    return f"{(folder / JSON).stat().st_size / 1e6:,.0f} MB"


def read(folder: Path, n_units: int, size: int) -> str:
    return f"{sum(len(each.units) for each in Corpus.of(folder).utterances()):,} units"


def learnt(folder: Path, n_units: int, size: int) -> str:
    sample = learn.draw(Corpus.of(folder).utterances(), Learning())
    found = learn.learn(sample, K, Learning(vocab_size=size))
    (folder / "motifs.model").write_bytes(found.data)
    return f"{found.model.n_joined:,} motifs of {sample.n_units:,} units"


def analysed(folder: Path, n_units: int, size: int) -> str:
    model = MotifModel.of((folder / "motifs.model").read_bytes(), "motifs.model")
    found = analyse(Corpus.of(folder), model)
    (folder / "motif_analysis.json").write_bytes(found.to_json({}))
    figures = found.figures
    return f"{figures['corpus']['tokens']:,} tokens, {figures['corpus']['seconds'] / 3600:.0f} h"


def drawn(folder: Path, n_units: int, size: int) -> str:
    """Analyse and draw the page."""
    model = MotifModel.of((folder / "motifs.model").read_bytes(), "motifs.model")
    corpus = Corpus.of(folder)
    made = page.write(corpus, Found(model, analyse(corpus, model), (), ()), folder)
    return f"{made.path.stat().st_size / 1e6:.1f} MB"


STEPS = {each.__name__: each for each in (write, read, learnt, analysed, drawn)}


def step(name: str, folder: Path, n_units: int, size: int) -> None:
    """Run one step in this process, and print its row."""
    begun, said = time.perf_counter(), STEPS[name](folder, n_units, size)
    took = time.perf_counter() - begun
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    busy = sum(each.ru_utime + each.ru_stime for each in used)
    memory = [f"{each.ru_maxrss / 1024:,.0f} MB" for each in used]
    print(f"| {n_units:,} | {name} | {took:.1f} s | {busy:.1f} s | {memory[0]} | {memory[1]} | {said} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=15_000_000)
    parser.add_argument("--vocab-size", type=int, default=500)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step, given.folder, given.units, given.vocab_size)
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| units | step | clock | processors | this process | SentencePiece | |\n|---|---|---|---|---|---|---|")
    for n_units in (given.units // 10, given.units):
        with tempfile.TemporaryDirectory(prefix="melisma-motifs-") as folder:
            for name in STEPS:
                how = ["--step", name, "--folder", folder, "--units", str(n_units)]
                subprocess.run([sys.executable, __file__, *how, "--vocab-size", str(given.vocab_size)], check=True)


if __name__ == "__main__":
    main()
