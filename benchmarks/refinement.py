"""What refinement does to words: to where they start, and to where they end.

    python benchmarks/refinement.py [--languages en,hr] [--cache FOLDER] [--no-songs]

Songs are aligned once with the engine `phone`; every refinement is then made of the same words and the same waveform.
Sets as in `benchmarks/separation.py`. Starts are compared as they are, and moved by chance (normal, 40 ms) first, as a
coarser engine would have them. Ends are compared as `phone` gives them, which knows where a voice is heard, and as an
engine gives them that does not: at the start of the next word, 8 s at most. The last lines say what it costs in time.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import paired
from enhancement import arguments, over_sets

from melisma.aligner.refine import parse, refine
from melisma.audio.beats import track
from melisma.audio.onsets import flux, onsets
from melisma.audio.separation import choose
from melisma.core.errors import WrongLyrics
from melisma.core.records import Emission, Waveform, Word
from melisma.engines.phone import PhoneEngine
from melisma.evaluate.align import Song
from melisma.metrics.alignment import onset_errors
from melisma.pipeline.align import AlignConfig, align

AS_IT_IS, JITTERED = "as placed", "moved by chance"
STARTS = ("onset=20", "onset=40", "onset", "beat=30", "beat", "onset,beat")
JITTER_S = 0.04
LONGEST_S = 8.0
LATE_S = 0.3

Words = tuple[Word, ...]


@dataclass(frozen=True)
class Case:
    """A song as it was placed, what was listened to, and the truth in seconds."""

    words: Words
    waveform: Waveform
    emission: Emission
    starts_s: np.ndarray
    ends_s: np.ndarray


def case(song: Song) -> Case | None:
    """Align a song; None if its lyrics are refused."""
    try:
        words = align(song.audio, song.lyrics, config=AlignConfig(song.language, "phone")).words
    except WrongLyrics as error:
        print(f"{song.song_id} is left out: {error}")
        return None
    engine = PhoneEngine()
    waveform = choose.choose("auto", engine.facts.listens_to).separate(song.audio, engine.facts.sample_rate).waveform
    with (song.audio.parent / "gold.csv").open(encoding="utf-8", newline="") as file:
        gold = list(csv.DictReader(file))
    times = (np.array([float(row[column]) for row in gold]) for column in ("start_s", "end_s"))
    return Case(words, waveform, engine.emit(waveform), *times)


def moved(words: Words, seed: int) -> Words:
    """Move starts by chance, as far as their neighbours allow."""
    rng = np.random.default_rng(seed)
    out, last = [], 0
    following = [w.start for w in words[1:] if w.start is not None]
    for i, word in enumerate(words):
        if word.start is None or word.end is None:
            out.append(word)
            continue
        high = min([word.end, *following[i : i + 1]])
        at = word.start + round(rng.normal(0, JITTER_S) * word.timebase.sample_rate / word.timebase.stride)
        at = max(last, min(at, high))
        out.append(replace(word, start=at, end=max(at, word.end)))
        last = at
    return tuple(out)


def until_next(words: Words) -> Words:
    """Let words end where the next one starts, as an engine has it that hears no silence."""
    out = []
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word.start is None:
            out.append(word)
            continue
        held = word.start + round(LONGEST_S * word.timebase.sample_rate / word.timebase.stride)
        limit = after.start if after is not None and after.start is not None else word.end or word.start
        out.append(replace(word, end=max(word.start, min(held, limit))))
    return tuple(out)


def start_errors(words: Words, case: Case) -> np.ndarray:
    """Signed errors of starts in seconds."""
    return onset_errors([np.nan if w.start_s is None else w.start_s for w in words], case.starts_s)


def end_row(name: str, cases: Sequence[Case], made: Callable[[Case], Words]) -> str:
    """Write a row of the table of ends."""
    late = []
    for each in cases:
        ends = np.array([np.nan if w.end_s is None else w.end_s for w in made(each)])
        near = np.abs(start_errors(each.words, each)) <= LATE_S  # the end of a word that was not found says nothing
        late.append((ends - each.ends_s)[near])
    off = np.concatenate(late)
    return (
        f"| {name} | {np.median(np.abs(off)):.3f} | {np.median(off):+.3f} | {np.mean(np.abs(off)):.3f} "
        f"| {np.mean(off > LATE_S):.3f} | {np.mean(off < -LATE_S):.3f} |"
    )


def show(title: str, songs: Sequence[Song]) -> None:
    """Print the tables of a set."""
    cases = [each for song in songs if (each := case(song)) is not None]
    print(f"\n{title}: {len(cases)} songs, {sum(len(c.words) for c in cases)} words")
    for name, begin in ((AS_IT_IS, lambda c: c.words), (JITTERED, lambda c: moved(c.words, len(c.words)))):
        found = {name: [start_errors(begin(c), c) for c in cases]}
        for steps in STARTS:
            found[f"{name}, {steps}"] = [start_errors(refine(begin(c), c.waveform, parse(steps)), c) for c in cases]
        print(f"\n{paired.table(found, name)}", flush=True)
    head = "| ends | median \\|error\\| s | bias s | mean \\|error\\| s | over 0.3 s late | over 0.3 s early |"
    print(f"\n{head}\n|---|---|---|---|---|---|")
    ends = parse("ends")
    for name, begin in (("of `phone`", lambda c: c.words), ("at the next start", lambda c: until_next(c.words))):
        print(end_row(name, cases, begin))
        print(end_row(f"{name}, cut by energy", cases, lambda c, b=begin: refine(b(c), c.waveform, ends)))
        print(
            end_row(
                f"{name}, cut by energy and voice",
                cases,
                lambda c, b=begin: refine(b(c), c.waveform, ends, c.emission),
            ),
            flush=True,
        )


def costs() -> None:
    """Print what each part takes for four minutes and for three hours of noise with a pulse."""
    rng = np.random.default_rng(0)
    print("\n| recording | flux s | onsets s | beats s |\n|---|---|---|---|")
    for name, seconds in (("four minutes", 240), ("three hours", 3 * 3600)):
        bar = (0.1 * rng.standard_normal(8000)).astype(np.float32)
        bar[:800] *= 8
        waveform = Waveform(np.tile(bar, seconds * 2), 16000)
        clock = [time.perf_counter()]
        found = flux(waveform)
        clock.append(time.perf_counter())
        onsets(found)
        clock.append(time.perf_counter())
        track(found)
        clock.append(time.perf_counter())
        print(f"| {name} | {' | '.join(f'{spent:.2f}' for spent in np.diff(clock))} |", flush=True)


def main() -> None:
    """Run the benchmark."""
    over_sets(arguments(__doc__).parse_args(), show)
    costs()


if __name__ == "__main__":
    main()
