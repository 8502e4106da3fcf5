"""What the search makes of lyrics that are not what is sung: a table by fault, plain search against the decoder.

    python benchmarks/faults.py --shared ../shared [--songs 6] [--first 7000] [--cache FOLDER] [--ablate]
    python benchmarks/faults.py --synthetic [--songs 6]
    python benchmarks/faults.py --real ../shared/songs [--ablate]

The first takes pseudo-songs of `faulty_songs.py`, --songs of each fault from spoken clips and as many from sung ones,
numbered from --first on: take numbers on which nothing was chosen. The second takes `melisma.synth.faults` in three
languages. The third does five things to the lyrics of real songs with known word times: measuring only. --ablate adds
the decoder with parts of it left out or changed, over all faults together.

Of words that are sung: the share placed within 0.3 s, off by more than a second, and given up (called unsung). Of words
that are never sung: the share called unsung; the others are invented times. Refused are songs with one verdict in place
of times; their words count as called unsung.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
from doubtful_songs import held_out, sentences, sung
from faulty_songs import FAULTS, FaultComposer

from melisma.aligner import words as placing
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.routes import RouteCosts
from melisma.aligner.search import search
from melisma.aligner.viterbi import frames_needed
from melisma.audio import decode
from melisma.core.errors import TooFewFrames, WrongLyrics
from melisma.core.records import Emission, LyricLine, Lyrics, Tokens
from melisma.engines.phone import PhoneEngine
from melisma.pipeline import lyrics as lyrics_files
from melisma.synth import faults as synthetic
from melisma.text.lyrics import from_text
from melisma.text.tokens import tokenize
from melisma.train.corpus import load_noise

NEAR_S, FAR_S = 0.3, 1.0
WRONG = "another song"
_STANZA = 6  # lines
_SHORTEST_REPEAT = 2  # lines


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, the lyrics given with it, and each time at which each of their words is sung, NaN if not known."""

    fault: str
    emission: Emission
    tokens: Tokens
    lyrics: Lyrics
    starts_s: Sequence[Sequence[float]]
    spare: Sequence[bool] = ()  # copies of which another one may be placed instead


@dataclass(slots=True)
class Counts:
    """Words by what became of them, and songs."""

    words: Counter[str] = field(default_factory=Counter)
    songs: int = 0
    refused: int = 0

    def add(self, case: Case, placed: Sequence[float | None] | None) -> None:
        """Count a song; None is a refusal."""
        self.songs += 1
        self.refused += placed is None
        found = [None] * len(case.starts_s) if placed is None else placed
        spare = case.spare if len(case.spare) else [False] * len(found)
        for at, times, may_go in zip(found, case.starts_s, spare, strict=True):
            if (may_go and at is None) or any(np.isnan(time) for time in times):
                continue
            self.words["sung" if times else "never"] += 1
            self.words[_fate(at, times)] += 1

    def row(self, name: str) -> str:
        """Write one line of a table."""
        n, sung, never = self.words, max(self.words["sung"], 1), max(self.words["never"], 1)
        of_sung = " ".join(
            f"{n[key] / sung:8.3f}" if n["sung"] else f"{'–':>8s}" for key in ("right", "far", "given up")
        )
        of_never = f"{n['unsung'] / never:8.3f} {n['invented']:8d}" if n["never"] else f"{'–':>8s} {'–':>8s}"
        return f"{name:28s} {n['sung']:6d} {of_sung} {n['never']:6d} {of_never}  {self.refused:3d} of {self.songs}"


_OF_SUNG = " ".join(f"{name:>8s}" for name in ("right", "> 1 s", "given up"))
HEADER = f"{'':28s} {'sung':>6s} {_OF_SUNG} {'never':>6s} {'unsung':>8s} {'invented':>8s}  refused"


def _fate(at: float | None, times: Sequence[float]) -> str:
    if not times:
        return "unsung" if at is None else "invented"
    if at is None:
        return "given up"
    error = min(abs(at - time) for time in times)
    return "right" if error <= NEAR_S else "far" if error > FAR_S else "near"


Way = Callable[[Case], "list[float | None] | None"]


def plain(case: Case) -> list[float | None] | None:
    """Place every word in the written order, as before there was a decoder."""
    try:
        path = search(case.emission, case.tokens)
    except TooFewFrames:
        return None
    return [word.start_s for word in placing.words(path, case.emission, case.tokens, case.lyrics)]


