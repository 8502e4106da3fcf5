"""Spoken utterances with exact word times: espeak-ng's voice, word by word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from melisma.data.manifest import TimedWord, Utterance
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.text.espeak import voice_code

SENTENCES = {
    "en": "seven yellow monkeys wanted another banana",
    "es": "buenos amigos cantaban canciones antiguas",
    "de": "morgen kommen wieder viele Kinder nach Hause",
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples at `SAMPLE_RATE`, and when each word is said."""

    samples: np.ndarray
    words: list[TimedWord]


def say(text: str, language: str) -> Spoken:
    """Speak words with pauses of 0.2 s."""
    pause = np.zeros(round(0.2 * SAMPLE_RATE), np.float32)
    parts, words, at = [pause], [], len(pause)
    for word in text.split():
        samples, events = utter(word, voice_code(language), "", 150, 50)
        heard = [sample for name, sample in events if name]
        last = next((sample for name, sample in reversed(events) if not name), len(samples))
        words.append(
            TimedWord(text=word, start=(at + heard[0]) / SAMPLE_RATE, end=(at + max(last, heard[-1])) / SAMPLE_RATE)
        )
        parts += [samples, pause]
        at += len(samples) + len(pause)
    return Spoken(np.concatenate(parts), words)


def utterance(folder: Path, identifier: str, language: str, name: str) -> Utterance:
    """Write a sentence as a file and return its line."""
    spoken = say(SENTENCES[language], language)
    soundfile.write(folder / name, spoken.samples, SAMPLE_RATE)
    return Utterance(
        id=identifier,
        audio=name,
        duration=len(spoken.samples) / SAMPLE_RATE,
        transcript=SENTENCES[language],
        language=language,
        words=spoken.words,
    )
