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
from io import BytesIO
from pathlib import Path

import soundfile

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
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


def check_hours(hours: float) -> None:
    """Refuse to fill a folder with no speech, or with speech without end.

    Raises
    ------
    InputError
        If the hours are no positive number.
    """
    if not 0 < hours < 1e5:
        raise InputError(f"{hours} hours of speech cannot be made: ask for a positive number")


def write_audio(path: Path, samples: Float32) -> None:
    """Write sound as 16 bit FLAC, whole or not at all; its folder is made where it is missing.

    Parameters
    ----------
    path : Path
    samples : float32 [n_samples] or [n_samples, 2]
        Within ±1, at `SAMPLE_RATE`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    buffer = BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    make_folder(path.parent)
    write_atomically(path, buffer.getvalue())


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


def read_manifest(folder: Path) -> list[Utterance]:
    """Read what `write_manifest` wrote, without the rows whose sound is gone; nothing where there is no manifest.

    Raises
    ------
    InputError
        If the manifest cannot be read, or is none of ours.
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        return []
    try:
        found = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        rows = [
            Utterance(**(row | {"phones": tuple((label, start, end) for label, start, end in row["phones"])}))
            for row in found
        ]
        return [row for row in rows if (folder / row.audio).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot read {manifest}, which an earlier run left: {error}") from error
