"""Formats as records, and files written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from melisma.core import plugins
from melisma.core.errors import InputError, OutputError, UnknownName
from melisma.core.records import Alignment, TimedLine


@dataclass(frozen=True, slots=True)
class Format:
    """One file format of alignments, as its module offers it under the name FORMAT.

    `write` turns an alignment into the file's text, `read` turns the text back; `read_lines` gives the lines of a
    lyrics or subtitle file with whatever times it holds. All raise `FormatError` for text that is not of the format.
    """

    name: str
    suffixes: tuple[str, ...]  # most specific first, with the dot: (".word.json",)
    media_type: str
    description: str
    write: Callable[[Alignment], str]
    read: Callable[[str], Alignment] | None = None
    read_lines: Callable[[str], tuple[TimedLine, ...]] | None = None


def format_named(name: str) -> Format:
    """Load a format by name."""
    found = plugins.load(plugins.FORMATS, name)
    if not isinstance(found, Format):
        raise InputError(f"the plug-in {name!r} offers no Format but a {type(found).__name__}")
    return found


def format_of(path: Path) -> Format:
    """Tell a format from a file name; the longest suffix wins."""
    best: tuple[int, Format] | None = None
    suffixes: list[str] = []
    for name in plugins.names(plugins.FORMATS):
        offered = format_named(name)
        suffixes += offered.suffixes
        for suffix in offered.suffixes:
            if path.name.lower().endswith(suffix) and (best is None or len(suffix) > best[0]):
                best = len(suffix), offered
    if best is None:
        raise UnknownName("format", path.suffix or path.name, suffixes)
    return best[1]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside its final place, then move it there: a reader sees the old file or the new one.

    A symbolic link stays one, its target is replaced; a device or pipe is written to as it is.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing of it is left then.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_bytes(data)
            return
        temporary = target.parent / f".melisma-{secrets.token_hex(8)}"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder in place of its tilde; as it is where there is no such home."""
    return Path(os.path.expanduser(path))


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file, in 64 hexadecimal digits; OSError if it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, where they are missing.

    Raises
    ------
    OutputError
        If it cannot be made, or something else has its name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror or error}") from error


def save(alignment: Alignment, path: Path, format: str | None = None) -> Path:
    """Write an alignment to a file, whole or not at all, in UTF-8.

    Raises
    ------
    UnknownName
        If the format is unknown, by name or by suffix.
    OutputError
        If the file cannot be written.
    """
    chosen = format_named(format) if format else format_of(path)
    try:
        data = chosen.write(alignment).encode("utf-8")
    except UnicodeEncodeError as error:
        raise OutputError(
            f"cannot write {path}: the text holds {error.object[error.start]!a}, half a character"
        ) from error
    write_atomically(path, data)
    return path