def decoder(config: DecoderConfig | None = None) -> Way:
    """Place words as `melisma.align` does."""

    def way(case: Case) -> list[float | None] | None:
        try:
            found = decode_words(case.emission, case.tokens, case.lyrics, config or DecoderConfig())
        except (WrongLyrics, TooFewFrames):
            return None
        return [word.start_s for word in found.words]

    return way


def without_phrases(case: Case) -> list[float | None] | None:
    """Place words with no pause inside a written line."""
    return decoder()(replace(case, tokens=replace(case.tokens, phrase=None)))


WAYS: dict[str, Way] = {"plain search": plain, "decoder": decoder()}
ONE_PASS = DecoderConfig(second_pass=False)
ABLATIONS: dict[str, Way] = {
    "no second pass": decoder(ONE_PASS),
    "… nor any line left out": decoder(replace(ONE_PASS, costs=RouteCosts(leave=1e6))),
    "… nor any way back": decoder(replace(ONE_PASS, costs=RouteCosts(jump=None))),
    "… nor either": decoder(replace(ONE_PASS, costs=RouteCosts(leave=1e6, jump=None))),
    "no wildcard": decoder(DecoderConfig(wildcard=None)),
    **{f"wildcard at {cost:g}": decoder(DecoderConfig(wildcard=cost)) for cost in (1.0, 3.0, 4.0)},
    "no phrases": without_phrases,
}


def pseudo(shared: Path, cache: Path, n: int, first: int) -> Iterator[Case]:
    """Make pseudo-songs with each fault, from spoken clips and from sung ones."""
    engine = PhoneEngine()
    manifest = held_out(shared / "corpus", cache, engine)
    pools = {"spoken": manifest, "sung": sung(manifest, cache, hours=0.3)}
    music = [piece for piece in load_noise(shared / "noise", cache, 1) if piece.kind == "music"]
    for seed, (kind, path) in enumerate(pools.items()):
        composer = FaultComposer(sentences(path, cache, engine), music, engine, seed)
        for k, fault in enumerate(FAULTS):
            for number in range(n):
                made = composer.faulty(first + 100 * k + number, fault, kind)
                yield Case(fault, made.emission, made.tokens, made.lyrics, made.starts_s, made.spare.tolist())


def synthetic_songs(n: int) -> Iterator[Case]:
    """Make songs with each fault in every language that has words enough."""
    engine = PhoneEngine()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.wav"
        for fault in synthetic.FAULTS:
            for number in range(n):
                code = synthetic.LANGUAGES[number % len(synthetic.LANGUAGES)]
                song = synthetic.faulty_song(fault, code, 300 + number)
                soundfile.write(path, song.stereo, song.sample_rate)
                starts = [word.starts_s for word in song.words]
                yield _case(fault, engine.emit(decode.load(path)), from_text(song.lyrics), code, starts, engine)


@dataclass(frozen=True, slots=True)
class RealSong:
    """A song: its emission, its language, its lines, and the true start of each word of each line."""

    emission: Emission
    language: str
    lines: tuple[tuple[LyricLine, tuple[float, ...]], ...]

    @property
    def stanzas(self) -> list[tuple[tuple[LyricLine, tuple[float, ...]], ...]]:
        """The lines, six at a time: the lyrics of these songs tell of no stanzas."""
        return [self.lines[i : i + _STANZA] for i in range(0, len(self.lines), _STANZA)]


Sung = list[tuple[LyricLine, list[tuple[float, ...]]]]  # each line with the times of its words


def real_songs(root: Path) -> Iterator[Case]:
    """Do five things to the lyrics of each real song."""
    engine = PhoneEngine()
    songs = [_real(folder.parent, engine) for folder in sorted(root.glob("*/gold.csv"))]
    for number, song in enumerate(songs):
        other = songs[(number + 1) % len(songs)]
        for fault, lines in _damaged(song, other, np.random.default_rng([41, number])):
            lyrics = Lyrics(tuple(line for line, _ in lines))
            starts = [times for _, words in lines for times in words]
            case = _case(fault, song.emission, lyrics, song.language, starts, engine)
            if frames_needed(case.tokens.ids) <= len(song.emission.log_probs):
                yield case


def _real(folder: Path, engine: PhoneEngine) -> RealSong:
    language = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["language"]
    lyrics = lyrics_files.read(folder / "lyrics.txt")
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        starts = iter([float(row["start_s"]) for row in csv.DictReader(file)])
    lines = tuple((line, tuple(next(starts) for _ in line.words)) for line in lyrics.lines)
    return RealSong(engine.emit(decode.load(next(folder.glob("audio.*")))), language, lines)


