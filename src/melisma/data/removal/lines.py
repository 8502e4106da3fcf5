"""Manifests below a folder, and as much of their lines as tells what was made of what."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melisma.core.errors import InputError, ManifestError
from melisma.data.folder import refuse_unlisted

QUARANTINE = ".removed"
_PASSED_OVER = frozenset({QUARANTINE, ".git", ".venv", ".incoming", "node_modules", "__pycache__"})
_LONGEST_LINE = 64 << 20
_DETOUR = re.compile(r"^/|//|/$|(?:^|/)\.\.?(?:/|$)|\\")


@dataclass(frozen=True, slots=True)
class Line:
    """What a line of a manifest says of where it comes from; `file` is its audio, without detours."""

    id: str
    file: str
    start: float
    end: float
    source: str
    source_url: str
    license: str
    recording_id: str
    clip_of: str
    sha256: str
    copy_of: str
    derived_from: tuple[str, ...]


def walk(root: Path) -> Iterator[Path]:
    """Yield every file below a folder, in order; what was removed before, and what is no corpus, is passed over.

    Symbolic links to folders are not followed, so that nothing outside is reached.

    Raises
    ------
    InputError
        If there is no such folder, or one cannot be listed: what is in it would stay.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}")
    for base, folders, files in os.walk(root, onerror=refuse_unlisted):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        yield from (Path(base, name) for name in sorted(files))


def manifests(files: list[Path]) -> list[Path]:
    """Return those of some files that are manifests: JSON lines, the first of which has an id, audio and a length."""
    return [path for path in files if path.suffix == ".jsonl" and _begins_as_manifest(path)]


def _begins_as_manifest(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            first = next((line for line in iter(lambda: file.readline(_LONGEST_LINE), b"") if line.strip()), b"")
        said = json.loads(first) if first else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and all(isinstance(said.get(name), str) for name in ("id", "audio"))


def read(manifest: Path) -> Iterator[tuple[int, Line]]:
    """Yield the lines of a manifest with where each begins, in bytes; empty ones are passed over.

    Raises
    ------
    ManifestError
        If it cannot be read, or a line is none of a manifest: what cannot be read cannot be cleared either.
    """
    folder = os.path.realpath(manifest.parent)
    offset = 0
    try:
        with manifest.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield offset, _parse(raw, folder, manifest, number)
                offset += len(raw)
    except OSError as error:
        raise ManifestError(manifest, None, f"cannot be read: {error.strerror or error}") from error


def read_at(manifest: Path, offsets: Iterable[int]) -> Iterator[Line]:
    """Yield the lines that begin at some places."""
    folder = os.path.realpath(manifest.parent)
    with manifest.open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            yield _parse(file.readline(), folder, manifest, None)


def _parse(raw: bytes, folder: str, manifest: Path, number: int | None) -> Line:
    try:
        said = json.loads(raw)
        get = said.get
        start, more = float(get("start") or 0.0), get("derived_from")
        return Line(
            str(said["id"]),
            _joined(folder, said["audio"]),
            start,
            start + float(get("duration") or 0.0),
            _text(get("source")),
            _text(get("source_url")),
            _text(get("license")),
            _text(get("recording_id")),
            _text(get("clip_of")),
            _text(get("sha256")),
            _text(get("copy_of")),
            tuple(each for each in more if isinstance(each, str)) if more else (),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError(manifest, number, f"this is no line of a manifest ({type(error).__name__})") from error


def _joined(folder: str, audio: str) -> str:
    """Return where the audio lies, without detours: most paths have none, and are not looked at twice."""
    if _DETOUR.search(audio):
        return os.path.normpath(os.path.join(folder, audio))
    return f"{folder}/{audio}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
