"""How often the quality gate errs: good alignments that it refuses, and bad ones that it lets pass.

    python benchmarks/gate.py [--songs 38] [--faulty 6] [--cache FOLDER] [--real ../shared/songs]

Made-up songs are those of `confidence.py`; each is aligned with its own lyrics and with those of the next one, forced
onto it where the decoder refuses them. Of those that are good, the times are then damaged: moved by four seconds,
drawn out, squeezed, or the next line's under every line. What an alignment is worth is counted: *good* ones have four
words in five within 1 s of where they are sung, or rightly unsung; *bad* ones have less than half, or the lyrics of
another song. Thresholds were chosen on every other song; both halves are printed. `--real` counts real songs: with
their own lyrics, damaged, and with each other's.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from confidence import ANOTHER, CACHE, SHARED, Made, made_up

from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.gate import GateConfig, Measures, decide, measure
from melisma.core.errors import InputError
from melisma.core.records import Emission, Lyrics, Tokens, Word
from melisma.engines.phone import PhoneEngine
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline.router import Route, route
from melisma.pipeline.settings import RouterSettings
from melisma.pipeline.song import Song
from melisma.text.tokens import tokenize

GOOD, MIDDLING, BAD = "good", "middling", "bad"
_GOOD, _BAD, _WITHIN_S = 0.8, 0.5, 1.0
_FORCED = DecoderConfig(refuse=False)
Truth = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Tried:
    """An alignment: how it was made, what it is worth, what was measured, and whether the decoder refuses it itself."""

    how: str
    worth: str
    found: Measures
    refused: bool = False


def worth(placed: Sequence[Word], truth: Truth) -> str:
    """Say what an alignment is worth; `truth` holds for each word every time at which it is sung."""
    fine = [
        not starts if word.start_s is None else any(abs(word.start_s - at) <= _WITHIN_S for at in starts)
        for word, starts in zip(placed, truth, strict=True)
    ]
    share = sum(fine) / len(fine)
    return GOOD if share >= _GOOD else MIDDLING if share >= _BAD else BAD


def timed(placed: Sequence[Word], times: Callable[[float], float]) -> list[Word]:
    """Put every word elsewhere: `times` takes seconds to seconds."""
    return [
        word
        if word.start_s is None or word.end_s is None
        else replace(
            word,
            start=max(0, word.timebase.ticks(times(word.start_s))),
            end=max(1, word.timebase.ticks(times(word.end_s))),
        )
        for word in placed
    ]


def a_line_late(placed: Sequence[Word]) -> list[Word]:
    """Give each line the time from the line behind it."""
    starts: dict[int, float] = {}
    for word in placed:
        if word.start_s is not None:
            starts.setdefault(word.line, word.start_s)
    lines = sorted(starts)
    off = {line: starts[after] - starts[line] for line, after in pairwise(lines)}
    return [timed([word], partial(float.__add__, off.get(word.line, 0.0)))[0] for word in placed]


def damaged(placed: Sequence[Word], duration_s: float) -> Iterator[tuple[str, list[Word]]]:
    """Yield an alignment with its times damaged, and how."""
    third = duration_s / 3
    yield "moved by 4 s", timed(placed, lambda at: at + 4.0)
    yield "drawn out by 15 %", timed(placed, lambda at: 1.15 * at)
    yield "squeezed into a fifth", timed(placed, lambda at: third + at / 5)
    yield "half squeezed", timed(placed, lambda at: at / 10 if at < duration_s / 2 else at)
    yield "each line in the place of the next", a_line_late(placed)


def made_up_tries(songs: Sequence[Made]) -> Iterator[Tried]:
    """Align made-up songs in all these ways."""
    for song, other in zip(songs, [*songs[1:], *songs[:1]], strict=True):
        yield from tries(song.name, lambda c, s=song: aligned(s, s, c), song.emission, song.starts_s)
        if song.name != ANOTHER:
            nothing = [()] * len(other.starts_s)
            yield from tries(ANOTHER, lambda c, s=song, o=other: aligned(s, o, c), song.emission, nothing)


def aligned(song: Made, other: Made, config: DecoderConfig) -> tuple[Word, ...]:
    """Align a song with the lyrics of another, or its own."""
    return decode_words(song.emission, other.tokens, other.lyrics, config).words


Words = tuple[Word, ...]
Align = Callable[[DecoderConfig], Words]


def tries(how: str, align: Align, emission: Emission, truth: Truth) -> Iterator[Tried]:
    """Align as users do; where the decoder refuses, force it and say so. What is good is damaged as well."""
    try:
        placed, refused = align(DecoderConfig()), False
    except InputError:
        try:
            placed, refused = align(_FORCED), True
        except InputError:
            return  # too many sounds for the recording
    value = BAD if how == ANOTHER else worth(placed, truth)
    yield Tried(how, value, measure(placed, emission), refused)
    if value == GOOD and how != ANOTHER:
        for name, words in damaged(placed, emission.duration / emission.timebase.sample_rate):
            yield Tried(name, worth(words, truth), measure(words, emission))


def real_tries(folder: Path) -> Iterator[Tried]:
    """Align real songs with their own lyrics and with those of all others."""
    engine, settings = PhoneEngine(), RouterSettings()
    found = sorted(path.parent for path in folder.glob("*/gold.csv"))
    texts: list[tuple[Lyrics, Tokens]] = []
    for song in found:
        sung, language = lyrics_files.read(song / "lyrics.txt"), _language(song)
        texts.append((sung, tokenize(sung, partial(engine.spell, language=language), engine.labels)))
    for song, (own, _) in zip(found, texts, strict=True):
        with (song / "gold.csv").open(encoding="utf-8", newline="") as file:
            truth = [(float(row["start_s"]),) for row in csv.DictReader(file)]
        heard = Song(next(song.glob("audio.*")), own, language=_language(song))
        emission = route(heard, Route("phone", decoder=_FORCED), settings).emission
        if emission is None:
            raise ValueError("the engine phone gives its emission")
        for sung, tokens in texts:

            def align(config: DecoderConfig, heard: Emission = emission, given: tuple = (tokens, sung)) -> Words:
                return decode_words(heard, *given, config).words

            how = "own lyrics" if sung is own else ANOTHER
            yield from tries(how, align, emission, truth if sung is own else [()] * len(sung.words))


def _language(song: Path) -> str:
    return str(json.loads((song / "meta.json").read_text("utf-8"))["language"])


def report(tried: Sequence[Tried], config: GateConfig) -> None:
    """Print who is refused, and by which measure alone."""
    print("| alignments | worth | number | refused by the decoder | refused by the gate | let pass |")
    print("|---|---|---|---|---|---|")
    for how, value in sorted({(t.how, t.worth) for t in tried}):
        _row(how, value, [t for t in tried if (t.how, t.worth) == (how, value)], config)
    for value in (GOOD, MIDDLING, BAD):
        _row("all", value, [t for t in tried if t.worth == value], config)
    names = [field.name for field in fields(GateConfig) if field.name.startswith(("min", "max"))]
    print("\n| threshold alone | of good ones refused | of bad ones refused |\n|---|---|---|")
    for name in names:
        alone = replace(config, **_open(config, name))
        cells = [np.mean([not decide(t.found, alone).passed for t in tried if t.worth == v]) for v in (GOOD, BAD)]
        print(f"| `{name}` {getattr(config, name):g} | {cells[0]:.1%} | {cells[1]:.1%} |")


def _open(config: GateConfig, name: str) -> dict[str, float]:
    """Return thresholds that refuse nothing, but for one."""
    out = {
        f.name: 0.0 if f.name.startswith("min") else 1.0 for f in fields(config) if f.name.startswith(("min", "max"))
    }
    return out | {name: getattr(config, name)}


def _row(how: str, value: str, some: Sequence[Tried], config: GateConfig) -> None:
    if some:
        refused = sum(t.refused for t in some)
        gate = sum(not decide(t.found, config).passed for t in some)
        passed = sum(decide(t.found, config).passed and not t.refused for t in some)
        print(f"| {how} | {value} | {len(some)} | {refused} | {gate} | {passed} ({passed / len(some):.0%}) |")


def main() -> None:
    """Count on made-up songs, then on real ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=38, help="of each kind (%(default)s)")
    parser.add_argument("--faulty", type=int, default=6, help="of each kind with each fault (%(default)s)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where clips are kept (%(default)s)")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="of real songs to count as well")
    options = parser.parse_args()
    if not (SHARED / "corpus").is_dir():
        print(f"skipped: there is no {SHARED / 'corpus'} (MELISMA_SHARED names the folder)")
        return
    config = GateConfig()
    songs = list(made_up(options.songs, options.faulty, options.cache, PhoneEngine()))
    for name, half in (("chosen on", songs[::2]), ("judged on", songs[1::2])):
        print(f"\nmade-up songs, {name}:\n")
        report(list(made_up_tries(half)), config)
    if options.real:
        print("\nreal songs:\n")
        report(list(real_tries(options.real)), config)


if __name__ == "__main__":
    main()
