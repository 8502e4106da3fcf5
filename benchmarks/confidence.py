"""Fit and judge the weights of `melisma.aligner.confidence` on pseudo-songs; print the weights and how honest they are.

    python benchmarks/confidence.py [--songs 60]

A pseudo-song is thirty sentences of speakers that the model was not trained on, with music under and between them and,
in a third of the songs, lyrics of which some lines are not in the recording and some of the recording is not in the
lyrics. The truth is the alignment of each sentence by itself, clean: short, so hardly ever wrong. A word is right if
its onset is within 0.3 s of that. Half of the pseudo-songs fit the weights, the other half judge them; the twelve real
songs take no part.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from melisma.aligner import confidence, words
from melisma.aligner.search import search
from melisma.audio import decode
from melisma.core.records import LyricLine, Lyrics, Tokens, Waveform
from melisma.engines.phone import PhoneEngine
from melisma.train.corpus import NoiseRow, UtteranceRow, read_manifest, split_speakers

SHARED = Path(os.environ.get("MELISMA_SHARED") or Path(__file__).resolve().parents[1] / "../shared")
RATE = 16000


@dataclass(frozen=True, slots=True)
class Sentence:
    """A held-out clip: samples, its words' labels, and the onset of each word that has labels, in seconds."""

    samples: np.ndarray
    spelt: list[list[int]]
    onsets: list[float]


@dataclass(frozen=True, slots=True)
class _Speaker:
    language: str
    speaker: str
    row: UtteranceRow


def held_out(root: Path, engine: PhoneEngine) -> list[Sentence]:
    """Load and align the clips of the speakers that the trainer holds out, with its own split (seed 1, share 0.04)."""
    skip = {"ja", "th", "zh-CN", "zh-HK", "zh-TW"}
    rows = [r for r in read_manifest(root / "manifest.jsonl", UtteranceRow) if r.language not in skip]
    _, held = split_speakers([_Speaker(r.language, r.speaker_id, r) for r in rows], 0.04, 1)
    index = {label: i for i, label in enumerate(engine.labels)}
    out: list[Sentence] = []
    for item in held:
        row = item.row
        spelt = [[index[p] for p in engine.spell(w, row.language)] for w in row.transcript.split()]
        spelt = [s for s in spelt if s]
        waveform = decode.load(root / row.audio)
        onsets = align(engine, waveform, [spelt])[0] if spelt else []
        if len(onsets):
            out.append(Sentence(waveform.samples, spelt, onsets.tolist()))
    return out


