"""How exactly words are timed in synthetic songs of nineteen languages, whose truth is known to the sample.

    python benchmarks/synthetic.py [--songs 2] [--languages hr,sr] [--cache FOLDER] [--json FILE]
    MELISMA_PHONE_MODEL=model.onnx python benchmarks/synthetic.py

The songs are `melisma.synth.heldout`: the same for every model, sung by timbres that training leaves out, over bands of
0 to 12 dB below the voice, some with halls, choirs and gaps of up to half a minute. They are made once and kept in the
cache. The first table is by language; the second says how late words begin by the kind of their first phone. Seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from melisma.core.records import Alignment
from melisma.metrics import alignment as metrics
from melisma.pipeline.align import align
from melisma.synth import heldout, write
from melisma.text.g2p import EspeakG2P

CACHE = Path(tempfile.gettempdir()) / "melisma-synthetic"
COLUMNS = ("p50", "hit100", "pco300", "derail", "bias")
NEAR_S = 0.3  # words further off were not found: how late they are says nothing about onsets
KINDS = {
    "vowel": "aɑɐæeɛəɚɜiɪɨoɔøœuʊʌyɯ",
    "voiceless stop": "ptkʔ",
    "voiced stop": "bdɡ",
    "fricative": "fvθðszʃʒçxɣhɕ",
    "nasal": "mnŋɲ",
    "approximant": "jwlɹ",
    "tap or trill": "rɾ",
}


def kind_of(label: str) -> str:
    """Name the kind of a label of `melisma.text.phones.INVENTORY`."""
    return next((kind for kind, labels in KINDS.items() if label in labels), "none")


def song(language: str, number: int, cache: Path) -> Path:
    """Make a song once; return its folder."""
    made = heldout.held_out(language, number)
    # What decides the sound stands in the folder's name, so that a changed instrument is made anew.
    # Word times are part of it: they move when the voice does.
    stamp = zlib.crc32(repr((made.config, made.words)).encode())
    folder = cache / f"{language}-{number}-{stamp:08x}"
    if not (folder / "gold.csv").is_file():
        write.save(made, folder, title=f"{language} {number}")
    return folder


def errors_of(alignment: Alignment, starts_s: Sequence[float]) -> np.ndarray:
    """Signed errors in seconds, NaN for a word without a time."""
    found = [np.nan if w.start_s is None else w.start_s for w in alignment.words]
    return metrics.onset_errors(found, np.array(starts_s))


def row(name: str, errors: np.ndarray, songs: int) -> str:
    """Write one line of the first table."""
    scores = metrics.evaluate(errors)
    values = " ".join(f"{getattr(scores, column):9.3f}" for column in COLUMNS)
    return f"{name:14s} {songs:5d} {scores.n_words:6d} {values}"


def kinds_table(by_kind: dict[str, list[float]]) -> str:
    """Write the second table, over words within `NEAR_S`."""
    lines = [f"{'first phone':14s} {'words':>6s} {'bias':>9s} {'p10':>9s} {'p90':>9s}"]
    for kind in KINDS:
        near = np.array([e for e in by_kind[kind] if abs(e) <= NEAR_S])
        if len(near):
            low, middle, high = np.quantile(near, (0.1, 0.5, 0.9))
            lines.append(f"{kind:14s} {len(near):6d} {middle:9.3f} {low:9.3f} {high:9.3f}")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=2, help="songs of each language (%(default)s)")
    parser.add_argument("--languages", default=",".join(heldout.LANGUAGES), help="comma-separated codes (all)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where songs are kept (%(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures of each song here")
    options = parser.parse_args()
    if options.songs < 1:
        parser.error("--songs takes a number from 1 on")
    languages = options.languages.split(",")
    unknown = [code for code in languages if code not in heldout.LANGUAGES]
    if unknown:
        parser.error(f"no synthetic songs in {', '.join(unknown)}; there are: {', '.join(heldout.LANGUAGES)}")
    run(languages, options.songs, options.cache, options.json)


def run(languages: Sequence[str], n_songs: int, cache: Path, report: Path | None) -> None:
    """Make, align and measure; print both tables."""
    g2p = EspeakG2P()
    every: list[np.ndarray] = []
    by_kind: dict[str, list[float]] = defaultdict(list)
    songs: list[dict[str, object]] = []
    making = aligning = sung_s = 0.0
    print(f"model: {os.environ.get('MELISMA_PHONE_MODEL') or 'the default'}")
    print(f"{'language':14s} {'songs':>5s} {'words':>6s} " + " ".join(f"{column:>9s}" for column in COLUMNS))
    for language in languages:
        of_language: list[np.ndarray] = []
        for number in range(n_songs):
            begin = time.perf_counter()
            folder = song(language, number, cache)
            with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
                truth = list(csv.DictReader(file))
            ready = time.perf_counter()
            alignment = align(folder / "audio.wav", folder / "lyrics.txt", language=language)
            making, aligning = making + ready - begin, aligning + time.perf_counter() - ready
            sung_s += alignment.duration_ms / 1000
            errors = errors_of(alignment, [float(word["start_s"]) for word in truth])
            of_language.append(errors)
            for word, error in zip(truth, errors, strict=True):
                spelt = g2p.phones(word["word"], language)
                by_kind[kind_of(spelt[0]) if spelt else "none"].append(float(error))
            settings = asdict(heldout.config(language, number))
            songs.append({"scores": asdict(metrics.evaluate(errors)), "number": number, **settings})
        print(row(language, np.concatenate(of_language), n_songs), flush=True)
        every += of_language
    print(row("all", np.concatenate(every), len(every)))
    print()
    print(kinds_table(by_kind))
    print(f"\n{sung_s / 60:.1f} min of songs: made or found in {making:.0f} s, aligned in {aligning:.0f} s")
    if report:
        report.write_text(json.dumps(songs, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
