"""Where the time of an alignment goes: a song of the shared folder, and an hour of synthetic singing.

    python benchmarks/align.py [--hour-only | --song-only]

Each row is a fresh process, so that peak memory is that of the row; seconds are wall clock, from start to end.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = ("start and imports", "decoding", "lyrics and phones", "features", "network", "Viterbi", "words", "all")


def measure(audio: Path, lyrics: Path, language: str) -> None:
    """Align once and print seconds per stage, duration and peak memory, tab-separated."""
    begin = time.perf_counter()
    from melisma.aligner import viterbi, words
    from melisma.audio import decode
    from melisma.engines.phone import PhoneEngine
    from melisma.models import features
    from melisma.pipeline import lyrics as lyrics_files
    from melisma.text.tokens import tokenize

    engine = PhoneEngine()
    spent = {"start and imports": time.perf_counter() - begin}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        out = run()
        spent[name] = time.perf_counter() - start
        return out

    waveform = timed("decoding", lambda: decode.load(audio))
    sung = lyrics_files.read(lyrics)
    tokens = timed("lyrics and phones", lambda: tokenize(sung, lambda w: engine.spell(w, language), engine.labels))
    emission = timed("network", lambda: engine.emit(waveform))
    timed("features", lambda: features.normalise(features.log_mel(waveform.samples)))
    spent["network"] -= spent["features"]
    path = timed("Viterbi", lambda: viterbi.viterbi(emission.log_probs, tokens, emission.blank))
    placed = timed("words", lambda: words.words(path, emission, tokens, sung))
    spent["all"] = sum(spent.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        "\t".join([*(f"{spent[s]:.3f}" for s in STAGES), f"{waveform.duration_s:.0f}", f"{peak:.0f}", str(len(placed))])
    )


def row(audio: Path, lyrics: Path, language: str) -> list[str]:
    """Measure in a fresh process."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import align; from pathlib import Path\n"
    code += f"align.measure(Path({str(audio)!r}), Path({str(lyrics)!r}), {language!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def show(title: str, values: list[str]) -> None:
    """Print one table."""
    *seconds, duration, peak, n_words = values
    print(f"\n{title}: {duration} s, {n_words} words, peak memory {peak} MB\n\n| stage | s | share |\n|---|---|---|")
    whole = float(seconds[-1])
    for stage, spent in zip(STAGES, seconds, strict=True):
        print(f"| {stage} | {float(spent):.2f} | {float(spent) / whole:.0%} |")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hour-only", action="store_true")
    parser.add_argument("--song-only", action="store_true")
    wanted = parser.parse_args()
    shared = Path(os.environ.get("MELISMA_SHARED", "../shared"))
    song = shared / "songs" / "jonathan-coulton-i-feel-fantastic"
    if not wanted.hour_only and song.is_dir():
        show(f"song {song.name}", row(next(song.glob("audio.*")), song / "lyrics.txt", "en"))
    if wanted.song_only:
        return
    from melisma.synth.score import score_of_length
    from melisma.synth.write import save

    with tempfile.TemporaryDirectory() as folder:
        audio = save(score_of_length(3600, "en", seed=1), Path(folder))
        show("an hour of synthetic singing", row(audio, audio.with_name("lyrics.txt"), "en"))


if __name__ == "__main__":
    main()
