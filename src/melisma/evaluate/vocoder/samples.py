"""Which lines of a corpus of units a vocoder is tested on: those that its training held out, drawn by a seed."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import InputError
from melisma.units.clock import STRIDE, TIMEBASE
from melisma.units.line import UnitLine, joined
from melisma.units.read import read_lines

HELD_OUT = "held_out.txt"  # beside a vocoder: ids as JSON, one a line
_MOST = 1 << 26  # bytes of that file
SHORTEST_S, LONGEST_S = 0.5, 30.0  # of a sample; of longer lines the beginning is taken
MOST_OTHERS = 5000  # lines that a baseline learns from


@dataclass(frozen=True, slots=True)
class Chosen:
    """Lines to be said, and whether the training held them out: None if nobody knows."""

    lines: tuple[UnitLine, ...]
    held_out: bool | None


def held_out_ids(folder: Path) -> frozenset[str] | None:
    """Return the ids that a training held out; None if its folder does not say.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = folder / HELD_OUT
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        if len(data) > _MOST:
            raise ValueError
        ids = [json.loads(line) for line in data.splitlines() if line.strip()]
        if not all(isinstance(each, str) for each in ids):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no list of ids") from error
    return frozenset(ids)


def choose(corpus: Path, held_out: frozenset[str] | None, n: int, seed: int) -> Chosen:
    """Draw lines by their ids alone: the same ones however the corpus is ordered, and whatever else is in it.

    Parameters
    ----------
    corpus : Path
        Its folder or file.
    held_out : frozenset of str, optional
        Lines that may be drawn; all of them without.
    n : int
        How many at most.
    seed : int
        Another one draws others.

    Raises
    ------
    InputError
        If there is none.
    """
    lots = ((_lot(line.id, seed), line) for line in _long_enough(corpus) if held_out is None or line.id in held_out)
    drawn = heapq.nsmallest(n, lots, key=lambda each: each[0])
    if not drawn:
        whose = "that the training held out" if held_out is not None else f"of {SHORTEST_S:g} s or more"
        raise InputError(f"{corpus} has no line {whose}: there is nothing to test on")
    return Chosen(tuple(_cut(line) for _, line in drawn), None if held_out is None else True)


def others(
    corpus: Path, held_out: frozenset[str] | None, chosen: Chosen, seed: int, seconds: float
) -> Iterator[UnitLine]:
    """Yield lines that a baseline may learn from, drawn as above until they last so long: none tested or held out.

    They come as the corpus has them; of longer lines the beginning is taken.
    """
    tested = {line.id for line in chosen.lines} | (held_out or frozenset())
    known = ((_lot(line.id, seed + 1), line.id, line.n_frames) for line in _long_enough(corpus))
    lots = heapq.nsmallest(MOST_OTHERS, (each for each in known if each[1] not in tested))
    wanted: set[str] = set()
    for _, name, n_frames in lots:
        if seconds <= 0:
            break
        wanted.add(name)
        seconds -= min(LONGEST_S, TIMEBASE.seconds(n_frames))
    return (_cut(line) for line in _long_enough(corpus) if line.id in wanted)


def _long_enough(corpus: Path) -> Iterator[UnitLine]:
    return (line for line in read_lines(corpus) if TIMEBASE.seconds(line.n_frames) >= SHORTEST_S)


def _lot(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _cut(line: UnitLine) -> UnitLine:
    """Return the beginning of a line that is too long."""
    most = round(LONGEST_S * TIMEBASE.sample_rate / STRIDE)
    if line.n_frames <= most:
        return line
    units, runs = joined(line.frames()[:most])
    return UnitLine(line.id, line.audio, units, runs, line.start_s, LONGEST_S, line.speaker_id, line.language)
