"""Recordings of a made voice with a manifest, a codebook of their MFCC, and the corpus that is made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile

from melisma.data import manifest, recordings
from melisma.data.manifest import Utterance
from melisma.data.units import encode
from melisma.data.units.corpus_files import Layout
from melisma.data.units.encode import Settings
from melisma.scale.local import LocalExecutor
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encode import config_of
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder

RATE = 16000
RESULT = ("corpus_timestamped.jsonl", "all_units_for_bpe.txt", "processed_files.txt", "checkpoint.json")


def noise(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    turns = np.repeat(rng.normal(size=(int(seconds * 8) + 1, 2)), RATE // 8, axis=0)[: round(seconds * RATE)]
    voice = np.sin(np.cumsum(0.05 + 0.02 * turns[:, 0])) * 0.2 + rng.normal(size=len(turns)) * 0.02 * abs(turns[:, 1])
    return voice.astype(np.float32).clip(-1, 1)


def corpus(folder: Path, n: int = 8) -> Path:
    """Make recordings of one utterance each, and one of three, the last of which is too short for a frame."""
    (folder / "in").mkdir(parents=True)
    rows = []
    for i in range(n):
        samples = noise(i, 0.4 + 0.1 * i)
        soundfile.write(folder / "in" / f"{i}.wav", samples, RATE, subtype="PCM_16")
        rows.append(Utterance(id=f"u/{i}", audio=f"{i}.wav", duration=len(samples) / RATE, speaker_id=f"s{i % 2}"))
    soundfile.write(folder / "in" / "long.wav", noise(99, 2.0), RATE, subtype="PCM_16")
    for i, (start, duration) in enumerate([(0.0, 0.7), (0.5, 1.0), (1.9, 0.02)]):
        row = Utterance(id=f"long/{i}", audio="long.wav", start=start, duration=duration, language="pt")
        rows.insert(i + 2, row)
    manifest.write(folder / "in" / "m.jsonl", rows)
    return folder / "in" / "m.jsonl"


def make_book(place: Path) -> Path:
    encoder = open_encoder(EncoderConfig("mfcc"))
    [frames] = encoder.encode([noise(5, 3.0)])
    codebook_file.write(Codebook(frames[::4], encoder.facts), place)
    return place


def settings(book: Path, **layout) -> Settings:
    return Settings(book, config_of(codebook_file.read(book), EncoderConfig()), Layout(**layout))


def run(path: Path, out: Path, book: Path, jobs: int = 1, **layout):
    return encode.write(recordings.read(path), out, settings(book, **layout), executor=LocalExecutor(jobs))


def hashes(out: Path) -> list[str]:
    return [hashlib.sha256((out / name).read_bytes()).hexdigest() for name in RESULT]
