"""What holding the times of synced lyrics against what was heard costs and is worth.

python benchmarks/synced.py                          # seconds, for 1,000 lines
python benchmarks/synced.py --chance                 # how often hints are taken that are right, and that are not
python benchmarks/synced.py --songs ../shared/songs  # hints made of true line starts, on real songs
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.aligner.regroup import regroup
from melisma.aligner.synced import HeardLine, SyncFit, heard_lines, sync
from melisma.core.records import Alignment, LyricLine, Lyrics, Word

Float64 = npt.NDArray[np.float64]
TAPPED_S = 0.35  # standard deviation of line times that somebody tapped
HEARD_S = 0.15  # and of those that were heard where they are


def best_of(run: Callable[[], object], n: int = 5) -> float:
    seconds = []
    for _ in range(n):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def print_seconds(n_lines: int) -> None:
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
    print(f"fit of {n_lines} lines: {seconds:.3f} s")
    words = [
        Word(text, 0, at, at + 250)
        for line, start in zip(lines, starts, strict=True)
        for k, text in enumerate(line.words)
        for at in [round(start * 1000) + 300 * k]
    ]
    found = regroup(words, lines)
    seconds = best_of(lambda: regroup(words, lines))
    print(f"regrouping of {len(words)} words into {n_lines} lines: {seconds:.3f} s, {found.skipped_words} skipped")


def made_up(n_lines: int, seed: int, length_s: float) -> Float64:
    """Return starts of lines: 2 to 6 parts apart, two pauses of 12 more, stretched to a length."""
    steps = np.random.default_rng(seed).uniform(2.0, 6.0, n_lines)
    steps[[n_lines // 3, 2 * n_lines // 3]] += 12.0
    starts = np.cumsum(steps)
    return np.asarray(starts * length_s / starts[-1])


def fitted(hints_s: Float64, heard_s: Float64, sure: Float64, duration_s: float) -> SyncFit:
    lyrics = Lyrics(tuple(LyricLine(("la",), 0, round(max(at, 0.0) * 1000)) for at in hints_s))
    return sync(lyrics, [HeardLine(float(a), float(c)) for a, c in zip(heard_s, sure, strict=True)], duration_s)


def print_chance(n_files: int = 100) -> None:
    print("lines  seconds  another song's  right  right, 30 % heard anywhere  right, 40 %")
    for n_lines, length in ((8, 40), (12, 60), (20, 80), (20, 120), (40, 120), (40, 200), (80, 200), (80, 400)):
        taken = np.zeros(4, np.int64)
        for seed in range(n_files):
            truth, other = (made_up(n_lines, each, length) for each in (seed, 1000 + seed))
            generator = np.random.default_rng(seed)
            heard = truth + generator.normal(0.0, HEARD_S, n_lines)
            hints = truth - 3.0 + generator.normal(0.0, TAPPED_S, n_lines)
            sure = np.full(n_lines, 0.9)
            taken[0] += bool(fitted(other, heard, sure, length + 15).windows)
            taken[1] += bool(fitted(hints, heard, sure, length + 15).windows)
            for k, share in enumerate((0.3, 0.4)):
                lost = generator.random(n_lines) < share
                placed = np.where(lost, generator.uniform(0, length, n_lines), heard)
                sure = np.where(lost, generator.uniform(0.1, 0.8, n_lines), generator.uniform(0.5, 0.95, n_lines))
                taken[2 + k] += bool(fitted(hints, placed, sure, length + 15).windows)
        print(f"{n_lines:5}  {length:7}  {taken[0]:14}  {taken[1]:5}  {taken[2]:25}  {taken[3]:11}")


def true_starts(folder: Path, lyrics: Lyrics) -> Float64:
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        starts = [float(row["start_s"]) for row in csv.DictReader(file)]
    if len(starts) != len(lyrics.words):
        raise SystemExit(f"{folder.name}: {len(starts)} true words for {len(lyrics.words)}")
    firsts = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])[:-1]
    return np.array(starts)[firsts]


def print_songs(root: Path) -> None:
    """Hints are true line starts, tapped with noise, then shifted, stretched, or those of the next song."""
    import melisma

    folders = sorted(path.parent for path in root.glob("*/gold.csv"))
    songs = []
    for folder in folders:
        language = json.loads((folder / "meta.json").read_text(encoding="utf-8")).get("language")
        lyrics = melisma.read_lyrics(folder / "lyrics.txt")
        audio = next(path for path in folder.iterdir() if path.suffix in (".mp3", ".wav", ".flac", ".ogg", ".m4a"))
        alignment = melisma.align(audio, lyrics, language=language, engine="phone")
        songs.append((folder.name, lyrics, true_starts(folder, lyrics), alignment))
    kinds: dict[str, Callable[[Float64], Float64]] = {
        "as they are": lambda at: at,
        "5 s late": lambda at: at + 5.0,
        "4 % slower": lambda at: at * 1.04,
    }
    for kind, change in kinds.items():
        taken, off, inside, n_lines = 0, [], [], 0
        for name, lyrics, starts, alignment in songs:
            tapped = change(starts) + np.random.default_rng(len(name)).normal(0.0, TAPPED_S, len(starts))
            fit = _fit(lyrics, tapped, alignment)
            taken += bool(fit.windows)
            n_lines += len(starts)
            off += [abs(w.expected_s - starts[w.line]) for w in fit.windows]
            inside += [abs(w.expected_s - starts[w.line]) <= w.tolerance_s for w in fit.windows]
        print(
            f"{kind}: taken in {taken} of {len(songs)} songs; windows for {len(off)} of {n_lines} lines, "
            f"median {np.median(off):.2f} s off, {np.mean(inside):.1%} hold the true start"
        )
    taken = 0
    for k, (_, lyrics, _, alignment) in enumerate(songs):
        other = songs[(k + 1) % len(songs)][2]
        hints = np.interp(np.linspace(0, 1, len(lyrics.lines)), np.linspace(0, 1, len(other)), other)
        taken += bool(_fit(lyrics, hints, alignment).windows)
    print(f"of the next song: taken in {taken} of {len(songs)} songs")


def _fit(lyrics: Lyrics, hints_s: Sequence[float] | Float64, alignment: Alignment) -> SyncFit:
    lines = [replace(line, start_ms=round(max(at, 0.0) * 1000)) for line, at in zip(lyrics.lines, hints_s, strict=True)]
    heard = heard_lines(alignment.words, len(lines))
    return sync(Lyrics(tuple(lines)), heard, alignment.duration_ms / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--chance", action="store_true")
    parser.add_argument("--songs", type=Path)
    asked = parser.parse_args()
    if asked.songs is not None:
        print_songs(asked.songs)
    elif asked.chance:
        print_chance()
    else:
        print_seconds(asked.lines)


if __name__ == "__main__":
    main()
