"""What a kept alignment is an alignment of, and what made it: everything that may change a result is in its key."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from melisma.core.records import Lyrics, Waveform

KEY_SCHEMA = 1  # changes with what goes into a key, or how: keys of another schema never meet
_HINTS = ("start_ms", "end_ms", "word_starts_ms")  # of a line: what its file says of times, which is no text
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Track:
    """A recording and its lyrics, by their hashes: what a correction by hand belongs to, whatever engine is used."""

    audio_hash: str  # of the decoded sound: `sound_hash`, or `melisma.audio.decode.Decoded.sound`
    text_hash: str  # of the sung words: `text_hash`


@dataclass(frozen=True, slots=True)
class ResultKey:
    """All that decides a computed result. Two keys that differ anywhere are two results.

    Parameters
    ----------
    track : Track
        Recording and lyrics.
    language : str
        ISO 639 code that was asked for, or "auto" where the text decides: what a text decides follows from the text
        and from `pipeline`.
    engine, engine_version, model_id, model_revision : str
        As `EngineFacts` gives them.
    pipeline : str
        Version of everything around the engine: decoding, text, search, judging.
    flags : str
        Everything that a caller may turn, as `flags` spells it.
    """

    track: Track
    language: str
    engine: str
    engine_version: str
    model_id: str
    model_revision: str
    pipeline: str
    flags: str = "{}"

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for the whole key."""
        values = (self.track.audio_hash, self.track.text_hash, *(getattr(self, f.name) for f in fields(self)[1:]))
        return _sha256(_spelt([KEY_SCHEMA, *values]))


def given_digest(track: Track, source: str) -> str:
    """Return what stands for the one row of a track that somebody brought: imported, or corrected by hand."""
    return _sha256(_spelt([KEY_SCHEMA, "given", source, track.audio_hash, track.text_hash]))


def flags(values: Mapping[str, object]) -> str:
    """Spell settings so that equal ones give equal text, whatever their order: JSON with sorted keys, ASCII only.

    Values are numbers, strings, booleans, None, paths, and sequences, mappings and dataclasses of these.

    Examples
    --------
    >>> flags({"wildcard": None, "downmix": "centre"})
    '{"downmix":"centre","wildcard":null}'
    """
    return _spelt(_plain(values))


def text_hash(lyrics: Lyrics) -> str:
    """Hash the sung words as they are spelt, with their lines and stanzas; times that came with them are no text."""
    lines = [{f.name: getattr(line, f.name) for f in fields(line) if f.name not in _HINTS} for line in lyrics.lines]
    rest = {f.name: getattr(lyrics, f.name) for f in fields(lyrics) if f.name != "lines"}
    return _sha256(_spelt(_plain([lines, rest])))


def hints_hash(lyrics: Lyrics) -> str:
    """Hash the times that came with the lyrics; empty where none did."""
    hints = [[getattr(line, name) for name in _HINTS] for line in lyrics.lines]
    known = any(value is not None and value != () for line in hints for value in line)
    return _sha256(_spelt(_plain(hints))) if known else ""


def sound_hash(waveform: Waveform) -> str:
    """Hash a waveform that came as samples: its rate and every sample, as `melisma.audio.decode` hashes a file's."""
    digest = hashlib.sha256(f"{waveform.sample_rate} 1 ".encode())
    digest.update(np.ascontiguousarray(waveform.samples, np.float32).data)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file's content, and what the file system says of it: tells whether it was changed meanwhile."""

    content: str
    size: int
    changed_ns: int
    inode: int


def mark_file(path: Path) -> FileMark | None:
    """Hash the bytes of a regular file; None for anything else, and for what cannot be read."""
    try:
        before = path.stat()
        if not stat.S_ISREG(before.st_mode):
            return None  # reading a pipe would eat it
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except (OSError, ValueError):
        return None
    return FileMark(digest.hexdigest(), before.st_size, before.st_mtime_ns, before.st_ino)


def unchanged(path: Path, mark: FileMark) -> bool:
    """Whether the file is, by its size, its time and its inode, still the one that was hashed."""
    try:
        now = path.stat()
    except (OSError, ValueError):
        return False
    return (now.st_size, now.st_mtime_ns, now.st_ino) == (mark.size, mark.changed_ns, mark.inode)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        plain = [_plain(each) for each in value]
        return sorted(plain, key=_spelt) if isinstance(value, (set, frozenset)) else plain
    raise TypeError(f"a key cannot hold this: {type(value).__name__}")


def _spelt(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
