"""What a transcription leaves behind: a record for programs, a text with times for people, and LRC for players.

The record is one of word timestamps (`melisma.formats.word_timestamps`), which the front ends that exist read, with
what Whisper's users expect beside it: `segments` in seconds, each with its `words`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Alignment
from melisma.formats import elrc, word_timestamps
from melisma.pipeline.transcribe import aligner_of, n_exact

RECORD, TEXT, LRC = "transcription_base.json", "transcription_base.txt", "karaoke.lrc"
SCHEMA = "melisma.transcription/1"


@dataclass(frozen=True, slots=True)
class About:
    """Of what a transcription is: an id, the name of the recording's file, and the call that asked for it, if any."""

    file_id: str
    audio: str = ""
    request_id: str = ""


def record(timed: Alignment, about: About) -> dict[str, Any]:
    """Return the record of a transcription as an object of JSON.

    Examples
    --------
    >>> record(Alignment((), (), 0, language="hr"), About("a"))["schema"]
    'melisma.transcription/1'
    """
    aligner = aligner_of(timed)
    plain: dict[str, Any] = json.loads(word_timestamps.write(timed))
    plain["source"] = "forced_alignment" if aligner else "transcription"
    versions = (timed.engine, timed.engine_version, timed.model_id, timed.model_revision)
    names = ("engine", "engine_version", "model", "model_revision")
    return {
        "schema": SCHEMA,
        "file_id": about.file_id,
        "audio": about.audio,
        "request_id": about.request_id or None,
        "duration": round(timed.duration_ms / 1000, 3),
        **dict(zip(names, versions, strict=True)),
        "aligned_by": aligner or None,
        "aligned_words": n_exact(timed),
        **plain,
        "segments": [_segment(timed, i) for i in range(len(timed.lines))],
        "warnings": list(timed.warnings),
    }


def _segment(timed: Alignment, index: int) -> dict[str, Any]:
    line, span = timed.lines[index], timed.line_ms(index) or (0, 0)
    words = []
    for i in range(line.first, line.stop):
        word = timed.words[i]
        words.append(
            {
                "word": word.text,
                "start": _seconds(word.start_ms),
                "end": _seconds(word.end_ms),
                "probability": None if word.confidence is None else round(word.confidence, 4),
            }
        )
    text = timed.line_text(index)
    return {"id": index, "start": span[0] / 1000, "end": span[1] / 1000, "text": text, "words": words}


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def text(timed: Alignment) -> str:
    r"""Return the lines with their times, an empty line between stanzas.

    Examples
    --------
    >>> from melisma.core.records import Line, Word
    >>> text(Alignment((Word("dobro", 0, 500, 900), Word("jutro", 0, 950, 1400)), (Line(0, 2),), 2000))
    '[00:00.500 --> 00:01.400] dobro jutro\n'
    """
    lines: list[str] = []
    for i, line in enumerate(timed.lines):
        if i and line.stanza != timed.lines[i - 1].stanza:
            lines.append("")
        span = timed.line_ms(i)
        clock = f"[{_clock(span[0])} --> {_clock(span[1])}] " if span else ""
        lines.append(clock + timed.line_text(i))
    return "".join(f"{line}\n" for line in lines)


def _clock(ms: int) -> str:
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, ms = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}" if hours else f"{minutes:02d}:{seconds:02d}.{ms:03d}"


def files(timed: Alignment, about: About) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    said = json.dumps(record(timed, about), ensure_ascii=False, indent=1) + "\n"
    return {
        RECORD: said.encode("utf-8", "backslashreplace"),
        TEXT: text(timed).encode("utf-8", "replace"),
        LRC: elrc.write(timed).encode("utf-8", "replace"),
    }


def write(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files into a folder, which is made where it is missing; the record comes last, when all else is there.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    make_folder(folder)
    names = sorted(contents, key=lambda name: (name == RECORD, name))
    for name in names:
        write_atomically(folder / name, contents[name])
    return tuple(folder / name for name in names)
