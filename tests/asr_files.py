"""References with planted errors: manifests and hypotheses whose every count is known."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from melisma.text.transliterate import to_cyrillic

# No yat, no foreign letter, no digraph across a border, and no two words that differ in one letter.
WORDS = """
noćas gradom hladan šapuće tvoja ruka znam otići daleko more barka stari prozor lampa ulica kiša pada tiho svuda srce
budan godine bez tebe majka zove večera gotova kuća puna brat donosi drva zapali vatru ispod čađave ploče zora puca nad
planinom trči žuta trava šumi potok nosi lišće
""".split()  # noqa: SIM905 - a text
YAT = (("mlijeko", "mleko"), ("gdje", "gde"), ("snijeg", "sneg"), ("mjesto", "mesto"), ("cvijet", "cvet"))
LANGUAGES = ("bs", "hr", "sr")
STRANGE = "x"  # a letter that no word has
N_KINDS = 10


@dataclass
class Planted:
    """What was planted, to be found again: of the normalised view unless it says otherwise."""

    words: Counter = field(default_factory=Counter)  # "n", "s", "d", "i"
    characters: Counter = field(default_factory=Counter)
    folded: Counter = field(default_factory=Counter)
    raw: Counter = field(default_factory=Counter)
    by: dict[str, Counter] = field(default_factory=dict)  # words of "language hr", "speaker s1" …
    pairs: Counter = field(default_factory=Counter)  # (reference, hypothesis) of words
    letters: Counter = field(default_factory=Counter)
    variants: Counter = field(default_factory=Counter)
    flags: Counter = field(default_factory=Counter)
    missing: int = 0
    offsets: list[float] = field(default_factory=list)


def _sentence(rng: random.Random) -> list[str]:
    return rng.sample(WORDS, rng.randint(8, 12))


def _places(rng: random.Random, words: list[str], n: int) -> list[int]:
    """Draw places with at least three words between them, so that no other alignment needs as few edits."""
    while True:
        found = sorted(rng.sample(range(1, len(words) - 1), n))
        if all(b - a > 3 for a, b in pairwise(found)):
            return found


def _spoilt(word: str) -> str:
    return word[:1] + STRANGE + word[2:]


def plant(folder: Path, n: int = 500, seed: int = 0) -> tuple[Path, Path, Planted]:
    """Write a manifest of `n` references, hypotheses with planted errors, and return both with what was planted."""
    rng, planted = random.Random(seed), Planted()
    rows, heard = [], []
    for number in range(n):
        row, hypothesis, counted = _utterance(rng, number, planted)
        rows.append(row)
        if hypothesis is not None:
            heard.append(hypothesis)
        planted.words += counted
        for group in (f"language {row['language']}", f"speaker {row['speaker_id']}", f"noise {row['snr_db']}"):
            planted.by.setdefault(group, Counter()).update(counted)
    manifest, hypotheses = folder / "planted.jsonl", folder / "model-a.jsonl"
    for path, lines in ((manifest, rows), (hypotheses, heard)):
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return manifest, hypotheses, planted


def _utterance(rng: random.Random, number: int, planted: Planted) -> tuple[dict, dict | None, Counter]:
    words = _sentence(rng)
    language = LANGUAGES[number % 3]
    kind = number % N_KINDS
    if kind == 6:
        language = "sr"
    row = {
        "id": f"u{number}",
        "audio": f"clip{number}.wav",
        "duration": 6.0,
        "transcript": " ".join(words),
        "language": language,
        "speaker_id": f"s{number % 7}",
        "snr_db": (3.0, 15.0, 35.0)[number % 3],
    }
    wrong, counted = _spoil(rng, kind, words, row, planted)
    planted.raw += counted
    if kind != 6:
        planted.folded += counted
    else:
        planted.folded["n"] += counted["n"]
    if wrong is None:
        return row, None, counted
    said = {"id": row["id"], "text": " ".join(wrong), "language": language, "seconds": 0.5}
    if kind == 9:
        _time(rng, row, said, words, planted)
    return row, said, counted


def _spoil(rng: random.Random, kind: int, words: list[str], row: dict, planted: Planted) -> tuple[list | None, Counter]:
    """Return the words that were heard, and the counts of their edits."""
    counted, heard = Counter(n=len(words)), list(words)
    letters = planted.characters
    letters["n"] += len(" ".join(words))
    if kind == 1:  # substitutions, each of one letter
        for place in _places(rng, words, 2):
            heard[place] = _spoilt(words[place])
            planted.pairs[words[place], heard[place]] += 1
            planted.letters[words[place][1], STRANGE] += 1
        counted["s"] += 2
        letters["s"] += 2
    elif kind == 2:  # deletions
        for place in reversed(_places(rng, words, 2)):
            letters["d"] += len(words[place]) + 1
            planted.pairs[heard.pop(place), ""] += 1
        counted["d"] += 2
    elif kind == 3:  # insertions
        for place in reversed(_places(rng, words, 2)):
            heard.insert(place, STRANGE * 3)
            letters["i"] += 4
            planted.pairs["", STRANGE * 3] += 1
        counted["i"] += 2
    elif kind == 4:  # nothing was heard of
        planted.missing += 1
        counted["d"] += len(words)
        letters["d"] += len(" ".join(words))
        planted.pairs.update((word, "") for word in words)
        return None, counted
    elif kind == 5:  # only case and punctuation
        heard = [words[0].capitalize() + ",", *words[1:-1], words[-1] + "!"]
        planted.raw["s"] += 2
    elif kind == 6:  # the other script
        heard = [to_cyrillic(word) for word in words]
        counted["s"] += len(words)
        letters["s"] += sum(map(len, words))
        planted.pairs.update(zip(words, heard, strict=True))
    elif kind == 7:  # another pronunciation
        said, other = rng.choice(YAT)
        words[4], heard[4] = said, other
        letters["n"] += len(" ".join(words)) - len(row["transcript"])
        row["transcript"] = " ".join(words)
        counted["s"] += 1
        letters["d"] += len(said) - len(other)
        planted.pairs[said, other] += 1
        planted.variants["ijekavian > ekavian"] += 1
    elif kind == 8:  # round and round
        heard += [STRANGE] * 20
        counted["i"] += 20
        letters["i"] += 40
        planted.pairs["", STRANGE] += 20
        planted.flags["loop"] += 1
        planted.flags["too_long"] += len(heard) > 2 * len(words)
    return heard, counted


def _time(rng: random.Random, row: dict, said: dict, words: list[str], planted: Planted) -> None:
    """Give the words of reference and hypothesis times, the latter off by what is noted."""
    row["words"], said["words"] = [], []
    for place, word in enumerate(words):
        start, off = round(0.4 * place + 0.1, 3), rng.choice((-0.05, 0.0, 0.02, 0.15, 0.3))
        row["words"].append({"text": word, "start": start, "end": start + 0.3})
        said["words"].append({"text": word, "start": start + off, "end": start + 0.3 + off, "probability": 0.9})
        planted.offsets.append(off)
