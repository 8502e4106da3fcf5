"""How long `melisma eval asr` takes to count, and in how much memory, by the number of utterances.

    python benchmarks/evaluate_asr.py [--utterances 1000 5000 20000] [--speakers 1000]

Each row is a process of its own: references of eight words, of which one in ten was heard wrongly; 1,000 draws; writing
and reading the result besides. Nothing is listened to.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

WORDS = ("noćas", "gradom", "hladan", "vjetar", "šapuće", "tvoja", "ruka", "znam", "otići", "daleko", "more", "barka")


def files(folder: Path, n: int, n_speakers: int) -> tuple[Path, Path]:
    """Write a manifest and hypotheses."""
    from melisma.data.manifest import Utterance, write
    from melisma.evaluate.asr_hypotheses import Hypothesis

    rng = random.Random(0)
    heard = folder / "heard.jsonl"

    def utterances() -> Iterator[Utterance]:
        with heard.open("w", encoding="utf-8") as file:
            for number in range(n):
                words = [rng.choice(WORDS) for _ in range(8)]
                got = [word if rng.random() > 0.1 else "x" for word in words]
                file.write(Hypothesis(id=str(number), text=" ".join(got)).model_dump_json() + "\n")
                yield Utterance(
                    id=str(number),
                    audio=f"{number}.wav",
                    duration=4.0,
                    transcript=" ".join(words),
                    language=("bs", "hr", "sr")[number % 3],
                    speaker_id=str(number % n_speakers),
                )

    write(folder / "manifest.jsonl", utterances())
    return folder / "manifest.jsonl", heard


def measure(n: int, n_speakers: int) -> None:
    """Print a row of the table."""
    from melisma.evaluate import asr_hypotheses, asr_result
    from melisma.evaluate.asr import Entrant, EvalConfig, chosen, evaluate
    from melisma.evaluate.asr_result import Source

    with tempfile.TemporaryDirectory() as place:
        manifest, heard = files(Path(place), n, n_speakers)
        begun = time.perf_counter()
        found, digest = asr_hypotheses.read(heard)
        entrant = Entrant("theirs", found, Source(kind="hypotheses", name=heard.name, sha256=digest))
        result = evaluate(manifest, chosen(manifest), [entrant], EvalConfig(variants=True))
        counted = time.perf_counter() - begun
        out = Path(place) / "eval.json"
        asr_result.write(out, result)
        asr_result.read(out)
        spent = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
        print(f"| {n:,} | {n_speakers:,} | {counted:.1f} | {spent - counted:.1f} | {peak:.0f} |", flush=True)


def main() -> None:
    """Run each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--speakers", type=int, nargs="+", default=[20, 1000])
    parser.add_argument("--one", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(*given.one)
        return
    print(
        "| utterances | speakers | seconds to count | to write and read | peak MB |\n|---|---|---|---|---|", flush=True
    )
    for n in given.utterances:
        for speakers in given.speakers:
            subprocess.run([sys.executable, __file__, "--one", str(n), str(speakers)], check=True)


if __name__ == "__main__":
    main()
