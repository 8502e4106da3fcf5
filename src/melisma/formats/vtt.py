"""WebVTT: a cue per line with timestamps inside, so that a player can light up word after word.

Written: ``<c>word</c> <00:00:12.500><c>word</c>``; a word that starts with its cue needs no timestamp, a timestamp
glued behind a word ends it, a word without a time is ``<c.unsung>``, a backing word ``<c.backing>``, and a line without
any time is a further row of the cue in front of it (or behind it, at the beginning). Cues stand in the order in which
they are sung; a backing group that overlaps its lead is a cue of its own, seen at the same time. A style block dims the
words to come in browsers that know ``:future``.

Read: any WebVTT: notes, styles, regions and cue settings are skipped, character references resolved; words that share
a timestamp share its span, and so do all words of a cue without timestamps. Lost: confidences, stanzas, the order of
the text, the length of the recording, the part of a word that overlaps the next one of its line. Timestamps are equal,
which validators dislike, only where words start together or last no time.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, Alignment, TimedLine
from melisma.formats._characters import opened, resolved, rows
from melisma.formats._clock import hms, milliseconds
from melisma.formats._cues import Cue, cues, without_overlap
from melisma.formats._draft import LINE_TIMES, DraftLine, TimedWord, assemble, language_or_und, spread, timed_rows
from melisma.formats._marks import Mark, by_row, timed_words, voiced
from melisma.formats._sung import in_sung_order

_TIME = r"(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})(?:\.([0-9]{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)")
_STAMP = re.compile(_TIME)
_TAG = re.compile(r"<([^<>]*)>")
_LANGUAGE = re.compile(r"\s*Language:(.*)", re.IGNORECASE)
_STYLE = """\
STYLE
::cue(c:future) { color: #b8b8b8; }
::cue(.unsung) { color: #b8b8b8; font-style: italic; }
::cue(.backing) { font-size: 75%; }
"""


@dataclass(frozen=True, slots=True)
class _Block:
    """A cue as read: its span and its payload of one or more rows."""

    start: int
    end: int
    payload: str


def write(alignment: Alignment) -> str:
    """Write an alignment as WebVTT text."""
    alignment = in_sung_order(alignment)
    language = language_or_und(alignment.language)
    head = "WEBVTT\n" if language == "und" else f"WEBVTT\nKind: captions\nLanguage: {language}\n"
    return "\n".join([head, _STYLE, *(_spelt(alignment, cue) for cue in cues(alignment))])


def _spelt(alignment: Alignment, cue: Cue) -> str:
    lines = [without_overlap(alignment.line_words(i)) for i in cue.lines]
    ends = [word.end for line in lines for word in line if word.end is not None]
    end = ends[-1] if ends else cue.end
    payload = "\n".join(_payload(line, cue.start if i == 0 else None, end) for i, line in enumerate(lines))
    return f"{hms(cue.start)} --> {hms(end)}\n{payload}\n"


def _payload(words: Sequence[TimedWord], start: int | None, end: int) -> str:
    """Spell a line; `start` is that of its cue where the line stands first in it, so that its first tag can go."""
    parts: list[str] = []
    followers = iter([word.start for word in words if word.start is not None][1:])
    for word in words:
        text = html.escape(word.text, quote=False)
        voice = ".backing" if word.voice == BACKING else ""
        if word.start is None or word.end is None:
            parts.append(f"<c.unsung{voice}>{text}</c>")
            continue
        stamp = "" if not parts and word.start == start else f"<{hms(word.start)}>"
        runs_on = next(followers, end) == word.end
        parts.append(f"{stamp}<c{voice}>{text}</c>" + ("" if runs_on else f"<{hms(word.end)}>"))
    return " ".join(parts)


def read(text: str) -> Alignment:
    """Read WebVTT text."""
    blocks, language = _parse(text)
    lines: list[DraftLine] = []
    notes: list[str] = []
    for block in blocks:
        found, exact = _words(block)
        lines += [DraftLine(words) for words in found]
        if not exact and any(len(words) > 1 for words in found):
            notes.append(LINE_TIMES)
    return assemble("vtt", lines, language=language, warnings=dict.fromkeys(notes))


def read_lines(text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines; in a cue of several rows without timestamps only its outer times are known."""
    found: list[TimedLine] = []
    for block in _parse(text)[0]:
        dealt, exact = _words(block)
        found += timed_rows(dealt, block.start, block.end, exact)
    return tuple(found)


def _words(block: _Block) -> tuple[list[tuple[TimedWord, ...]], bool]:
    """Return the words of each row of a cue, and whether the cue times them one by one."""
    text, marks, backing = _split_marks(block)
    if len(marks) > 1:
        timed: Sequence[TimedWord] = timed_words(text, marks, block.end)
    else:
        timed = spread(text, block.start, block.end)
    return by_row(text, voiced(text, timed, backing)), len(marks) > 1


def _split_marks(block: _Block) -> tuple[str, list[Mark], list[tuple[int, int]]]:
    """Return the plain text of a cue, its timestamps, and the spans of the text that a backing voice sings."""
    pieces: list[str] = []
    marks = [Mark(0, block.start)]
    backing: list[tuple[int, int]] = []
    opened_at: int | None = None
    at = length = 0
    for tag in _TAG.finditer(block.payload):
        pieces.append(resolved(block.payload[at : tag.start()]))
        length += len(pieces[-1])
        at = tag.end()
        stamp = _STAMP.fullmatch(tag[1].strip())
        classes = tag[1].split(".")
        if stamp:
            marks.append(Mark(length, milliseconds(*stamp.groups())))
        elif classes[:2] == ["c", "unsung"]:
            marks.append(Mark(length, marks[-1].ms, unsung=True))
        if classes[0] == "c" and "backing" in classes:
            opened_at = length
        elif tag[1] == "/c" and opened_at is not None:
            backing.append((opened_at, length))
            opened_at = None
    return "".join([*pieces, resolved(block.payload[at:])]), marks, backing


def _parse(text: str) -> tuple[list[_Block], str]:
    file_rows = rows(opened(text))
    if not re.match(r"WEBVTT(?:\s|$)", file_rows[0]):
        raise FormatError("vtt", "the file does not begin with WEBVTT", 1)
    language = "und"
    found: list[_Block] = []
    open_cue: tuple[int, int] | None = None
    payload: list[str] = []
    in_head = True
    for row in [*file_rows[1:], ""]:
        timing = _TIMING.match(row)
        if open_cue is not None and (timing or not row.strip()):
            found.append(_Block(*open_cue, "\n".join(payload)))
            open_cue, payload = None, []
        if timing:
            start, end = milliseconds(*timing.groups()[:4]), milliseconds(*timing.groups()[4:])
            open_cue = start, max(start, end)
        elif open_cue is not None:
            payload.append(row)
        in_head = in_head and bool(row.strip()) and not timing
        if in_head and (said := _LANGUAGE.fullmatch(row)):
            language = language_or_und(said[1])
    return sorted(found, key=lambda block: block.start), language


FORMAT = Format("vtt", (".vtt",), "text/vtt", "WebVTT: word times inside line cues", write, read, read_lines)
