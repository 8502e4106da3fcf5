"""How long it takes, and in how much memory, to cut recordings into the windows that a Whisper hears, and to join them.

    python benchmarks/transcribe.py [--minutes 1 10 60 180]

Sound that is as loud as speech for some seconds and then pauses; each length in a process of its own, whose peak memory
is its own too. What a window costs is the model's; here every window says thirty words.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

RATE = 16_000


def recording(minutes: float, *, pauses: bool):
    """Return bursts of a harmonic sound with a melody, with pauses between them or without."""
    import numpy as np

    from melisma.core.records import Waveform

    n, rng = round(minutes * 60 * RATE), np.random.default_rng(0)
    samples = np.empty(n, np.float32)
    period = 20 * RATE
    t = np.arange(period) / RATE
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.4 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    if pauses:
        voice[(t % 7.0) > 6.2] = 0
    for first in range(0, n, period):
        stop = min(n, first + period)
        samples[first:stop] = 0.1 * voice[: stop - first] + rng.normal(0, 0.002, stop - first)
    return Waveform(samples, RATE)


def measure(minutes: float, *, pauses: bool) -> None:
    """Cut, listen and join; print what it took."""
    from melisma.core.timebase import Timebase
    from melisma.core.units import Clocked, ClockWord
    from melisma.engines.whisper_chunks import cut, listen

    waveform = recording(minutes, pauses=pauses)

    def hear(samples, first):
        step = len(samples) // 31
        words = tuple(ClockWord(f"word{i}", i * step, (i + 1) * step, 0.9) for i in range(30)) if step else ()
        return Clocked(words, len(samples), Timebase(RATE), "hr", (0,))

    cut(recording(0.2, pauses=pauses))  # opens the network
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    pieces = cut(waveform)
    cutting = time.perf_counter() - begin
    begin = time.perf_counter()
    heard = listen(waveform, pieces, hear)
    joining = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {
        "minutes": minutes,
        "pauses": pauses,
        "windows": len(pieces),
        "words": len(heard.words),
        "cut_s": round(cutting, 2),
        "join_s": round(joining, 2),
        "samples_mb": round(waveform.samples.nbytes / 1e6),
        "more_mb": round((peak - before) / 1024),
    }
    print(json.dumps(told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60, 180])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-pauses", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.minutes[0], pauses=not given.no_pauses)
        return
    print("| minutes | pauses | windows | cut, s | join, s | samples, MB | beside them, MB |")
    print("|---|---|---|---|---|---|---|")
    for minutes in given.minutes:
        for more in ((), ("--no-pauses",)):
            command = [sys.executable, __file__, "--one", "--minutes", str(minutes), *more]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            cells = ("minutes", "pauses", "windows", "cut_s", "join_s", "samples_mb", "more_mb")
            print("| " + " | ".join(f"{row[c]:g}" if c == "minutes" else str(row[c]) for c in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
