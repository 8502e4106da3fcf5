"""Fit and judge what `melisma.aligner.confidence` makes of a song: how sure its words are, and how far off.

    python benchmarks/confidence.py [--songs 38] [--faulty 6] [--cache FOLDER] [--real ../shared/songs] [--plot FILE]

Made-up songs with doubtful lyrics (`doubtful_songs.py`) and with one fault each (`faulty_songs.py`) are searched as
songs are: passages left out, a second pass, backing voices. A word is right if its onset is within 0.3 s of where it
is sung, and wrong if nobody sings it; its error is that of the onset, 5 s at most, where it is sung. Every other song
is fitted, and the line `CALIBRATION = …` to be pasted; the rest is judged, with the weights that ship. Songs with
the lyrics of another take no part: that is for the gate to say (`gate.py`). `--real` fits nothing: it aligns real
songs, each a folder with audio, lyrics.txt, gold.csv and meta.json, and says what the shipped weights are worth there.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
from doubtful_songs import ANOTHERS, held_out, load_noise, sentences, songs, sung
from faulty_songs import FAULTS, FaultComposer
from scipy.optimize import minimize, nnls

from melisma.aligner import words
from melisma.aligner.confidence import (
    CALIBRATION,
    FURTHEST_S,
    WITHIN_S,
    Calibration,
    Context,
    calibrated,
    expected_errors_s,
)
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.core.errors import InputError
from melisma.core.records import Emission, Lyrics, Tokens, Word
from melisma.engines.phone import PhoneEngine
from melisma.pipeline.align import align

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared").resolve()
CACHE = Path(tempfile.gettempdir()) / "melisma-confidence"
ANOTHER = "another song"
WEIGHED = tuple(field.name for field in fields(Calibration))[:6]
_STEPS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)
_STEPS_MS = (0, 100, 125, 150, 200, 300, 500, 1000, 2000, 5001)
_LOOK_AGAIN = ("searched again, or a backing voice", "in the first search")


@dataclass(frozen=True, slots=True)
class Made:
    """A made-up song; `starts_s` holds per word every time at which it is sung."""

    name: str
    emission: Emission
    tokens: Tokens
    lyrics: Lyrics
    starts_s: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A song that was searched: what is known of the words that were placed, and their errors in s, [n_words]."""

    name: str
    context: Context
    errors_s: np.ndarray


