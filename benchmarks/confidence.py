"""Fit and judge the weights of `melisma.aligner.confidence` on made-up songs; print them and how honest they are.

    python benchmarks/confidence.py [--songs 38] [--cache FOLDER]
    python benchmarks/confidence.py --judge ../shared/songs

The songs are those of `doubtful_songs.py`. A word is right if its onset is within 0.3 s of the truth. The line
`WEIGHTS = …` is to be pasted; it is fitted on all songs that come with their own lyrics. The tables say what such
weights are worth: fitted on every other song and judged on the rest; fitted on two kinds of songs and judged on the
third; with one witness left out. `--judge` fits nothing: it aligns real songs with the weights as shipped, says what
their confidence is worth, and how sure whole songs are with their own lyrics and with those of the next.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
from doubtful_songs import ANOTHERS, AS_SUNG, DAMAGED, Song, songs
from scipy.optimize import minimize

from melisma.aligner import confidence, words
from melisma.aligner.confidence import WEIGHTS, WITHIN_S, Weights
from melisma.aligner.search import search
from melisma.core.records import Alignment
from melisma.engines.phone import PhoneEngine
from melisma.metrics.alignment import onset_errors
from melisma.pipeline.align import align

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared").resolve()
CACHE = Path(tempfile.gettempdir()) / "melisma-confidence"
WITNESSES = tuple(field.name for field in fields(Weights))[1:]
_STEPS = (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.01)


@dataclass(frozen=True, slots=True)
class Case:
    """A song whose words were placed: what is known of them, float32 [n_words, 4], and whether they are right."""

    kind: str
    text: str
    known: np.ndarray
    right: np.ndarray


def case(song: Song) -> Case:
    """Align a song."""
    path = search(song.emission, song.tokens)
    placed = words.words(path, song.emission, song.tokens, song.lyrics)
    ends = np.array([w.end // song.emission.timebase.stride for w in placed], np.int64)
    known = words.evidence(path, song.emission, song.tokens, ends).columns()
    off = np.abs(np.array([w.start_s for w in placed]) - song.starts_s)
    return Case(song.kind, song.text, known, off <= WITHIN_S)  # false for what is never sung


def pooled(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray]:
    """Put the words of all songs together."""
    return np.concatenate([c.known for c in cases]), np.concatenate([c.right for c in cases])


def fit(cases: Sequence[Case], leave_out: str = "") -> Weights:
    """Fit by logistic regression; no weight is negative, and silence under a word must speak against it.

    Songs with the lyrics of another take no part: that is for the whole song to say, not for the word.
    """
    known, right = pooled([c for c in cases if c.text != ANOTHERS])
    sign = np.where(right, 1, -1)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        score = sign * (x[0] + known @ x[1:])
        slope = -sign / (1 + np.exp(np.clip(score, -50, 50))) / len(sign)
        gradient = np.concatenate([[slope.sum()], known.T @ slope]) + 2e-4 * x
        return float(np.mean(np.logaddexp(0, -score)) + 1e-4 * np.sum(x**2)), gradient

    least = {name: 0.1 if name == "voice" else 0.0 for name in WITNESSES}
    bounds = [(0.0, 0.0) if name == leave_out else (least[name], None) for name in WITNESSES]
    best = minimize(loss, np.zeros(1 + len(WITNESSES)), jac=True, bounds=[(None, None), *bounds])
    return Weights(*(round(float(v), 3) for v in best.x))


def given(cases: Sequence[Case], weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence of all words, and whether they are right."""
    known, right = pooled(cases)
    return confidence.weigh(known, weights), right


