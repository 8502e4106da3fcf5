"""Silence or voice: how well `segment` tells where somebody speaks, over noise and music of several levels.

    MELISMA_SHARED=../shared python benchmarks/voice_activity.py [N]

Joins N utterances of the corpus (60 without), trimmed to what is within 40 dB of their loudest, with pauses of 0.6 to
2 s, and adds a recording of noise or music at a level below the speech. Frames of 10 ms are judged: precision, recall
and F1 of speech, and the share of the pauses in whose middle half nothing is taken for speech. The truth is by level:
what breathes or clicks within an utterance counts as speech.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melisma.audio.decode import load
from melisma.data.levels import HOP, levels
from melisma.models.voice import voice

Float32 = npt.NDArray[np.float32]
RATE = 16000


def speech(shared: Path, n: int) -> tuple[Float32, npt.NDArray[np.bool_], list[tuple[int, int]]]:
    """Return joined utterances, which frames are speech, and the pauses in frames."""
    random = np.random.default_rng(7)
    rows = [json.loads(line) for line in (shared / "corpus" / "manifest.jsonl").open(encoding="utf-8")]
    parts: list[Float32] = []
    truth: list[npt.NDArray[np.bool_]] = []
    pauses: list[tuple[int, int]] = []
    at = 0
    for i in random.choice(len(rows), n, replace=False):
        samples = load(shared / "corpus" / rows[i]["audio"], downmix="mean").samples
        heard = levels([samples])
        loud = np.flatnonzero(heard > heard.max() - 40)
        said = samples[loud[0] * HOP : (loud[-1] + 1) * HOP]
        said = said[: len(said) // HOP * HOP] * (0.1 / np.sqrt(np.mean(said**2)))
        gap = int(random.uniform(60, 200))
        parts += [said, np.zeros(gap * HOP, np.float32)]
        truth += [np.ones(len(said) // HOP, bool), np.zeros(gap, bool)]
        at += len(said) // HOP + gap
        pauses.append((at - gap, at))
    return np.concatenate(parts).astype(np.float32), np.concatenate(truth), pauses


def row(name: str, found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], pauses: list[tuple[int, int]]) -> None:
    """Print precision, recall, F1 and the share of pauses that are found."""
    both = np.count_nonzero(found & truth)
    precision, recall = both / max(1, np.count_nonzero(found)), both / np.count_nonzero(truth)
    quiet = [not found[a + (b - a) // 4 : b - (b - a) // 4].any() for a, b in pauses]
    f1 = 2 * precision * recall / max(1e-9, precision + recall)
    print(f"{name:<44}{precision:>10.3f}{recall:>10.3f}{f1:>10.3f}{np.mean(quiet):>10.3f}", flush=True)


def main() -> None:
    """Print a table."""
    shared = Path(os.environ["MELISMA_SHARED"])
    clean, truth, pauses = speech(shared, int(sys.argv[1]) if len(sys.argv) > 1 else 60)
    kinds = {each: sorted((shared / "noise" / each).rglob("*.opus"))[:4] for each in ("ambience", "music")}
    print(f"{'':<44}{'precision':>10}{'recall':>10}{'F1':>10}{'pauses':>10}")
    for kind, snr in [("", np.inf), *[(kind, snr) for kind in kinds for snr in (40, 20, 10, 0)]]:
        mixed = clean
        if kind:
            noise = np.concatenate([load(path, downmix="mean").samples for path in kinds[kind]])
            noise = np.resize(noise, len(clean))
            noise *= 0.1 / np.sqrt(np.mean(noise**2)) * 10 ** (-snr / 20)
            mixed = (clean + noise).astype(np.float32)
        heard = levels([mixed])
        label = f"{kind} at {-snr} dB" if kind else "clean"
        row(f"{label}: silence, -40 dB", heard >= -40, truth, pauses)
        row(f"{label}: silence, -40 dB of the loudest", heard >= np.percentile(heard, 99.9) - 40, truth, pauses)
        probability = voice([mixed])
        for threshold in (0.3, 0.5, 0.7):
            row(f"{label}: voice, {threshold}", probability >= threshold, truth, pauses)


if __name__ == "__main__":
    main()