@dataclass(frozen=True, slots=True)
class Judged:
    """Words with what is said of them, in probability and ms, and their true errors in s, all [n_words]."""

    confidence: np.ndarray
    expected_ms: np.ndarray
    errors_s: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Whether each is within 0.3 s."""
        return self.errors_s <= WITHIN_S

    @property
    def observed_ms(self) -> np.ndarray:
        """Their errors as they count, NaN for what nobody sings."""
        return 1000 * np.where(np.isfinite(self.errors_s), np.minimum(self.errors_s, FURTHEST_S), np.nan)

    @property
    def sung(self) -> Judged:
        """Those that somebody sings."""
        return self.some(np.isfinite(self.errors_s))

    def some(self, which: np.ndarray) -> Judged:
        """Return those words alone."""
        return Judged(self.confidence[which], self.expected_ms[which], self.errors_s[which])


def made_up(n_songs: int, n_faulty: int, cache: Path, engine: PhoneEngine) -> Iterator[Made]:
    """Make `n_songs` doubtful songs of each kind, and `n_faulty` of each kind with each fault."""
    for song in songs(n_songs, SHARED, cache, engine):
        starts = tuple(() if np.isnan(at) else (float(at),) for at in song.starts_s)
        name = ANOTHER if song.text == ANOTHERS else f"{song.kind}, lyrics {song.text}"
        yield Made(name, song.emission, song.tokens, song.lyrics, starts)
    manifest = held_out(SHARED / "corpus", cache, engine)
    music = [piece for piece in load_noise(SHARED / "noise", cache, 1) if piece.kind == "music"]
    for seed, (kind, path) in enumerate({"spoken": manifest, "sung": sung(manifest, cache, hours=0.3)}.items()):
        composer = FaultComposer(sentences(path, cache, engine), music, engine, seed)
        for which, fault in enumerate(FAULTS):
            for number in range(n_faulty):
                one = composer.faulty(100 * which + number, fault, kind)
                name = ANOTHER if fault == ANOTHER else f"{kind}, one fault each"
                yield Made(name, one.emission, one.tokens, one.lyrics, one.starts_s)


def case(song: Made) -> Case:
    """Search a song, and listen to what is known of its words before anything is calibrated."""
    with mock.patch.object(words, "settled", wraps=words.settled) as settled:
        placed = decode_words(song.emission, song.tokens, song.lyrics, DecoderConfig(refuse=False)).words
    before, first = settled.call_args_list[-1].args if settled.called else (placed, placed)
    own = [
        i
        for i in np.unique(song.tokens.word).tolist()
        if not placed[i].unsung and not any(np.isnan(at) for at in song.starts_s[i])
    ]
    context = Context(
        np.array([before[i].confidence for i in own], np.float32),
        np.array([before[i].expected_error_ms for i in own], np.float32) / 1000,
        np.array([before[i] is not first[i] for i in own], np.bool_),
        sum(word.unsung for word in placed) / len(placed),
    )
    return Case(song.name, context, np.array([_off_s(placed[i], song.starts_s[i]) for i in own]))


def _off_s(word: Word, starts_s: Sequence[float]) -> float:
    return min((abs((word.start_s or 0.0) - at) for at in starts_s), default=np.inf)


def fit(cases: Sequence[Case]) -> Calibration:
    """Fit by logistic regression, then by least squares of relative errors; no weight is negative."""
    known = np.concatenate([c.context.columns() for c in cases]).astype(np.float64)
    errors_s = np.concatenate([c.errors_s for c in cases])
    sign = np.where(errors_s <= WITHIN_S, 1, -1)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        score = sign * (x[0] + known @ x[1:])
        slope = -sign / (1 + np.exp(np.clip(score, -50, 50))) / len(sign)
        gradient = np.concatenate([[slope.sum()], known.T @ slope]) + 2e-4 * x
        return float(np.mean(np.logaddexp(0, -score)) + 1e-4 * np.sum(x**2)), gradient

    bounds = [(None, None), *((0.0, None) for _ in WEIGHED[1:])]
    best = minimize(loss, np.zeros(len(WEIGHED)), jac=True, bounds=bounds).x
    sure = 1 / (1 + np.exp(-(best[0] + known @ best[1:])))
    spread_s = np.minimum(np.concatenate([c.context.spread_s for c in cases]), FURTHEST_S)
    parts = np.stack([sure, 1 - sure, (1 - sure) * spread_s], axis=1)
    is_sung = np.isfinite(errors_s)
    parts, seen = parts[is_sung], np.minimum(errors_s[is_sung], FURTHEST_S)
    law = nnls(parts, seen)[0]
    for _ in range(8):  # an error of a second is nothing where two are expected, and much where a tenth is
        expected = np.maximum(parts @ law, 0.02)
        law = nnls(parts / expected[:, None], seen / expected)[0]
    return Calibration(*(round(float(value), 3) for value in (*best, *law)))


def judged(cases: Sequence[Case], calibration: Calibration = CALIBRATION) -> Judged:
    """Say what weights say of the words of songs."""
    sure = [calibrated(c.context, calibration) for c in cases]
    off = [expected_errors_s(s, c.context.spread_s, calibration) for s, c in zip(sure, cases, strict=True)]
    errors_s = np.concatenate([c.errors_s for c in cases])
    return Judged(np.concatenate(sure).astype(np.float64), 1000 * np.concatenate(off).astype(np.float64), errors_s)


def area(values: np.ndarray, right: np.ndarray) -> float:
    """Return how often a right word is given more than a wrong one, half for a draw: the area under the ROC curve."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = int(right.sum())
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(right) - n)))


def calibration_error(values: np.ndarray, right: np.ndarray, n_bins: int = 10) -> float:
    """Return the expected calibration error: mean distance of confidence and share of right words, in equal bins."""
    bins = np.minimum((values * n_bins).astype(np.int64), n_bins - 1)
    return float(np.abs(np.bincount(bins, values - right, n_bins)).sum() / len(right))