def area(values: np.ndarray, right: np.ndarray) -> float:
    """Return how often a right word is given more than a wrong one, half for a draw: the area under the ROC curve."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(right.sum())
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(right) - n)))


def calibration_error(values: np.ndarray, right: np.ndarray, n_bins: int = 10) -> float:
    """Return the expected calibration error: mean distance of confidence and share of right words, in equal bins."""
    bins = np.minimum((values * n_bins).astype(np.int64), n_bins - 1)
    off = np.bincount(bins, values - right, n_bins)
    return float(np.abs(off).sum() / len(right))


def summary(values: np.ndarray, right: np.ndarray) -> str:
    """Write the figures of a set of words as cells of a table; where all are wrong there is no area."""
    brier = np.mean((values - right) ** 2)
    curve = f"{area(values, right):.3f}" if 0 < right.sum() < len(right) else "–"
    scores = f"{curve} | {brier:.4f} | {calibration_error(values, right):.3f}"
    return f"{len(right)} | {right.mean():.3f} | {values.mean():.3f} | {scores}"


HEAD = " words | right | mean confidence | area | Brier | calibration error |\n|---|---|---|---|---|---|---|"


def by_confidence(values: np.ndarray, right: np.ndarray) -> None:
    """Print how often words of each confidence are right."""
    print("\n| confidence | words | mean confidence | right |\n|---|---|---|---|")
    for low, high in pairwise(_STEPS):
        inside = (values >= low) & (values < high)
        if inside.any():
            cells = f"{inside.sum()} | {values[inside].mean():.2f} | {right[inside].mean():.2f}"
            print(f"| {low:.1f}–{min(high, 1):.1f} | {cells} |")


def report(cases: Sequence[Case]) -> None:
    """Fit on all songs; then on every other one and judge on the rest, across kinds, and with one witness left out."""
    weights, judges = fit(cases[::2]), cases[1::2]
    print(f"WEIGHTS = {fit(cases)}\n\n| judged on |{HEAD}")
    for kind, text in sorted({(c.kind, c.text) for c in judges}):
        some = [c for c in judges if (c.kind, c.text) == (kind, text)]
        print(f"| {kind}, lyrics {text} | {summary(*given(some, weights))} |")
    rest = [c for c in judges if c.text != ANOTHERS]
    print(f"| all but another's | {summary(*given(rest, weights))} |")
    print(f"| the same, weights as shipped | {summary(*given(rest, WEIGHTS))} |")
    by_confidence(*given(rest, weights))
    print(f"\n| judged on, fitted on the others |{HEAD}")
    for kind in sorted({c.kind for c in cases}):
        own = [c for c in cases if c.kind == kind and c.text != ANOTHERS]
        print(f"| {kind} | {summary(*given(own, fit([c for c in cases if c.kind != kind])))} |")
    print(f"\n| left out |{HEAD}")
    for name in WITNESSES:
        print(f"| {name} | {summary(*given(rest, fit(cases[::2], name)))} |")
    for text in (AS_SUNG, DAMAGED, ANOTHERS):
        of_songs(text, [given([c], weights)[0].mean() for c in cases if c.text == text])


def of_songs(text: str, means: Sequence[float]) -> None:
    """Print how sure whole songs are."""
    deciles = ", ".join(f"{v:.2f}" for v in np.quantile(means, (0, 0.1, 0.5, 0.9, 1)))
    print(f"\nmean confidence of songs, lyrics {text}: {deciles} (least, first decile, median, last decile, most)")


def judge(folder: Path) -> None:
    """Say what the confidence is worth on real songs, each a folder with audio, lyrics.txt, gold.csv and meta.json."""
    sure_of: list[list[float]] = []
    strange: list[float] = []
    errors: list[np.ndarray] = []
    found = sorted(path.parent for path in folder.glob("*/gold.csv"))
    for song, other in zip(found, [*found[1:], *found[:1]], strict=True):
        with (song / "gold.csv").open(encoding="utf-8", newline="") as file:
            truth = np.array([float(row["start_s"]) for row in csv.DictReader(file)])
        made, misled = (placed(song, text) for text in (song, other))
        sure_of.append([w.confidence or 0.0 for w in made.words])
        strange += [misled.confidence_avg or 0.0]
        errors.append(onset_errors([np.nan if w.start_s is None else w.start_s for w in made.words], truth))
    off, sure = np.abs(np.concatenate(errors)), np.concatenate(sure_of)
    print(f"| right is within |{HEAD}")
    for within in (WITHIN_S, 1.0):
        print(f"| {within:.1f} s | {summary(sure, off <= within)} |")
    by_confidence(sure, off <= WITHIN_S)
    of_songs(AS_SUNG, [float(np.mean(some)) for some in sure_of])
    of_songs(ANOTHERS, strange)


def placed(song: Path, text: Path) -> Alignment:
    """Align the recording of one song with the lyrics of another, or with its own."""
    language = json.loads((text / "meta.json").read_text("utf-8"))["language"]
    return align(next(song.glob("audio.*")), text / "lyrics.txt", language=language)


def main() -> None:
    """Fit on one half and judge on the other, or judge on real songs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=38, help="of each kind (%(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where clips are kept (%(default)s)")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="of real songs to judge the shipped weights on")
    options = parser.parse_args()
    if options.judge:
        judge(options.judge)
    elif not (SHARED / "corpus").is_dir():
        print(f"skipped: there is no {SHARED / 'corpus'} (MELISMA_SHARED names the folder)")
    else:
        report([case(song) for song in songs(options.songs, SHARED, options.cache, PhoneEngine())])


if __name__ == "__main__":
    main()
