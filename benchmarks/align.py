"""How long `melisma align` takes, in how much memory, and where the time goes: for a song, and for hours of singing.

    python benchmarks/align.py [--song-only | --hours 1 3]

The first table is the real command as a user gives it, a process from start to end: wall clock, time of the processor,
and the peak memory of that process. The second is a process that walks the same stages one by one; its seconds are
wall clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
SONG = "jonathan-coulton-i-feel-fantastic"


def command(audio: Path, lyrics: Path, *options: str) -> tuple[float, float, float]:
    """Run `melisma align`; return its wall clock and its processor time in seconds, and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-m", "melisma.cli.main", "align", str(audio), str(lyrics), *options]
        begin = time.perf_counter()
        process = subprocess.Popen([*line, "-q", "-o", f"{folder}/tmp.json"])
        _, status, usage = os.wait4(process.pid, 0)
        spent = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"melisma align ended with {process.returncode}")
    peak = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return spent, usage.ru_utime + usage.ru_stime, peak


def measure(audio: Path, lyrics: Path, language: str) -> None:
    """Walk the stages once and print the seconds of each as JSON."""
    begin = time.perf_counter()
    from melisma.aligner import decoder
    from melisma.audio import decode
    from melisma.engines.phone import PhoneEngine
    from melisma.models import features
    from melisma.pipeline import lyrics as lyrics_files
    from melisma.text.tokens import tokenize

    engine = PhoneEngine()
    spent = {"imports and model": time.perf_counter() - begin}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        out = run()
        spent[name] = time.perf_counter() - start
        return out

    waveform = timed("decoding", lambda: decode.load(audio))
    sung = lyrics_files.read(lyrics)
    tokens = timed("lyrics and phones", lambda: tokenize(sung, lambda w: engine.spell(w, language), engine.labels))
    with clocked(features, "log_mel", spent, "features"), clocked(features, "normalise", spent, "features"):
        emission = timed("listening", lambda: engine.emit(waveform))
    # What listening takes beside the features: the network, and cutting its windows.
    spent["network"] = spent.pop("listening") - spent["features"]
    with clocked(decoder, "find_route", spent, "search"):
        placed = timed("deciding", lambda: decoder.decode_words(emission, tokens, sung)).words
    spent["words, confidences"] = spent.pop("deciding") - spent["search"]
    print(json.dumps({"seconds": spent, "duration_s": waveform.duration_s, "n_words": len(placed)}))


@contextmanager
def clocked(module: Any, name: str, spent: dict[str, float], stage: str) -> Iterator[None]:
    """Count the time inside a function of a module, where it is called, so that it runs once and as it always does."""
    inner = getattr(module, name)
    spent.setdefault(stage, 0.0)

    def outer(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        out = inner(*args, **options)
        spent[stage] += time.perf_counter() - start
        return out

    setattr(module, name, outer)
    try:
        yield
    finally:
        setattr(module, name, inner)


def stages(audio: Path, lyrics: Path, language: str) -> dict[str, Any]:
    """Measure in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(audio), str(lyrics), language],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(title: str, audio: Path, lyrics: Path, language: str) -> None:
    """Print both tables of one recording."""
    found = stages(audio, lyrics, language)
    print(
        f"\n{title}: {found['duration_s']:.0f} s, {found['n_words']} words\n\n"
        "| command | s | CPU s | peak MB |\n|---|---|---|---|"
    )
    for options in (("--language", language), ()):
        seconds, busy, peak = command(audio, lyrics, *options)
        print(f"| {' '.join(('melisma align', *options))} | {seconds:.2f} | {busy:.2f} | {peak:.0f} |")
    whole = sum(found["seconds"].values())
    print("\n| stage | s | share |\n|---|---|---|")
    for stage, seconds in found["seconds"].items():
        print(f"| {stage} | {seconds:.2f} | {seconds / whole:.0%} |")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--hours", type=float, nargs="+", help="measure synthetic singing of these lengths, and no song"
    )
    parser.add_argument("--song-only", action="store_true")
    parser.add_argument("--measure", nargs=3, metavar=("AUDIO", "LYRICS", "LANGUAGE"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.measure:
        measure(Path(wanted.measure[0]), Path(wanted.measure[1]), wanted.measure[2])
        return
    song = SHARED / "songs" / SONG
    if not wanted.hours:
        if song.is_dir():
            show(f"song {song.name}", next(song.glob("audio.*")), song / "lyrics.txt", "en")
        else:
            print(f"the song is skipped: there is no {song} (MELISMA_SHARED names the folder)")
    if wanted.song_only:
        return
    from melisma.synth.score import score_of_length
    from melisma.synth.write import save

    for hours in wanted.hours or (1.0,):
        with tempfile.TemporaryDirectory() as folder:
            audio = save(score_of_length(3600 * hours, "en", seed=1), Path(folder))
            show(f"{hours:g} h of synthetic singing", audio, audio.with_name("lyrics.txt"), "en")


if __name__ == "__main__":
    main()