def _damaged(song: RealSong, other: RealSong, rng: np.random.Generator) -> Iterator[tuple[str, Sung]]:
    """Yield the lyrics as they are, and with each fault that can be made of them."""
    stanzas = [[(line, [(t,) for t in times]) for line, times in stanza] for stanza in song.stanzas]
    strange = [[(line, [()] * len(times)) for line, times in stanza] for stanza in other.stanzas]
    n = len(stanzas)
    yield "none", _joined(stanzas)
    if n > 1:
        gone = int(rng.integers(n))
        yield "a stanza missing", _joined(stanzas[:gone] + stanzas[gone + 1 :])
        a, b = sorted(rng.choice(n, 2, replace=False).tolist())
        swapped = [*stanzas[:a], stanzas[b], *stanzas[a + 1 : b], stanzas[a], *stanzas[b + 1 :]]
        yield "two stanzas swapped", _joined(swapped)
    at = int(rng.integers(n + 1))
    added = strange[int(rng.integers(len(strange)))]
    yield "a stanza of another song", _joined([*stanzas[:at], added, *stanzas[at:]])
    once = _written_once(_joined(stanzas))
    if len(once) < len(song.lines):
        yield "repeats written once", once
    yield WRONG, _joined(strange)


def _joined(stanzas: Iterable[Sung]) -> Sung:
    return [line for stanza in stanzas for line in stanza]


def _written_once(lines: Sung) -> Sung:
    """Leave out runs of lines that were written before; those may stand at any of their times."""
    kept: Sung = []
    i = 0
    while i < len(lines):
        length, at = max(((_alike(kept, j, lines, i), -j) for j in range(len(kept))), default=(0, 0))
        if length < _SHORTEST_REPEAT:
            kept.append(lines[i])
            i += 1
            continue
        for k in range(length):
            line, times = kept[k - at]
            kept[k - at] = line, [a + b for a, b in zip(times, lines[i + k][1], strict=True)]
        i += length
    return kept


def _alike(kept: Sung, j: int, lines: Sung, i: int) -> int:
    """Return how many lines from `j` and from `i` on read the same."""
    n = 0
    for (a, _), (b, _) in zip(kept[j:], lines[i:], strict=False):
        if a.words != b.words:
            break
        n += 1
    return n


def _case(
    fault: str,
    emission: Emission,
    lyrics: Lyrics,
    language: str,
    starts_s: Sequence[Sequence[float]],
    engine: PhoneEngine,
) -> Case:
    tokens = tokenize(lyrics, lambda word: engine.spell(word, language), engine.labels)
    return Case(fault, emission, tokens, lyrics, starts_s)


def print_tables(cases: Iterable[Case], ways: dict[str, Way]) -> None:
    """Count each case in every way; the first two by fault, all over the whole set."""
    by_fault: dict[str, dict[str, Counts]] = {}
    whole = {name: Counts() for name in ways}
    for case in cases:
        for name, way in ways.items():
            placed = way(case)
            by_fault.setdefault(case.fault, {}).setdefault(name, Counts()).add(case, placed)
            if case.fault != WRONG:
                whole[name].add(case, placed)
    for name in list(ways)[:2]:
        print(f"\n{name}\n{HEADER}")
        for fault, counts in by_fault.items():
            print(counts[name].row(fault))
    print(f"\nall faults but the last verdict\n{HEADER}")
    for name, counts in whole.items():
        print(counts.row(name))
    print(f"\nthe lyrics of another song\n{HEADER}")
    for name, of_wrong in by_fault.get(WRONG, {}).items():
        print(of_wrong.row(name))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--shared", type=Path, help="folder with corpus/ and noise/ to make pseudo-songs of")
    which.add_argument("--synthetic", action="store_true", help="songs sung by espeak-ng's voice")
    which.add_argument("--real", type=Path, help="folder of songs with gold.csv")
    parser.add_argument("--songs", type=int, default=6, help="of each fault and kind (%(default)s)")
    parser.add_argument("--first", type=int, default=7000, help="number of the first pseudo-song (%(default)s)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "melisma-confidence")
    parser.add_argument("--ablate", action="store_true", help="also with parts left out")
    options = parser.parse_args()
    ways = WAYS | (ABLATIONS if options.ablate else {})
    if options.real:
        cases = real_songs(options.real)
    elif options.synthetic:
        cases = synthetic_songs(options.songs)
    else:
        cases = pseudo(options.shared, options.cache, options.songs, options.first)
    print_tables(cases, ways)


if __name__ == "__main__":
    main()
