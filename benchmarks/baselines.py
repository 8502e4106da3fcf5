"""The classical baselines on a folder of songs, beside the embedded engine: scores, seconds and what failed.

    python benchmarks/baselines.py ../shared/songs

Engines that time words by themselves are asked directly, without the router, its gate or its repairs, on the mono
mix-down that every engine gets; their times go through the units contract and into the same scores as any other's.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from melisma.audio import decode
from melisma.core import plugins
from melisma.core.errors import MelismaError
from melisma.core.timebase import Timebase
from melisma.core.units import to_clock
from melisma.evaluate import align as evaluation
from melisma.metrics import alignment as metrics
from melisma.pipeline import lyrics as lyrics_files

COLUMNS = ("aae", "p50", "hit100", "pco300", "derail", "coverage")


def placed(engine: Any, song: evaluation.Song) -> tuple[evaluation.SongResult, float]:
    """Score one song as one engine places it; the seconds are those of the engine alone."""
    waveform = decode.load(song.audio)
    sung = lyrics_files.read(song.lyrics)
    if sung.words != song.words:
        return evaluation.lost(song, "the lyrics are read as other words than the gold file's"), 0.0
    begin = time.perf_counter()
    try:
        heard = engine.place(waveform, sung, song.language)
        words = to_clock(heard, len(waveform.samples), Timebase(waveform.sample_rate)).words
    except MelismaError as error:
        return evaluation.lost(song, str(error)), time.perf_counter() - begin
    spent = time.perf_counter() - begin
    starts = np.full(len(song.words), np.nan)
    for word in words:
        starts[word.index] = word.start / waveform.sample_rate
    errors = metrics.onset_errors(starts, song.onsets_s)
    return evaluation.SongResult(song.song_id, song.language, errors, metrics.evaluate(errors)), spent


def row(name: str, scores: metrics.Scores, spent: float | None, note: str = "") -> str:
    """Return a row of a Markdown table."""
    numbers = " | ".join(f"{getattr(scores, column):.3f}" for column in COLUMNS)
    return f"| {name} | {numbers} | {'' if spent is None else f'{spent:.1f}'} | {note} |"


def show(name: str, songs: tuple[evaluation.Song, ...]) -> None:
    """Print the table of one engine."""
    engine = plugins.load(plugins.ENGINES, name)()
    print(f"\n**{name}**\n\n| song | {' | '.join(COLUMNS)} | s | |\n|---|{'---|' * (len(COLUMNS) + 2)}", flush=True)
    results = []
    for song in songs:
        result, spent = placed(engine, song)
        results.append(result)
        print(row(f"{song.song_id} ({song.language})", result.scores, spent, result.note), flush=True)
    for title, chosen in (("pooled words", results), ("pooled, English", [r for r in results if r.language == "en"])):
        found = evaluation.report(chosen)
        print(row(title, found.pooled, None, f"{len(found.lost)} of {len(chosen)} lost"), flush=True)


def main() -> None:
    """Run the engines over the songs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("songs", type=Path)
    parser.add_argument("--engines", default="hmm,dtw")
    wanted = parser.parse_args()
    songs = evaluation.find_songs(wanted.songs)
    for name in wanted.engines.split(","):
        show(name, songs)


if __name__ == "__main__":
    main()
