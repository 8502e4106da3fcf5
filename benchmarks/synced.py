"""What holding the times of synced lyrics against what was heard costs and is worth.

python benchmarks/synced.py                          # seconds, for 1,000 lines
python benchmarks/synced.py --chance                 # how often hints are taken that are right, and that are not
python benchmarks/synced.py --noise                  # words of made-up songs under noise, with and without times
python benchmarks/synced.py --songs ../shared/songs  # windows and words of real songs, hints made of true line starts
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.aligner.decoder import Decoded, DecoderConfig, decode_words
from melisma.aligner.guided import decode_guided
from melisma.aligner.regroup import regroup
from melisma.aligner.synced import HeardLine, LineWindow, SyncFit, heard_lines, sync
from melisma.core.records import Alignment, LyricLine, Lyrics, Waveform, Word
from melisma.metrics import alignment as metrics

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


def true_starts(folder: Path, lyrics: Lyrics) -> tuple[Float64, Float64]:
    """Return where words and lines truly begin, in seconds."""
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        starts = [float(row["start_s"]) for row in csv.DictReader(file)]
    if len(starts) != len(lyrics.words):
        raise SystemExit(f"{folder.name}: {len(starts)} true words for {len(lyrics.words)}")
    firsts = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])[:-1]
    return np.array(starts), np.array(starts)[firsts]


def changed(starts: Float64, n: int, others: Float64 | None = None) -> dict[str, Float64]:
    """Return hints, float64 [n_lines] each: true line starts, tapped with noise and moved; and those of another song.

    Made-up songs are built alike: where no `others` are given, what counts as another's has gaps of 2 to 9 s.
    """
    rng = np.random.default_rng(n)
    tapped = starts + rng.normal(0.0, TAPPED_S, len(starts))
    places = np.linspace(0, 1, len(starts))
    another = np.cumsum(rng.uniform(2.0, 9.0, len(starts)))
    if others is not None:
        another = np.interp(places, np.linspace(0, 1, len(others)), others)
    return {"as they are": tapped, "5 s late": tapped + 5.0, "4 % slower": tapped * 1.04, "of another song": another}


def hinted(lyrics: Lyrics, hints_s: Float64) -> Lyrics:
    rows = zip(lyrics.lines, hints_s, strict=True)
    return Lyrics(tuple(replace(line, start_ms=round(max(float(at), 0.0) * 1000)) for line, at in rows))


def errors(words: Sequence[Word], starts: Float64) -> Float64:
    found = np.array([np.nan if word.start_s is None else word.start_s for word in words])
    return metrics.onset_errors(found, starts)


@dataclass(frozen=True)
class Made:
    """A made-up song: its lyrics, true starts of words and lines, and what is heard of it under noise."""

    lyrics: Lyrics
    words: Float64
    lines: Float64
    duration_s: float
    decode: Callable[[tuple[LineWindow, ...]], Decoded]


def under_noise(seed: int, level: float) -> Made:
    import soxr

    from melisma.engines.phone import PhoneEngine
    from melisma.synth.songs import song_of_length
    from melisma.text.lyrics import from_text
    from melisma.text.tokens import tokenize

    song = song_of_length(100.0, "en", seed=seed)
    mono = song.stereo.mean(1) + np.random.default_rng(seed).normal(0.0, level, len(song.stereo))
    engine, lyrics = PhoneEngine(), from_text(song.lyrics)
    tokens = tokenize(lyrics, lambda word: engine.spell(word, "en"), engine.labels)
    emission = engine.emit(Waveform(soxr.resample(mono, song.sample_rate, 16000).astype(np.float32), 16000))
    config = DecoderConfig(refuse=False)
    starts = np.array([word.start_s for word in song.words])
    firsts = np.cumsum([0, *(len(line.words) for line in lyrics.lines)])[:-1]
    return Made(
        lyrics,
        starts,
        starts[firsts],
        song.duration_s,
        lambda windows: decode_words(emission, tokens, lyrics, config, windows),
    )


def print_noise(levels: Sequence[float], seeds: Sequence[int]) -> None:
    print("noise  hints             taken  moved    p50  hit100  pco300  off by > 1 s, or unsung")
    for level in levels:
        songs = [under_noise(seed, level) for seed in seeds]
        plain = [errors(song.decode(()).words, song.words) for song in songs]
        print_row(f"{level:5}  {'none':16}  {'':5}  {'':5}", plain)
        for kind in changed(songs[0].lines, 0):
            found, taken, moved = [], 0, 0
            for k, song in enumerate(songs):
                hints = changed(song.lines, k)[kind]
                made = decode_guided(song.decode, hinted(song.lyrics, hints), song.duration_s)
                taken, moved = taken + bool(made.fit.windows), moved + made.moved
                found.append(errors(made.decoded.words, song.words))
            print_row(f"{level:5}  {kind:16}  {taken:5}  {moved:5}", found)


def print_row(title: str, found: Sequence[Float64]) -> None:
    scores = metrics.pooled(found)
    lost = 1 - np.mean(np.abs(np.concatenate(found)) <= 1.0)  # false for NaN
    print(f"{title}  {scores.p50:.3f}  {scores.hit100:6.3f}  {scores.pco300:6.3f}  {lost:6.3f}", flush=True)


def print_songs(root: Path) -> None:
    """Hints are true line starts, tapped with noise, then moved, or those of the next song."""
    import melisma

    folders = sorted(path.parent for path in root.glob("*/gold.csv"))
    songs = []
    for folder in folders:
        language = json.loads((folder / "meta.json").read_text(encoding="utf-8")).get("language")
        lyrics = melisma.read_lyrics(folder / "lyrics.txt")
        audio = next(path for path in folder.iterdir() if path.suffix in (".mp3", ".wav", ".flac", ".ogg", ".m4a"))
        alignment = melisma.align(audio, lyrics, language=language, engine="phone")
        songs.append(Real(audio, language, lyrics, *true_starts(folder, lyrics), alignment))
    print("hints             taken  windows  off, s  inside    p50  hit100  pco300  off by > 1 s, or unsung")
    print_row(f"{'none':16}  {'':5}  {'':7}  {'':6}  {'':6}", [errors(s.alignment.words, s.words) for s in songs])
    for kind in changed(songs[0].lines, 0):
        fits, off, inside, found = 0, [], [], []
        for k, song in enumerate(songs):
            given = hinted(song.lyrics, changed(song.lines, k, songs[(k + 1) % len(songs)].lines)[kind])
            heard = heard_lines(song.alignment.words, len(given.lines))
            fit = sync(given, heard, song.alignment.duration_ms / 1000)
            fits += bool(fit.windows)
            away = [abs(window.expected_s - song.lines[window.line]) for window in fit.windows]
            off += away
            inside += [each <= window.tolerance_s for each, window in zip(away, fit.windows, strict=True)]
            made = melisma.align(song.audio, given, language=song.language, engine="phone")
            found.append(errors(made.words, song.words))
        middle, held = (np.median(off), np.mean(inside)) if off else (np.nan, np.nan)
        print_row(f"{kind:16}  {fits:5}  {len(off):7}  {middle:6.2f}  {held:6.3f}", found)


@dataclass(frozen=True)
class Real:
    """A song of the yardstick, true starts of its words and lines, and what is made of it without times."""

    audio: Path
    language: str
    lyrics: Lyrics
    words: Float64
    lines: Float64
    alignment: Alignment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--chance", action="store_true")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--songs", type=Path)
    asked = parser.parse_args()
    if asked.songs is not None:
        print_songs(asked.songs)
    elif asked.noise:
        print_noise((0.2, 0.25, 0.3), range(101, 113))
    elif asked.chance:
        print_chance()
    else:
        print_seconds(asked.lines)


if __name__ == "__main__":
    main()