HEAD = (
    " words | right | mean confidence | area | Brier | calibration error | mean error, ms | expected, ms |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def summary(some: Judged) -> str:
    """Write the figures of a set of words as cells of a table; where all are right or wrong there is no area."""
    right, sure = some.right, some.confidence
    curve = f"{area(sure, right):.3f}" if 0 < right.sum() < len(right) else "–"
    scores = f"{curve} | {np.mean((sure - right) ** 2):.4f} | {calibration_error(sure, right):.3f}"
    errors = f"{some.sung.observed_ms.mean():.0f} | {some.sung.expected_ms.mean():.0f}"
    return f"{len(right):,} | {right.mean():.3f} | {sure.mean():.3f} | {scores} | {errors}"


def report(cases: Sequence[Case]) -> Judged:
    """Fit on every other song; print what the shipped weights say of the rest."""
    fitted, rest = cases[::2], cases[1::2]
    print(f"CALIBRATION = {fit(fitted)}\n\n| judged on |{HEAD}")
    for name in sorted({c.name for c in rest}):
        print(f"| {name} | {summary(judged([c for c in rest if c.name == name]))} |")
    whole = judged(rest)
    again = np.concatenate([c.context.again for c in rest])
    for name, which in zip(_LOOK_AGAIN, (again, ~again), strict=True):
        print(f"| all, {name} | {summary(whole.some(which))} |")
    print(f"| all | {summary(whole)} |")
    print(f"| all, fitted on these and judged on the others | {summary(judged(fitted, fit(rest)))} |")
    return whole


def real(folder: Path) -> Judged:
    """Align real songs."""
    said: list[tuple[float, float, float]] = []
    print(f"\n| song |{HEAD}")
    for song in sorted(path.parent for path in folder.glob("*/gold.csv")):
        with (song / "gold.csv").open(encoding="utf-8", newline="") as file:
            truth = [float(row["start_s"]) for row in csv.DictReader(file)]
        language = json.loads((song / "meta.json").read_text("utf-8"))["language"]
        try:
            made = align(next(song.glob("audio.*")), song / "lyrics.txt", language=language, engine="phone")
        except InputError as error:
            print(f"| {song.name} | {error} |")
            continue
        own = [
            (word.confidence or 0.0, word.expected_error_ms or 0.0, abs(word.start_s - at))
            for word, at in zip(made.words, truth, strict=True)
            if word.start_s is not None
        ]
        said += own
        print(f"| {song.name} | {summary(Judged(*np.array(own).T))} |")
    whole = Judged(*np.array(said).T)
    print(f"| all | {summary(whole)} |")
    return whole


def bins(some: Judged) -> Iterator[tuple[str, float, float, int]]:
    """Yield bins of confidence: their name, what is said, what is so, and how many words."""
    for low, high in pairwise(_STEPS):
        which = (some.confidence >= low) & (some.confidence < high)
        if which.any():
            said, so = some.confidence[which].mean(), some.right[which].mean()
            yield f"{low:.1f}–{min(high, 1):.1f}", said, so, int(which.sum())


def bins_ms(some: Judged) -> Iterator[tuple[str, float, float, int]]:
    """Yield bins of expected error in the same way, of words that somebody sings."""
    some = some.sung
    for low, high in pairwise(_STEPS_MS):
        which = (some.expected_ms >= low) & (some.expected_ms < high)
        if which.any():
            said, so = some.expected_ms[which].mean(), some.observed_ms[which].mean()
            yield f"{low}–{min(high, 5000)} ms", said, so, int(which.sum())


def tables(name: str, some: Judged) -> None:
    """Print expected against observed, by bins."""
    print(f"\n| {name}: confidence | words | mean confidence | right |\n|---|---|---|---|")
    for label, said, so, n in bins(some):
        print(f"| {label} | {n:,} | {said:.2f} | {so:.2f} |")
    print(f"\n| {name}: expected error | words | mean expected, ms | mean observed, ms |\n|---|---|---|---|")
    for label, said, so, n in bins_ms(some):
        print(f"| {label} | {n:,} | {said:.0f} | {so:.0f} |")


def plot(sets: dict[str, Judged], path: Path) -> None:
    """Draw expected against observed, both kinds, one line a set; the area of a dot is its number of words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    right.plot([20, 5000], [20, 5000], color="0.6", linewidth=1)
    for (name, some), colour in zip(sets.items(), ("#0072b2", "#d55e00"), strict=False):
        for panel, rows in ((left, list(bins(some))), (right, list(bins_ms(some)))):
            said, so, counts = np.array([row[1:] for row in rows]).T
            panel.plot(said, so, color=colour, linewidth=1.5, label=f"{name} ({len(some.right):,} words)")
            panel.scatter(said, so, s=12 + 160 * counts / counts.max(), color=colour, alpha=0.75)
    left.set(xlabel="confidence", ylabel="share of words within 0.3 s", title="confidence", aspect="equal")
    right.set(xlabel="expected error, ms", ylabel="mean error, ms (5 s at most)", title="expected error")
    right.set(xscale="log", yscale="log")
    for panel in (left, right):
        panel.grid(alpha=0.25)
        panel.legend(loc="upper left", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Fit and judge on made-up songs, judge on real ones, draw both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=38, help="of each kind (%(default)s)")
    parser.add_argument("--faulty", type=int, default=6, help="of each kind with each fault (%(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where clips are kept (%(default)s)")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="of real songs to judge on as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where the picture goes")
    options = parser.parse_args()
    if not (SHARED / "corpus").is_dir():
        print(f"skipped: there is no {SHARED / 'corpus'} (MELISMA_SHARED names the folder)")
        return
    made = made_up(options.songs, options.faulty, options.cache, PhoneEngine())
    sets = {"made-up songs": report([case(song) for song in made if song.name != ANOTHER])}
    if options.real:
        sets["twelve songs"] = real(options.real)
    for name, some in sets.items():
        tables(name, some)
    if options.plot:
        plot(sets, options.plot)


if __name__ == "__main__":
    main()
