"""A small language of units: a few words, said by two people with other units between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from melisma.units.line import UnitLine, joined

WORDS = ((1, 2, 3, 4), (5, 6, 7), (8, 9, 8, 10, 11), (12, 13))
K = 20


def utterances(n: int, seed: int = 0) -> list[UnitLine]:
    """Say words at random; "ana" says the first one only and "bo" the others, and nobody says unit 19 or 0."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        speaker, language = (("ana", "pt"), ("bo", "it"))[i % 2]
        frames: list[int] = []
        for _ in range(12):
            frames += [int(unit) for unit in rng.integers(14, 19, 2)]
            word = WORDS[0] if speaker == "ana" else WORDS[int(rng.integers(1, len(WORDS)))]
            frames += [unit for unit in word for _ in range(int(rng.integers(1, 4)))]
        units, runs = joined(frames)
        made.append(UnitLine(f"u{i}", f"audio/{i}.wav", units, runs, 0.0, len(frames) * 0.02, speaker, language))
    return made


def write(folder: Path, lines: list[UnitLine]) -> Path:
    """Write `corpus_timestamped.jsonl`; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(line.to_json() + "\n" for line in lines)
    (folder / "corpus_timestamped.jsonl").write_text(text, encoding="utf-8")
    return folder
