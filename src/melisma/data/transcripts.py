"""The text beside a recording, in whichever of the usual files it lies: `NAME.txt`, `NAME.lrc` or another."""

from __future__ import annotations

import json
import stat
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, LyricsError
from melisma.core.files import format_of
from melisma.core.records import Alignment
from melisma.text.encoding import MAX_BYTES, decode

# In the order in which they are taken: what a person wrote before what a program may have heard.
SUFFIXES = (".txt", ".lab", ".lrc", ".srt", ".vtt", ".ttml", ".ass", ".TextGrid", ".json")
_PLAIN = (".txt", ".lab")
_TEXT_KEYS = ("transcript", "transcription", "text", "lyrics", "sentence", "normalized_text")


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text, and its words as [{text, start, end}] in seconds where the file times them."""

    text: str
    words: list[dict[str, Any]] | None = None


def file_of(stem: str, names: Container[str]) -> str | None:
    """Return which of the files of a folder may hold the text of a recording, by its name without the suffix."""
    for suffix in SUFFIXES:
        for written in (suffix, suffix.lower(), suffix.upper()):
            if stem + written in names:
                return stem + written
    return None


def read(path: Path) -> Transcript | None:
    """Read the text of a recording; None where a JSON file holds none.

    Raises
    ------
    InputError
        If the file cannot be read or does not hold what its name promises.
    """
    data = bytes_of(path)
    suffix = path.suffix.lower()
    if not data.strip():
        return Transcript("")
    text = decode(data, str(path))
    if suffix in _PLAIN:
        return Transcript(text.strip())
    if suffix == ".json":
        return _of_json(path, text)
    format = format_of(path)
    if format.read_lines is not None:
        return Transcript("\n".join(line.text.strip() for line in format.read_lines(text)).strip())
    if format.read is None:
        raise LyricsError(f"{path}: files of the format {format.name!r} cannot be read")
    return _of_alignment(format.read(text))


def bytes_of(path: Path) -> bytes:
    """Return what a file of text holds, no more of it than a text can have; a pipe is not waited for.

    Raises
    ------
    InputError
        If it is no file, or cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _of_alignment(found: Alignment) -> Transcript:
    text = "\n".join(found.line_text(i) for i in range(len(found.lines)))
    timed = [word for word in found.words if word.start_ms is not None and word.end_ms is not None]
    if len(timed) < len(found.words) or not timed:
        return Transcript(text)
    words = [{"text": w.text, "start": (w.start_ms or 0) / 1000, "end": (w.end_ms or 0) / 1000} for w in timed]
    return Transcript(text, words)


def _of_json(path: Path, text: str) -> Transcript | None:
    """Read an alignment of Melisma's, or the text of a transcription as other programs write it."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LyricsError(f"{path} is no JSON") from error
    if isinstance(said, dict):
        if str(said.get("schema", "")).startswith("melisma.alignment/"):
            reader = format_of(Path("a.json")).read
            return _of_alignment(reader(text)) if reader is not None else None
        for key in _TEXT_KEYS:
            if isinstance(said.get(key), str):
                return Transcript(str(said[key]).strip())
        said = said.get("segments", said.get("lines"))
    if isinstance(said, list):
        found = [each.get("text") if isinstance(each, dict) else each for each in said]
        lines = [line.strip() for line in found if isinstance(line, str) and line.strip()]
        return Transcript("\n".join(lines)) if lines else None
    return None
