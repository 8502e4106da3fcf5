"""A small corpus of units: recordings of a made voice, a codebook of their features, and their lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from typer.testing import CliRunner

from melisma.cli.main import app
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encode import UnitEncoder
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.line import JSON, UnitLine, joined

RATE = 16000
SPEAKERS = ("ana", "bo")
HOSTILE = '</script><script>window.broken=1</script><img src=x onerror="window.broken=1">\'"&amp;'


@dataclass(frozen=True, slots=True)
class UnitCorpus:
    """Where it lies, its codebook and its lines."""

    folder: Path
    codebook: Codebook
    lines: tuple[UnitLine, ...]


def voice(rng: np.random.Generator, seconds: float, f0_hz: float) -> np.ndarray:
    """Make harmonics whose timbre changes every 0.15 s, with pauses; float32 [n_samples]."""
    n = round(seconds * RATE)
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.05 * np.sin(np.arange(n) / RATE * 9))) / RATE
    out = np.zeros(n)
    for first in range(0, n, RATE * 3 // 20):
        part = slice(first, first + RATE * 3 // 20)
        peaks = rng.uniform(300, 3500, 2)
        for k in range(1, int(7000 / f0_hz)):
            size = sum(np.exp(-(((k * f0_hz - peak) / 250) ** 2)) for peak in peaks) + 0.01
            out[part] += size * np.sin(k * phase[part]) * (rng.random() < 0.97)
        if rng.random() < 0.2:
            out[part] *= 0.001
    return (0.3 * out / np.abs(out).max()).astype(np.float32)


def make(folder: Path, n: int = 6, *, k: int = 12, seconds: float = 1.2, seed: int = 1) -> UnitCorpus:
    """Write recordings, codebook and `corpus_timestamped.jsonl` into a folder."""
    rng = np.random.default_rng(seed)
    encoder = open_encoder(EncoderConfig("mfcc"))
    (folder / "recordings").mkdir(parents=True)
    sounds = [voice(rng, seconds, 110.0 if i % 2 else 190.0) for i in range(n)]
    for i, sound in enumerate(sounds):
        soundfile.write(folder / "recordings" / f"{i}.wav", sound, RATE, subtype="PCM_16")
    sounds = [soundfile.read(folder / "recordings" / f"{i}.wav", dtype="float32")[0] for i in range(n)]
    features = np.concatenate(encoder.encode(sounds))
    centres = features[rng.choice(len(features), k, replace=False)]
    book = Codebook(centres, encoder.facts)
    codebook_file.write(book, folder)
    units = UnitEncoder(encoder, book).units(sounds)
    lines = tuple(
        UnitLine(f"u/{i}", f"recordings/{i}.wav", *joined(each.tolist()), 0.0, seconds, SPEAKERS[i % 2], "pt")
        for i, each in enumerate(units)
    )
    (folder / JSON).write_text("".join(line.to_json() + "\n" for line in lines), encoding="utf-8")
    return UnitCorpus(folder, book, lines)


def run(*given: object) -> Any:
    """Run the program as a user does."""
    return CliRunner().invoke(app, [str(each) for each in given])
