"""Lyrics from wherever they are: a file, standard input or bytes, as plain text or in any format that holds lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from melisma.core.errors import InputError, LyricsError, UnknownName
from melisma.core.files import Format, format_named, format_of
from melisma.core.records import Alignment, Lyrics, TimedLine
from melisma.text import encoding
from melisma.text import lyrics as texts

_Given = TypeVar("_Given")

STDIN = "-"
PLAIN = "text"  # the name of what is no format: a sung line a line

# What a file shows of its format in its first rows, for files without a telling name. All are anchored: a song may sing
# of WEBVTT, but not on its first row alone.
_CLOCK = r"\[[0-9]{1,3}:[0-9]{2}(?:[.:,][0-9]{1,3})?\]"
_LRC_ROW = re.compile(rf"\s*{_CLOCK}")
_LRC_TAG = re.compile(r"\s*\[(?:ar|al|ti|au|by|re|ve|offset|length|la|#):.*\]\s*$", re.IGNORECASE)
_ELRC_MARK = re.compile(r"<[0-9]{1,3}:[0-9]{2}[.:,][0-9]{1,3}>")
_SUBRIP = re.compile(r"\s*(?:[0-9]+\s*\n)?\s*[0-9]{1,3}:[0-9]{2}:[0-9]{2}[,.][0-9]{1,3}\s*-->")
_FIRST_ROWS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("vtt", re.compile(r"\s*WEBVTT(?:[ \t].*)?(?:\n|$)")),
    ("srt", _SUBRIP),
    ("ass", re.compile(r"\s*\[Script Info\]", re.IGNORECASE)),
    ("ultrastar", re.compile(r"\s*#[A-Z0-9]+:[^\n]*\n(?:\s*\n|#[A-Z0-9]+:[^\n]*\n)*[:*FRGE-]\s")),
    ("textgrid", re.compile(r'\s*File type = "ooTextFile')),
    ("ttml", re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:tt|[a-z]+:tt)[\s>]", re.DOTALL)),
    ("json", re.compile(r'\s*\{\s*"schema"\s*:\s*"melisma\.alignment/')),
)
_LOOKED_AT = 20_000  # characters


def read(source: str | Path | bytes | Lyrics, *, name: str | None = None, format: str | None = None) -> Lyrics:
    """Read lyrics.

    Parameters
    ----------
    source : str, Path, bytes or Lyrics
        A path, or "-" for standard input; the bytes of a file; or lyrics that are read already, handed back as is.
        A text is no path: give it to `melisma.text.lyrics.from_text`.
    name : str, optional
        What to call the source in a sentence, and whose suffix tells the format of bytes; the path if not given.
    format : str, optional
        "text" or the name of an installed format; told from the name and the content if not given.

    Returns
    -------
    Lyrics
        Sung lines with the file's own times as hints, as far as it has any.

    Raises
    ------
    LyricsError
        If there is no such file, or it is no text, or no word in it is sung.
    FormatError
        If the file does not hold what its format promises; the sentence says in which line.
    UnknownName
        If `format` names none.
    """
    if isinstance(source, Lyrics):
        return source
    if isinstance(source, bytes):
        data, called = source, name or "the lyrics"
    elif str(source) == STDIN:
        data, called = _standard_input(), name or "standard input"
    else:
        data, called = _file(Path(source)), name or str(source)
    if not data.strip():
        raise LyricsError(f"{called} is empty")
    text = encoding.decode(data, called)
    chosen = _chosen(text, called, format)
    if chosen is None:
        return _named(called, texts.from_text, text)
    return _named(called, texts.parse, _lines(chosen, text))


def sniff(text: str) -> str | None:
    """Tell the format of a text from its first rows: the name of a format, or None for plain text."""
    head = text[:_LOOKED_AT].removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for known, pattern in _FIRST_ROWS:
        if pattern.match(head):
            return known
    rows = [row for row in head.split("\n") if row.strip()]
    timed = sum(1 for row in rows if _LRC_ROW.match(row))
    tags = sum(1 for row in rows if _LRC_TAG.match(row))
    # A sheet may note the time of a section, "[1:05]"; an LRC file times its lines.
    if timed and 3 * (timed + tags) >= len(rows):
        return "elrc" if any(_ELRC_MARK.search(row) for row in rows) else "lrc"
    return None


def _chosen(text: str, called: str, format: str | None) -> Format | None:
    if format == PLAIN:
        return None
    if format is not None:
        return format_named(format)
    told = sniff(text)
    if told is not None:
        return format_named(told)
    suffix = Path(called).suffix.lower()
    if suffix in ("", ".txt", ".text", ".md", ".lyrics"):
        return None
    try:
        found = format_of(Path(called))
    except UnknownName:
        return None  # lyrics.fr, song.en.final: a name says nothing here
    # An LRC file in which nothing is timed is a text whose name promises too much.
    untimed = found.name in ("lrc", "elrc") and not any(_LRC_ROW.match(row) for row in text.splitlines())
    return None if untimed else found


def _lines(chosen: Format, text: str) -> tuple[TimedLine, ...]:
    if chosen.read_lines is not None:
        return chosen.read_lines(text)
    if chosen.read is not None:
        return _as_lines(chosen.read(text))
    raise InputError(f"the format {chosen.name!r} can be written but not read: give the lyrics as text, LRC or SRT")


def _as_lines(alignment: Alignment) -> tuple[TimedLine, ...]:
    """Turn an alignment back into lines with hints, a blank one between stanzas."""
    found: list[TimedLine] = []
    for i, line in enumerate(alignment.lines):
        if i and line.stanza != alignment.lines[i - 1].stanza:
            found.append(TimedLine(""))
        span = alignment.line_ms(i)
        starts = tuple(word.start_ms for word in alignment.line_words(i))
        found.append(TimedLine(alignment.line_text(i), span[0] if span else None, span[1] if span else None, starts))
    return tuple(found)


def _named(called: str, reader: Callable[[_Given], Lyrics], given: _Given) -> Lyrics:
    try:
        return reader(given)
    except LyricsError as error:
        raise LyricsError(f"{called}: {error}") from error


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(encoding.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise LyricsError(f"there is no lyrics file {path}") from error
    except IsADirectoryError as error:
        raise LyricsError(f"{path} is a folder, not a lyrics file") from error
    except PermissionError as error:
        raise LyricsError(f"the lyrics file {path} may not be read: permission denied") from error
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise LyricsError(f"the lyrics file {str(path)[:200]!r} cannot be read: {said}") from error


def _standard_input() -> bytes:
    if sys.stdin is None or not hasattr(sys.stdin, "buffer"):
        raise LyricsError("there is no standard input to read lyrics from")
    return bytes(sys.stdin.buffer.read(encoding.MAX_BYTES + 1))
