"""An aligned speech folder: 16 kHz mono FLAC, and a manifest.jsonl that says when each phone is heard.

Each line of the manifest is one JSON object: id, audio (relative path), transcript, duration (s), language, speaker_id,
license, source, sung, and phones as [label, start_s, end_s] in order without overlap, in labels of
`melisma.text.phones.INVENTORY`. A phone begins where it begins to be heard, a stop after silence at its burst; what no
span covers is silence.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import soundfile

from melisma.core.errors import OutputError
from melisma.core.files import write_atomically
from melisma.core.records import Float32
from melisma.train.takes import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Utterance:
    """One line of the manifest."""

    id: str
    audio: str
    transcript: str
    duration: float
    language: str
    speaker_id: str
    license: str
    source: str
    sung: bool
    phones: tuple[tuple[str, float, float], ...]


def write_audio(path: Path, samples: Float32) -> None:
    """Write a take as 16 bit FLAC, its folder made where missing.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        raise OutputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error


def write_manifest(folder: Path, rows: Iterable[Utterance]) -> None:
    """Write manifest.jsonl, times to a tenth of a millisecond.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    lines: list[str] = []
    for row in rows:
        fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        fields["duration"] = round(row.duration, 4)
        fields["phones"] = [[label, round(start, 4), round(end, 4)] for label, start, end in row.phones]
        lines.append(json.dumps(fields, ensure_ascii=False) + "\n")
    write_atomically(folder / "manifest.jsonl", "".join(lines).encode("utf-8"))
