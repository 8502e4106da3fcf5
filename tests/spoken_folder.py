"""A folder of recordings as users have them, read out by made-up voices, and the commands that a page tells them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from melisma.synth.speech import utter
from melisma.synth.voice import SINGERS
from melisma.text.espeak import voice_code


def commands(page: Path) -> list[str]:
    """Return the commands of a page's section "From a folder …", in order."""
    section = re.search(r"^## From a folder.*?(?=^## )", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert section
    joined = section[0].replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.startswith("    melisma ")]


def say(sentence: str, language: str, singer: str) -> np.ndarray:
    """Return a sentence in one of the voices, at 22,050 Hz."""
    voice = SINGERS[singer]
    samples, _ = utter(sentence, voice_code(language), voice.variant, voice.speed, voice.pitch)
    return np.asarray(soxr.resample(samples, 22050 * voice.formant_scale, 22050), np.float32)


def write(folder: Path, sentences: Mapping[str, Sequence[str]], text: str) -> None:
    """Write every sentence in every voice, with a text beside each recording and a table of where they come from.

    `text` is what stands in a text, around the sentence.
    """
    rows = []
    for singer in SINGERS:
        for language, said in sentences.items():
            (folder / language).mkdir(parents=True, exist_ok=True)
            for n, sentence in enumerate(said):
                name = f"{language}/{singer}-{n}"
                soundfile.write(folder / f"{name}.flac", 0.5 * say(sentence, language, singer), 22050)
                (folder / f"{name}.txt").write_text(text.format(sentence.capitalize()), encoding="utf-8")
                row = {"filename": f"{name}.flac", "speaker_id": singer, "license": "CC0-1.0", "source": "espeak"}
                rows.append(row)
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
