"""DALI: how fast its files are read, and how well its songs are found: `python benchmarks/dali.py [--songs N] [--all]`.

Files are of DALI's layout and size, made from synthetic songs. Songs to be found are held-out synthetic ones, their
words moved by 30 ms at random, in recordings that begin later or earlier, run up to 5 % faster or slower, and lack a
line or have a longer break; each song in one of these in turn, or with --all in all of them. The same recordings are
searched for another song. Seconds are those of the processor, in one thread.
"""

from __future__ import annotations

import argparse
import gzip
import pickle
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import dali_files
from melisma.core.errors import FormatError
from melisma.core.records import Float32, Waveform
from melisma.data.dali import unpickler
from melisma.data.dali.annotation import Levels, Segment
from melisma.data.dali.evidence import expected
from melisma.data.dali.offsets import Match, MatchConfig, find
from melisma.data.dali.service import convert
from melisma.engines.phone import PhoneEngine
from melisma.scale.local import LocalExecutor
from melisma.synth import heldout
from melisma.synth.songs import render

LANGUAGES = ("en", "de", "fr", "es", "it", "en", "hr", "nl")
CASES = ("later", "faster or slower", "a line left out", "a longer break", "beginning cut off")
FIRST = 100  # number of the first song: thresholds were chosen on those from 30 to 53
CONFIG = MatchConfig()


@dataclass(frozen=True)
class Case:
    """A recording made from a song: samples, the rate, and offsets in seconds with the time from which each holds."""

    name: str
    samples: Float32
    rate: float
    offsets: tuple[tuple[float, float], ...]


def reading(n: int) -> None:
    """Print how fast files are read and converted, and what the worst one costs."""
    levels = dali_files.levels_of(heldout.held_out("en", FIRST))
    # A song of DALI has about 350 words; synthetic ones have 100.
    many = {name: [each for _ in range(4) for each in rows] for name, rows in levels.items()}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for i in range(n):
            dali_files.write_song(folder / "DALI", dali_files.song_id(i), many)
        size = sum(path.stat().st_size for path in (folder / "DALI").iterdir()) / n / 1000
        start = time.process_time()
        for path in sorted((folder / "DALI").iterdir()):
            unpickler.load(path)
        read = time.process_time() - start
        start = time.process_time()
        convert(folder / "DALI", folder / "songs", executor=LocalExecutor(1))
        made = time.process_time() - start
        start = time.process_time()
        convert(folder / "DALI", folder / "songs", executor=LocalExecutor(1))
        again = time.process_time() - start
    print(
        f"files of {len(many['words'])} words, {size:.0f} kB: read {n / read:.0f} a second, converted {n / made:.0f}, ",
        end="",
    )
    print(f"passed over when done {n / again:.0f}")
    start = time.process_time()
    try:
        unpickler.loads(b"]" * unpickler.MAX_INSTRUCTIONS + b".")
    except FormatError as error:
        print(f"two million lists: {time.process_time() - start:.1f} s, {memory_mb():.0f} MB with Python: {error}")
    bomb = gzip.compress(pickle.dumps(b"\0" * (1 << 28)), 9)
    start = time.process_time()
    try:
        unpickler.unpack(bomb, "bomb.gz")
    except FormatError as error:
        print(f"gzip bomb: {time.process_time() - start:.1f} s: {error}")


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cases(levels: Levels, samples: Float32, number: int, rng: np.random.Generator, every: bool) -> Iterator[Case]:
    """Make recordings of a song."""
    rate = 1 + float(rng.uniform(-0.05, 0.05))
    lead_s = float(rng.uniform(0, 60))
    middle = len(levels.lines) // 2
    for name in CASES if every else CASES[number % len(CASES) :][:1]:
        if name == "later":
            yield Case(name, played(samples, 1.0, lead_s, rng), 1.0, ((0.0, lead_s),))
        elif name == "faster or slower":
            yield Case(name, played(samples, rate, 0.3 * lead_s, rng), rate, ((0.0, 0.3 * lead_s),))
        elif name == "beginning cut off":
            first = 0.8 * levels.words[0].time[0]
            yield Case(name, played(samples, rate, -rate * first, rng), rate, ((0.0, -rate * first),))
        else:
            left_out = name == "a line left out"
            begin, end = (levels.lines[i].time[1] + 0.1 for i in (middle, middle + 1))
            a, b = round(16000 * begin), round(16000 * end)
            filler = [] if left_out else [samples[: 5 * 16000]]
            made = np.concatenate([samples[:a], *filler, samples[b if left_out else a :]])
            moved = (begin - end) if left_out else 5.0
            at = (0.0, 2.0), (levels.lines[middle + (2 if left_out else 1)].time[0] - 0.01, 2.0 + moved * rate)
            yield Case(name, played(made, rate, 2.0, rng), rate, at)