def align(engine: PhoneEngine, waveform: Waveform, lines: list[list[list[int]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the onset in seconds and the evidence of every word."""
    flat = [word for line in lines for word in line]
    tokens = Tokens(
        np.array([label for word in flat for label in word], np.int64),
        np.array([i for i, word in enumerate(flat) for _ in word], np.int64),
        np.array([k for k, line in enumerate(lines) for _ in line], np.int64),
    )
    emission = engine.emit(waveform)
    if len(emission.log_probs) < 2 * len(tokens.ids):
        return np.zeros(0), np.zeros((0, 3))
    path = search(emission, tokens)
    sung = Lyrics(tuple(LyricLine(tuple("w" for _ in line)) for line in lines))
    placed = words.words(path, emission, tokens, sung)
    ends = np.array([w.end // emission.timebase.stride for w in placed], np.int64)
    return np.array([w.start_s for w in placed]), words.evidence(path, emission, tokens, ends)


def pseudo_song(
    sentences: list[Sentence], music: list[np.ndarray], engine: PhoneEngine, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Make one, align it, and return the evidence of its words and whether each is right."""
    spoil = rng.random() < 1 / 3
    parts, lines, truth, at = [], [], [], 0
    for sentence in rng.choice(np.arange(len(sentences)), 30, replace=False):
        chosen = sentences[sentence]
        gap = np.zeros(int(RATE * rng.choice([0.3, 0.8, 2, 6], p=[0.4, 0.3, 0.2, 0.1])), np.float32)
        level = np.sqrt(np.mean(chosen.samples**2)) + 1e-6
        parts += [gap, chosen.samples * (0.1 / level)]
        start, at = (at + len(gap)) / RATE, at + len(gap) + len(chosen.samples)
        if spoil and rng.random() < 0.15:
            continue  # sung, but not in the lyrics
        lines.append(chosen.spelt)
        truth += [start + onset for onset in chosen.onsets]
        if spoil and rng.random() < 0.15:
            other = sentences[int(rng.integers(len(sentences)))]
            lines.append(other.spelt)  # in the lyrics, but not sung
            truth += [-100.0] * len(other.spelt)
    voice = np.concatenate(parts)
    bed = music[int(rng.integers(len(music)))]
    bed = np.resize(np.roll(bed, int(rng.integers(len(bed)))), len(voice))
    gain = 0.1 / (np.sqrt(np.mean(bed**2)) + 1e-6) * 10 ** (-rng.uniform(-8, 15) / 20)
    onsets, found = align(engine, Waveform((voice + gain * bed).astype(np.float32), RATE), lines)
    return found, np.abs(onsets - np.array(truth)) < 0.3


def fit(found: np.ndarray, right: np.ndarray) -> confidence.Weights:
    """Fit by logistic regression; no weight is negative, and silence under a word must speak against it."""

    def loss(x: np.ndarray) -> float:
        score = x[0] + found @ x[1:]
        return float(np.mean(np.logaddexp(0, -np.where(right, score, -score))) + 1e-4 * np.sum(x[1:] ** 2))

    best = minimize(loss, np.array([1.0, 0.3, 0.3, 0.3]), bounds=[(None, None), (0, None), (0, None), (0.1, None)])
    return confidence.Weights(*(round(float(v), 3) for v in best.x))


def judge(given: np.ndarray, right: np.ndarray) -> None:
    """Print how often words of each confidence are right, and the area under the curve."""
    order = np.argsort(given)
    ranks = np.empty(len(given))
    ranks[order] = np.arange(1, len(given) + 1)
    n_right = right.sum()
    area = (ranks[right].sum() - n_right * (n_right + 1) / 2) / max(n_right * (len(right) - n_right), 1)
    print(f"\n{len(right)} words, {right.mean():.1%} right, area under the curve {area:.3f}\n")
    print("| confidence | words | mean confidence | right |\n|---|---|---|---|")
    for low, high in ((0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.9), (0.9, 1.01)):
        inside = (given >= low) & (given < high)
        if inside.any():
            row = f"{inside.sum()} | {given[inside].mean():.2f} | {right[inside].mean():.2f}"
            print(f"| {low:.1f}–{min(high, 1):.1f} | {row} |")


def main() -> None:
    """Fit on one half, judge on the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--songs", type=int, default=60)
    n_songs = parser.parse_args().songs
    if not (SHARED / "corpus").is_dir():
        print(f"skipped: there is no {SHARED / 'corpus'} (MELISMA_SHARED names the folder)")
        return
    engine, rng = PhoneEngine(), np.random.default_rng(0)
    sentences = held_out(SHARED / "corpus", engine)
    rows = [r for r in read_manifest(SHARED / "noise" / "manifest.jsonl", NoiseRow) if r.kind == "music"]
    music = [decode.load(SHARED / "noise" / r.audio).samples for r in rows]
    made = [pseudo_song(sentences, music, engine, rng) for _ in range(n_songs)]
    made = [(found, right) for found, right in made if len(found)]
    halves = [tuple(map(np.concatenate, zip(*made[k::2], strict=True))) for k in range(2)]
    weights = fit(*halves[0])
    print(f"{len(sentences)} held-out sentences; {weights}")
    judge(confidence.confidences(halves[1][0], weights), halves[1][1])
    print("\nwith the weights as shipped:")
    judge(confidence.confidences(halves[1][0]), halves[1][1])


if __name__ == "__main__":
    main()
