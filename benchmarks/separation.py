"""What it does to words to listen to the plain mix, the centre or Demucs' voice, and what each costs.

    python benchmarks/separation.py [--languages en,hr] [--cache FOLDER] [--no-songs]
    python benchmarks/separation.py --speed [--seconds 60]

The first aligns three sets with the engine `phone` (see `benchmarks/enhancement.py`, which compares more): synthetic
songs, the same singers over rendered accompaniment, and the songs of $MELISMA_SHARED/songs, for the record. Demucs is
among the rows where its weights are on the machine. The second times each separator on noise, in a process of its own;
Demucs there has random weights and the sizes of htdemucs, so that it can be timed where its weights are not.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import paired
import soundfile
from enhancement import arguments, over_sets

from melisma.audio.separation import choose
from melisma.core.errors import WrongLyrics
from melisma.evaluate.align import Song, score
from melisma.pipeline.align import AlignConfig, align

RATE = 44100
SOURCES = ["drums", "bass", "other", "vocals"]
# Of htdemucs (signature 955717e8): 42 million weights, as in its file of 84 MB in 16 bits.
SIZES = {"bottom_channels": 512, "t_layers": 5, "t_dropout": 0.02, "dconv_mode": 3, "segment": Fraction(39, 5)}


def names() -> list[str]:
    """Return the separators that can run here, the plain mix first."""
    lacking = choose.separator("demucs").missing()
    if lacking is None:
        return ["none", "center", "demucs"]
    print(f"demucs is left out: {lacking}")
    return ["none", "center"]


def errors_of(song: Song, separate: str) -> np.ndarray:
    """Return signed errors in seconds, float64 [n_words], NaN where a word has no time."""
    config = AlignConfig(song.language, "phone", separate=separate)
    try:
        return score(song, align(song.audio, song.lyrics, config=config)).errors
    except WrongLyrics:
        return np.full(len(song.words), np.nan)


def show(title: str, songs: Sequence[Song], separators: Sequence[str]) -> None:
    """Align every song with every separator and print the table."""
    found = {name: [errors_of(song, name) for song in songs] for name in separators}
    print(f"\n{title}: {len(songs)} songs, {sum(len(s.words) for s in songs)} words\n")
    print(paired.table(found, "none"), flush=True)


def effects(options: argparse.Namespace) -> None:
    """Print the three tables of effects."""
    separators = names()
    over_sets(options, lambda title, songs: show(title, songs, separators))


def save_random_model(folder: Path) -> Path:
    """Save HTDemucs of the published sizes with random weights, as Demucs saves models."""
    import warnings

    import torch
    from demucs.htdemucs import HTDemucs
    from demucs.states import get_state

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = HTDemucs(SOURCES, **SIZES)
    print(f"HTDemucs with {sum(p.numel() for p in network.parameters()) / 1e6:.1f} million random weights")
    args, kwargs = network._init_args_kwargs
    path = folder / "random.th"
    torch.save({"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": get_state(network, None)}, path)
    return path


def measure(name: str, audio: Path, again: int) -> None:
    """Separate once, or once more, and print seconds and peak megabytes as JSON."""
    separator = choose.separator(name)
    for _ in range(again):
        begin = time.perf_counter()
        separator.separate(audio, 16000)
    spent = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(json.dumps({"s": spent, "mb": peak}))


def speed(seconds: Sequence[float]) -> None:
    """Print what each separator costs for recordings of some lengths."""
    print("| separator | recording s | s | s per s | peak MB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = os.environ | {
            "MELISMA_CACHE_DIR": name,
            "MELISMA_DEMUCS_MODEL": str(save_random_model(folder)),
        }
        rng = np.random.default_rng(0)
        for length in seconds:
            audio = folder / f"noise-{length:g}.wav"
            soundfile.write(audio, 0.1 * rng.standard_normal((round(length * RATE), 2)), RATE)
            for separator, runs in (("none", 1), ("center", 1), ("demucs", 1), ("demucs", 2)):
                row = [sys.executable, __file__, "--measure", separator, str(audio), str(runs)]
                done = subprocess.run(row, check=True, stdout=subprocess.PIPE, text=True, env=environment)
                cost = json.loads(done.stdout)
                called = separator if runs == 1 else f"{separator}, kept from before"
                print(
                    f"| {called} | {length:g} | {cost['s']:.2f} | {cost['s'] / length:.3f} | {cost['mb']:.0f} |",
                    flush=True,
                )


def main() -> None:
    """Run what is asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--speed", action="store_true", help="measure time and memory instead")
    parser.add_argument("--seconds", default="60,180", help="lengths of the recordings (%(default)s)")
    parser.add_argument("--measure", nargs=3, metavar=("NAME", "AUDIO", "RUNS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, audio, runs = options.measure
        measure(name, Path(audio), int(runs))
    elif options.speed:
        speed([float(length) for length in options.seconds.split(",")])
    else:
        effects(options)


if __name__ == "__main__":
    main()
