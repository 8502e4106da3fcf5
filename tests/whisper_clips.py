"""Manifests of noise with transcripts in the languages of the group, and a small processor for them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16_000
TEXTS = {
    "hr": ("Dobar dan, svijete!", "Čekam te na željezničkom kolodvoru.", "Gdje je moja žuta kuća?", "Šuma šumi."),
    "bs": ("Dobro jutro, komšija.", "Đaci čitaju knjige u školi.", "Lijepo je vrijeme danas.", "Hvala lijepa."),
    "sr": ("Добар дан, свете!", "Љубав и њихов џем.", "Где је моја жута кућа?", "Шума шуми."),
}


@cache
def small_processor(n_tokens: int = 400) -> Any:
    """Return a processor whose vocabulary is learnt from `TEXTS`; not to be changed."""
    from melisma.train.whisper.processor import NewVocabulary, new_processor

    texts = [f" {text}" for own in TEXTS.values() for text in own for _ in range(2)]
    return new_processor(texts, NewVocabulary(n_tokens))


def row(name: str, language: str, text: str, seconds: float, **more: Any) -> dict[str, Any]:
    """Return a line of a manifest."""
    said = {"id": name, "audio": f"{name}.wav", "duration": seconds, "transcript": text, "language": language}
    return said | {"license": "CC0-1.0", "source": "noise"} | more


def write_clips(path: Path, rows: list[dict[str, Any]], *, rate: int = RATE) -> Path:
    """Write a manifest, and noise of its own for each line whose audio is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(rows):
        audio = path.parent / each["audio"]
        if not audio.exists():
            n = round((each["duration"] + each.get("start", 0.0)) * rate)
            noise = np.random.default_rng([7, number]).normal(0, 0.05, n).astype(np.float32)
            soundfile.write(audio, noise, rate)
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    return path


def group_rows(seconds: float = 2.0, speakers: int = 2) -> list[dict[str, Any]]:
    """Return a clip for each of `TEXTS`, shared out among so many speakers of each language."""
    return [
        row(f"{language}-{i}", language, text, seconds, speaker_id=f"{language}{i % speakers}")
        for language, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ]
