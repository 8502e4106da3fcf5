"""What fixing the neighbours is worth: an editor corrects the worst words, alone and with the neighbours fixed.

    python benchmarks/corrections.py --synthetic [--songs 3]
    python benchmarks/corrections.py --shared ../shared [--songs 2] [--first 8700] [--cache FOLDER]
    python benchmarks/corrections.py --real ../shared/songs [--only none]

Songs as in `benchmarks/faults.py`, without those that have the lyrics of another song. The editor knows the truth: it
takes the word that is worst placed, moves its start to where it is sung, its whole line with it where it would pass
another word of it, or calls it unsung; and so on. Errors are mean distances of starts, no word counting for more than
5 s, which is what a word counts that is given up or invented. --real is for measuring only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import faults
import numpy as np
import numpy.typing as npt
from faults import Case

from melisma.aligner import anchored
from melisma.aligner import words as placing
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.edits import Edited, Move, Ripple, Unsing, apply
from melisma.core.errors import RefusedEdit
from melisma.core.records import Alignment
from melisma.core.timebase import Timebase

Float64 = npt.NDArray[np.float64]

STEPS = (0, 1, 2, 4, 8, 16)  # words corrected
MOST_S = 5.0
NEAR_S, CLOSE_S = 0.3, 0.1
_NEW_MS = 400  # how long the editor makes a word that had no time
_WORST_S = 1000.0  # a word that is given up or invented, when the worst is looked for


@dataclass(slots=True)
class Tally:
    """What is left after each number of corrections: errors in seconds, all songs together, and what a fix took."""

    left: dict[int, list[Float64]] = field(default_factory=lambda: {n: [] for n in STEPS})
    seconds: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Write a row of a table: mean error, and shares within 0.1 and 0.3 s."""
        cells = []
        for n in STEPS:
            errors = np.concatenate(self.left[n])
            shares = (np.mean(errors <= within) for within in (CLOSE_S, NEAR_S))
            cells.append(f"{errors.mean():.3f} s, " + ", ".join(f"{100 * share:.1f}" for share in shares))
        return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--shared", type=Path, help="folder with corpus/ and noise/ to make pseudo-songs of")
    which.add_argument("--synthetic", action="store_true", help="songs sung by espeak-ng's voice")
    which.add_argument("--real", type=Path, help="folder of songs with gold.csv")
    parser.add_argument("--songs", type=int, default=2, help="of each fault and kind (%(default)s)")
    parser.add_argument("--first", type=int, default=8700, help="number of the first pseudo-song (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "melisma-confidence")
    parser.add_argument("--only", help="the one fault to look at")
    options = parser.parse_args()
    if options.real:
        cases = faults.real_songs(options.real)
    elif options.synthetic:
        cases = faults.synthetic_songs(options.songs)
    else:
        cases = faults.pseudo(options.shared, options.cache, options.songs, options.first)
    print_tables(case for case in cases if options.only in (None, case.fault))


def print_tables(cases: Iterable[Case]) -> None:
    """Correct each song both ways; a table by number of corrections, over all songs and by fault."""
    ways = {"words alone": False, "neighbours fixed": True}
    whole = {name: Tally() for name in ways}
    by_fault: dict[str, dict[str, Tally]] = {}
    for case in cases:
        if case.fault == faults.WRONG:
            continue
        own = by_fault.setdefault(case.fault, {name: Tally() for name in ways})
        for name, fixes in ways.items():
            for tally in (whole[name], own[name]):
                tally.seconds += correct(case, tally, fixes=fixes)
    head = "| | " + " | ".join(f"{n} corrected" for n in STEPS) + " |\n|" + " --- |" * (len(STEPS) + 1)
    print(f"\n{head}\n" + "\n".join(tally.row(name) for name, tally in whole.items()))
    taken = np.array(whole["neighbours fixed"].seconds)
    print(f"\na fix took {1000 * np.median(taken):.0f} ms in the middle, {1000 * taken.max():.0f} ms at most")
    print(f"\n{head}")
    for fault, tallies in by_fault.items():
        print("\n".join(tally.row(f"{fault}, {name}") for name, tally in tallies.items()))


def correct(case: Case, tally: Tally, *, fixes: bool) -> list[float]:
    """Correct a song word by word, and count what is left at each step; return what each fix took, in seconds."""
    alignment, corrected = _aligned(case), frozenset[int]()
    stuck: set[int] = set()  # words that the editor cannot move
    taken: list[float] = []
    for n in range(max(STEPS) + 1):
        if n in tally.left:
            tally.left[n].append(_errors(alignment, case.starts_s, MOST_S))
        edited = _edited(alignment, corrected, case, stuck)
        if edited is None:
            continue
        alignment, corrected = edited.alignment, edited.corrected
        if fixes:
            began = time.perf_counter()
            free = anchored.around(alignment, corrected)
            alignment = anchored.realigned(alignment, free, case.emission, case.tokens)
            taken.append(time.perf_counter() - began)
    return taken


def _aligned(case: Case) -> Alignment:
    found = decode_words(case.emission, case.tokens, case.lyrics, DecoderConfig(refuse=False))
    clock = Timebase(case.emission.timebase.sample_rate, 1)
    return Alignment(found.words, placing.lines(case.lyrics), case.emission.duration, clock, repeats=found.repeats)


def _errors(alignment: Alignment, truth: Sequence[Sequence[float]], most_s: float) -> Float64:
    """Return by how much each word is off in seconds, float64 [n]; words of which the truth is not known are left out.

    A word that is given up, or invented, is off by the most.
    """
    known = (pair for pair in zip(alignment.words, truth, strict=True) if not np.isnan(pair[1]).any())
    return np.array([_error(word.start_s, times, most_s) for word, times in known])


def _error(at: float | None, times: Sequence[float], most_s: float) -> float:
    if at is None or not len(times):
        return 0.0 if at is None and not len(times) else most_s
    return min(most_s, min(abs(at - time) for time in times))


def _edited(alignment: Alignment, corrected: frozenset[int], case: Case, stuck: set[int]) -> Edited | None:
    """Correct the worst word that can be corrected; None where all are right."""
    off = [
        (_error(word.start_s, times, _WORST_S), i)
        for i, (word, times) in enumerate(zip(alignment.words, case.starts_s, strict=True))
        if i not in corrected and i not in stuck and not np.isnan(times).any()
    ]
    for error, i in sorted(off, key=lambda pair: (-pair[0], pair[1])):
        if error <= 0:
            return None
        for edit in _ways(alignment, i, case):
            try:
                return apply(alignment, [edit], corrected)
            except RefusedEdit:
                continue
        stuck.add(i)
    return None


def _ways(alignment: Alignment, i: int, case: Case) -> Iterator[Move | Unsing]:
    """Yield what an editor would do about a word, the simplest first."""
    word, times = alignment.words[i], case.starts_s[i]
    if not len(times):
        yield Unsing(i)
        return
    at_s = min(times, key=lambda second: abs(second - (word.start_s if word.start_s is not None else times[0])))
    start = min(round(1000 * at_s), alignment.duration_ms)
    length = _NEW_MS if word.start_ms is None or word.end_ms is None else word.end_ms - word.start_ms
    line = alignment.lines[word.line]
    coming = [time for j in range(i + 1, line.stop) for time in case.starts_s[j] if time > at_s]
    end = min([start + length, alignment.duration_ms, *(round(1000 * time) for time in coming)])
    for ripple in (Ripple.NONE, Ripple.WHOLE):
        yield Move(i, start, max(start, end), ripple)


if __name__ == "__main__":
    main()
