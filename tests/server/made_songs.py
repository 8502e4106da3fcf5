"""Songs that are made up, uploaded, and aligned as a job that is done does."""

from __future__ import annotations

import io

import numpy as np

from melisma.core.records import Alignment, Line, Word
from melisma.core.timebase import Timebase
from melisma.store.entries import Source

LYRICS = "Hello my love\nhow are you\n"


def wav(seconds: float = 2.0, seed: int = 0, rate: int = 8000) -> bytes:
    """Return a recording of noise; another seed is another recording."""
    import soundfile

    samples = np.random.default_rng(seed).normal(0, 0.1, round(rate * seconds)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def aligned(duration_ms: int = 2000) -> Alignment:
    """Return six words in two lines, on the clock of samples."""
    clock = Timebase(16000, 1)
    texts = LYRICS.split()
    words = tuple(
        Word(text, i // 3, 16 * (100 + 200 * i) + 1, 16 * (250 + 200 * i), 0.9 if i != 1 else 0.2, clock)
        for i, text in enumerate(texts)
    )
    lines = (Line(0, 3), Line(3, 6))
    return Alignment(words, lines, 16 * duration_ms, clock, language="en", engine="phone", engine_version="2")


def upload(client, data: bytes | None = None, name: str = "song.wav", **fields: str) -> dict:
    """Upload a recording; return its song."""
    answer = client.post("/v1/songs", files={"audio": (name, wav() if data is None else data)}, data=fields)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def make(context, alignment_id: str, alignment: Alignment | None = None, source: Source = Source.CTC) -> int:
    """Add a version as a job that is done does; return its number."""
    from melisma.store.service import alignments

    with context.database.begin() as session:
        based_on = alignments.current(session, alignment_id).version
        new = alignments.NewVersion(alignment or aligned(), based_on, source, summary="by an engine")
        return alignments.add_version(session, alignment_id, new)
