"""How fast and how well heard words find known ones: `python benchmarks/matching.py [--repeats N] [--songs FOLDER]`.

Made-up songs, as a transcriber hears them: some words lost, put in, misheard or torn apart, starts off by 60 ms. The
larger sizes are several songs behind each other, so that choruses and small words come back as in an hour of music.
Seconds are those of the processor, in one thread. With a folder of songs, the same is done to their gold words.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from melisma.aligner.match import Match, match
from melisma.core.records import Heard, HeardWord, LyricLine, Lyrics
from melisma.core.timebase import SECONDS
from melisma.synth.score import CLOCK, score_of_length

LANGUAGES = ("en", "fr", "de")
PAUSE_S = 2.0  # between two songs


@dataclass(frozen=True)
class Faults:
    """Shares of words that go wrong, and the spread of starts in seconds."""

    lost: float = 0.08
    added: float = 0.05
    misheard: float = 0.12
    torn: float = 0.04
    jitter_s: float = 0.06


@dataclass(frozen=True)
class Truth:
    """Words and where they begin and end, in seconds, and how long the whole is."""

    words: tuple[tuple[str, int, float, float], ...]  # text, line, start, end
    duration_s: float

    @property
    def lyrics(self) -> Lyrics:
        """The words, line by line."""
        lines: dict[int, list[str]] = {}
        for text, line, _, _ in self.words:
            lines.setdefault(line, []).append(text)
        return Lyrics(tuple(LyricLine(tuple(words)) for words in lines.values()))


def songs(n_words: int, language: str, seed: int) -> Truth:
    """Write songs behind each other until there are so many words."""
    words: list[tuple[str, int, float, float]] = []
    at, line = 0.0, 0
    while len(words) < n_words:
        score = score_of_length(240, language, seed=seed)
        words += [(w.text, line + w.line, at + w.start_s, at + w.end_s) for w in score.words]
        line, at, seed = words[-1][1] + 1, at + 240 + PAUSE_S, seed + 1
    kept = tuple(words[:n_words])
    return Truth(kept, kept[-1][3] + PAUSE_S)


def misspelt(text: str, rng: np.random.Generator) -> str:
    letters = list(text)
    for _ in range(rng.integers(1, max(2, len(letters)))):
        letters[rng.integers(len(letters))] = str(rng.choice(list("aeioust")))
    return "".join(letters)


def heard(truth: Truth, faults: Faults, rng: np.random.Generator) -> Heard:
    """Hear a song as a transcriber does."""
    words: list[HeardWord] = []
    at = 0.0
    shares = np.array([faults.lost, faults.added, faults.misheard, faults.torn])
    for text, _, start_s, end_s in truth.words:
        lost, added, misheard, torn = rng.random(4) < shares
        if lost:
            continue
        start = max(at, start_s + rng.normal(0, faults.jitter_s))
        end = max(start + 0.05, end_s)
        said = misspelt(text, rng) if misheard else text
        parts = (said[:2], said[2:]) if torn and len(said) > 3 else (said,)
        edges = np.linspace(start, end, len(parts) + 1)
        words += [HeardWord(p, a, b, 0.8) for p, a, b in zip(parts, edges, edges[1:], strict=False)]
        at = end
        if added:
            words.append(HeardWord(str(rng.choice(["oh", "yeah", "and", "la"])), end, end + 0.05, 0.3))
            at = end + 0.05
    return Heard(tuple(words), SECONDS)


def real(song: Path) -> tuple[str, Truth]:
    """Read the language and the gold words of a song."""
    with (song / "gold.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = tuple((r["word"], int(r["line"]), float(r["start_s"]), float(r["end_s"])) for r in rows)
    language = json.loads((song / "meta.json").read_text(encoding="utf-8"))["language"]
    return language, Truth(words, words[-1][3] + PAUSE_S)


def row(name: str, faults: Faults, truths: list[tuple[str, Truth]]) -> str:
    """Measure some songs."""
    seconds, errors, confidences, n_unsung, n_all = [], [], [], 0, 0
    for number, (language, truth) in enumerate(truths):
        said = heard(truth, faults, np.random.default_rng(number))
        duration = CLOCK.ticks(truth.duration_s)
        match(said, truth.lyrics, duration, CLOCK, language)  # fills what is cached of a language's spelling
        begin = time.process_time()
        got: Match = match(said, truth.lyrics, duration, CLOCK, language)
        seconds.append(time.process_time() - begin)
        n_unsung, n_all = n_unsung + got.n_unsung, n_all + len(got.words)
        for word, true in zip(got.words, truth.words, strict=True):
            if word.start_s is not None and word.confidence is not None:
                errors.append(abs(word.start_s - true[2]))
                confidences.append(word.confidence)
    off = np.array(errors) >= 0.3
    sure = np.array(confidences)
    return (
        f"| {name} | {faults.lost:.0%}, {faults.added:.0%}, {faults.misheard:.0%}, {faults.torn:.0%} "
        f"| {statistics.median(seconds):.2f} | {1 - n_unsung / n_all:.1%} | {np.mean(~off):.1%} "
        f"| {np.mean(np.array(errors) >= 1):.2%} | {sure[~off].mean():.2f} | {sure[off].mean():.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--songs", type=Path)
    asked = parser.parse_args()
    print("| words | lost, put in, misheard, torn | s | timed | within 0.3 s | off by 1 s | sure if right | if wrong |")
    print("|---|---|---|---|---|---|---|---|")
    made = {
        f"{n:,}": [
            (language, songs(n, language, seed=100 + 1000 * i))
            for i, language in enumerate(LANGUAGES[i % len(LANGUAGES)] for i in range(asked.repeats))
        ]
        for n in (300, 1_000, 10_000)
    }
    if asked.songs:
        made["real"] = [real(gold.parent) for gold in sorted(asked.songs.glob("*/gold.csv"))]
    for name, truths in made.items():
        for faults in (Faults(), Faults(0.25, 0.15, 0.25, 0.1)):
            print(row(name, faults, truths), flush=True)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