def played(samples: Float32, rate: float, lead_s: float, rng: np.random.Generator) -> Float32:
    out = soxr.resample(samples, 16000, 16000 * rate)
    noise = rng.normal(0, 1e-4, max(0, round(lead_s * 16000))).astype(np.float32)
    return np.concatenate([noise, out[max(0, round(-lead_s * 16000)) :]]).astype(np.float32)


def jittered(levels: Levels, rng: np.random.Generator, with_notes: bool) -> Levels:
    """Move every word as a person's ear does, its notes with it, or leave the notes out."""
    by = [float(rng.normal(0, 0.03)) for _ in levels.words]

    def move(each: Segment, seconds: float) -> Segment:
        return each.model_copy(update={"time": (max(0.0, each.time[0] + seconds), each.time[1] + seconds + 0.02)})

    words = [move(word, seconds) for word, seconds in zip(levels.words, by, strict=True)]
    notes = [move(note, by[note.index or 0]) for note in levels.notes] if with_notes else []
    return levels.model_copy(update={"words": words, "notes": notes})


def errors(levels: Levels, case: Case, match: Match) -> list[float]:
    """Return how far each word of the lines that were found is off, in milliseconds."""
    out = []
    for word in levels.words:
        line = word.index or 0
        piece = next((each for each in match.pieces if each.first <= line < each.stop), None)
        if piece is None or not match.present[line]:
            continue
        offset_s = next(o for t, o in reversed(case.offsets) if word.time[0] >= t)
        out.append(1000 * (match.rate * word.time[0] + piece.offset_s - case.rate * word.time[0] - offset_s))
    return out


def finding(n: int, every: bool, with_notes: bool) -> None:
    """Print how well songs are found in their recordings, and how surely other songs are told."""
    engine = PhoneEngine()
    rng = np.random.default_rng(7)
    off: dict[str, list[list[float]]] = {name: [] for name in CASES}
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    accepted: dict[str, int] = dict.fromkeys(CASES, 0)
    right, wrong, seconds = [], [], []
    before: tuple[Levels, str] | None = None
    for number in range(n):
        language = LANGUAGES[number % len(LANGUAGES)]
        score = heldout.held_out(language, FIRST + number)
        song = render(score)
        samples = soxr.resample(song.stereo.mean(axis=1), song.sample_rate, 16000).astype(np.float32)
        levels = Levels.model_validate(dali_files.levels_of(score))
        for case in cases(levels, samples, number, rng, every):
            emission = engine.emit(Waveform(case.samples, 16000))
            moved = jittered(levels, rng, with_notes)
            start = time.process_time()
            spelt = [engine.spell(word.text, language) for word in moved.words]
            match = find(expected(moved, spelt, emission), emission, CONFIG)
            seconds.append(time.process_time() - start)
            if match is None:
                continue
            accepted[case.name] += match.accepted(CONFIG)
            off[case.name].append(errors(levels, case, match))
            rates[case.name].append(1e6 * abs(match.rate - case.rate))
            right.append(match)
            far = np.median(np.abs(off[case.name][-1]))
            print(
                f"  {number:3} {language} {case.name}: score {match.score:.2f}, {far:.0f} ms",
                file=sys.stderr,
                flush=True,
            )
            if before is not None:
                others = [engine.spell(word.text, before[1]) for word in before[0].words]
                found = find(expected(before[0], others, emission), emission, CONFIG)
                wrong += [found] if found is not None else []
        before = levels, language
    report(off, rates, accepted)
    print(f"of the songs themselves: lowest score {min(m.score for m in right):.2f}, ", end="")
    print(f"found {min(m.found for m in right):.2f}, evidence {min(m.evidence for m in right):.0f}")
    taken = sum(each.accepted(CONFIG) for each in wrong)
    print(f"of {len(wrong)} other songs {taken} accepted: highest score {max(m.score for m in wrong):.2f}, ", end="")
    print(f"found {max(m.found for m in wrong):.2f}, evidence {max(m.evidence for m in wrong):.0f}")
    print(f"search: {statistics.median(seconds):.2f} s a song, at most {max(seconds):.2f} s; {memory_mb():.0f} MB")


def report(off: dict[str, list[list[float]]], rates: dict[str, list[float]], accepted: dict[str, int]) -> None:
    print(f"{'recording':20} songs accepted    p50    p95    max   bias  rate p50")
    for name in CASES:
        words = np.array([each for song in off[name] for each in song])
        if not len(words):
            continue
        far = np.abs(words)
        line = f"{np.median(far):6.0f} {np.percentile(far, 95):6.0f} {far.max():6.0f} {words.mean():+6.0f}"
        rate = f"{statistics.median(rates[name]):6.0f}"
        print(f"{name:20} {len(off[name]):5} {accepted[name]:8} {line}   {rate}")
    print("p50, p95, max and bias of all words in ms, rate in millionths")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=40)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--all", action="store_true", help="every song in every recording")
    parser.add_argument("--no-notes", action="store_true", help="words alone, without the notes of their syllables")
    told = parser.parse_args()
    reading(told.files)
    finding(told.songs, told.all, not told.no_notes)


if __name__ == "__main__":
    main()
