"""A manifest of a million lines: `python benchmarks/manifests.py [--lines 1000000]`.

Made-up utterances of 20,000 speakers in twelve languages, some speakers of two, one line in seven a part of a recording
of ten. Each step runs in a process of its own; its time on the clock and on the processor, and its peak memory, are
printed. No audio is there, so splits do not listen.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from melisma.data import manifest
from melisma.data.manifest import Utterance

LANGUAGES = ("hr", "sr", "bs", "en", "de", "fr", "es", "it", "pl", "cs", "sl", "nl")
WORDS = ("dobar", "dan", "svijete", "pjesma", "noć", "more", "kamen", "vjetar", "ruka", "grad", "ulica", "kiša")


def made_up(n: int) -> Iterator[Utterance]:
    """Yield utterances as a corpus of songs and read speech would have them."""
    rng, speaker = random.Random(1), 0
    for k in range(n):
        if k % 10 == 0:
            speaker = int(20_000 * rng.random() ** 3)  # a few say much, most say little
        yield Utterance(
            id=f"corpus/{k:07d}",
            audio=f"clips/{k // 1000:04d}/{k - k % 10 if k % 70 < 10 else k:07d}.opus",
            duration=round(rng.uniform(0.8, 15), 3),
            transcript=" ".join(rng.choices(WORDS, k=rng.randint(3, 14))) + f" {k}",
            language=LANGUAGES[(speaker + (speaker % 50 == 0 and k % 2)) % len(LANGUAGES)],
            speaker_id=f"speaker-{speaker:05d}",
            license=("CC0-1.0", "CC-BY-4.0")[speaker % 2],
            source="made up",
            snr_db=round(rng.uniform(0, 40), 1),
        )


def write(path: Path, n: int) -> str:
    return f"{manifest.write(path, made_up(n)):,} lines, {path.stat().st_size / 1e6:.0f} MB"


def read(path: Path, n: int) -> str:
    return f"{sum(1 for _ in manifest.read(path)):,} utterances"


def index(path: Path, n: int) -> str:
    from melisma.data.index import Index

    made = Index.open(path)
    return f"{made.place.stat().st_size / 1e6:.0f} MB"


def reopen(path: Path, n: int) -> str:
    from melisma.data.index import Index

    return f"{len(Index.open(path)):,} utterances"


def shuffled(path: Path, n: int) -> str:
    import numpy as np

    from melisma.data.index import Index

    opened = Index.open(path)
    order = np.random.default_rng(1).permutation(len(opened))[:100_000]
    return f"{sum(1 for i in order if opened[int(i)].duration):,} utterances"


def chosen(path: Path, conditions: list[str], **lot: int) -> str:
    from melisma.data.conditions import parse
    from melisma.data.index import Index
    from melisma.data.selection import Lot, choose, chosen_lines

    opened = Index.open(path)
    found = choose(opened, [parse(each) for each in conditions], Lot(**lot))
    n = manifest.write_lines(path.with_name("chosen.jsonl"), chosen_lines(opened, found, None))
    return f"{n:,} of {len(opened):,}"


def filter_columns(path: Path, n: int) -> str:
    return chosen(path, ["language in (hr, sr, bs) and duration < 10"])


def filter_lines(path: Path, n: int) -> str:
    return chosen(path, ["snr_db >= 20 and transcript ~ more"])


def sample(path: Path, n: int) -> str:
    return chosen(path, [], sample=1000)


def split(path: Path, n: int) -> str:
    from melisma.data.split import Settings
    from melisma.data.split import split as make

    made = make(path, path.with_name("splits"), Settings(near_duplicates=False))
    worst = max(made.languages.values(), key=lambda each: each.off)
    return f"{made.parts['train'].utterances:,} train; shares off by at most {worst.off:.2%}"


def verify(path: Path, n: int) -> str:
    from melisma.data import split_certificate

    folder = path.with_name("splits")
    parts = {name: folder / f"{name}.jsonl" for name in ("train", "valid", "test")}
    split_certificate.verify(split_certificate.read(folder / "split.json"), **parts)
    return "as certified"


def duplicate(path: Path, n: int) -> str:
    from melisma.data.index import Index

    Index.open(path).refuse_duplicates()
    return "every id once"


STEPS: dict[str, tuple[str, Callable[[Path, int], str]]] = {
    "write": ("write the manifest", write),
    "read": ("read it through, every line checked", read),
    "index": ("check it and make its index", index),
    "reopen": ("open the index again", reopen),
    "duplicate": ("look for ids that come twice", duplicate),
    "shuffled": ("read 100,000 utterances in any order", shuffled),
    "filter_columns": ("filter by language and duration, write", filter_columns),
    "filter_lines": ("filter by other fields, write", filter_lines),
    "sample": ("draw 1,000, write", sample),
    "split": ("split, write three parts and the certificate", split),
    "verify": ("verify the certificate", verify),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--step", choices=[*STEPS, "nothing"], help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        begin, spent = time.perf_counter(), time.process_time()
        said = STEPS[given.step][1](given.path, given.lines) if given.step != "nothing" else "imports alone"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([time.perf_counter() - begin, time.process_time() - spent, peak, said]))
        return
    print("| step | seconds | of the processor | peak memory | result |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for step in ("nothing", *STEPS):
            command = [sys.executable, __file__, "--lines", str(given.lines), "--step", step]
            path = str(Path(folder, "corpus.jsonl"))
            done = subprocess.run([*command, "--path", path], check=True, capture_output=True, text=True)
            seconds, spent, peak, said = json.loads(done.stdout)
            name = STEPS[step][0] if step in STEPS else "start"
            print(f"| {name} | {seconds:.1f} | {spent:.1f} | {peak:.0f} MB | {said} |", flush=True)


if __name__ == "__main__":
    main()
