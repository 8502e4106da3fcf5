"""LRC as text: time tags, metadata tags and word tags; shared by `lrc` and `elrc`, which read the same files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from melisma.core.errors import FormatError
from melisma.core.records import Alignment, TimedLine
from melisma.formats._characters import clean, guard, opened, rows, unguard
from melisma.formats._clock import centiseconds, milliseconds
from melisma.formats._draft import (
    LINE_TIMES,
    OPEN_END,
    OPEN_END_MS,
    DraftLine,
    TimedWord,
    as_timed_line,
    assemble,
    language_or_und,
    spread,
)
from melisma.formats._marks import Mark, timed_words

_TIME = r"([0-9]{1,9}):([0-9]{1,2})(?::([0-9]{1,2}))?(?:[.,]([0-9]{1,9}))?"
_LINE_TAG = re.compile(rf"\s*\[{_TIME}\]")
_WORD_TAG = re.compile(rf"<{_TIME}>")
_META_TAG = re.compile(r"\[([A-Za-z#][A-Za-z0-9_-]*)[ \t]*:(.*)\]", re.DOTALL)
_BROKEN_TAG = re.compile(r"\[[0-9]+:")
_OFFSET = re.compile(r"[-+]?[0-9]{1,9}")
# What a reader would take for a tag. LRC has no escape of its own.
_LOOKALIKE = re.compile(r"([\[<])(\u2060*)(?=[0-9]+:|[A-Za-z#][A-Za-z0-9_-]*(?::|$))")
_MAX_REPEATS = 100  # time tags on one line; a chorus comes back a handful of times, and each tag copies the line


@dataclass(frozen=True, slots=True)
class Entry:
    """A line at one of its times: words still in `text` with their marks, `None` times where the file gives none."""

    text: str
    start: int | None
    marks: tuple[Mark, ...] = ()
    stanza: int = 0


@dataclass(slots=True)
class _Sheet:
    """An LRC file being read."""

    entries: list[Entry] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    has_tag: bool = False
    copies: bool = False  # whether a line has several times


def clock(ms: int) -> str:
    """Spell mm:ss.xx, to the nearest centisecond, halves up; minutes grow beyond two digits."""
    seconds, hundredths = divmod(centiseconds(ms), 100)
    return f"{seconds // 60:02}:{seconds % 60:02}.{hundredths:02}"


def plain(text: str) -> str:
    """Keep a line's text from being read as a tag."""
    return guard(clean(text), _LOOKALIKE)


def header(alignment: Alignment) -> list[str]:
    """Return the metadata tags that both kinds of LRC begin with."""
    tags = ["[re:melisma]", f"[length:{clock(alignment.duration_ms)}]"]
    language = language_or_und(alignment.language)
    return tags if language == "und" else [*tags, f"[la:{language}]"]


def body(alignment: Alignment, spelt: Iterator[str]) -> list[str]:
    """Put an empty row between stanzas of lines that are already spelt."""
    out: list[str] = []
    for i, (line, text) in enumerate(zip(alignment.lines, spelt, strict=True)):
        if i and line.stanza != alignment.lines[i - 1].stanza:
            out.append("")
        out.append(text)
    return out


def read_lines(format_name: str, text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines with their times; an empty line stands for an empty row of the file.

    Lines stand in the order of their times where the file needs that to be understood: where one of them has several.
    Elsewhere they stand as they are written, for a wrong time must not cost a line its place in the text.
    """
    sheet = _parse(format_name, text)
    entries = _sorted(sheet.entries) if sheet.copies else sheet.entries
    found: list[TimedLine] = []
    for i, entry in enumerate(entries):
        if i and entry.stanza != entries[i - 1].stanza and found and found[-1].text:
            found.append(TimedLine(""))
        following = entries[i + 1] if i + 1 < len(entries) else None
        words = _words(entry, None)
        if words:
            ends = following.start if following is not None and not following.text.strip() else None
            if entry.marks and entry.marks[-1].at >= len(entry.text.rstrip()):
                ends = entry.marks[-1].ms
            if ends is not None and entry.start is not None and ends < entry.start:
                ends = None  # the next time is of a line that is sung before
            found.append(as_timed_line(words, entry.start, ends, exact=bool(entry.marks)))
    return tuple(found)


def read(format_name: str, text: str) -> Alignment:
    """Read an alignment; see `melisma.formats.lrc` and `melisma.formats.elrc` for what times its words have."""
    sheet = _parse(format_name, text)
    entries, tags = _sorted(sheet.entries), sheet.tags
    length = _LINE_TAG.match(f"[{tags.get('length', '').strip()}]")
    duration = _tag_ms(length) if length else 0
    ends: list[int | None] = []
    following: int | None = duration if length else None
    for entry in reversed(entries):
        ends.append(following)
        following = entry.start if entry.start is not None else following
    notes: list[str] = []
    lines: list[DraftLine] = []
    for entry, end in zip(entries, reversed(ends), strict=True):
        closed = end
        if entry.start is not None and closed is None:
            closed = max([entry.start, *(mark.ms for mark in entry.marks)]) + OPEN_END_MS
        words = tuple(_words(entry, closed))
        if any(word.end is not None and word.end == closed for word in words) and end is None:
            notes.append(OPEN_END)
        if len(words) > 1 and words[0].start is not None and not entry.marks:
            notes.append(LINE_TIMES)
        lines.append(DraftLine(words, entry.stanza))
    language = language_or_und(tags.get("la", ""))
    return assemble(format_name, lines, duration=duration, language=language, warnings=dict.fromkeys(notes))


def _words(entry: Entry, end: int | None) -> list[TimedWord]:
    timed = timed_words(entry.text, entry.marks, end) if entry.marks else spread(entry.text, entry.start, end)
    return [replace(word, text=unguard(word.text, _LOOKALIKE)) for word in timed]


def _parse(format_name: str, text: str) -> _Sheet:
    """Read every row; the offset is applied, lines stand as they are written."""
    sheet = _Sheet()
    stanza = 0
    numbered = enumerate(rows(opened(text)), 1)
    for number, row in numbered:
        stripped = row.strip()
        if not stripped:
            stanza += 1
        else:
            _parse_row(format_name, sheet, stripped, stanza, number)
    if not sheet.has_tag and sheet.entries:
        raise FormatError(format_name, "no line has a time tag such as [01:23.45]")
    offset = sheet.tags.get("offset", "").strip()
    if offset and not _OFFSET.fullmatch(offset):
        raise FormatError(format_name, f"the offset is no number of milliseconds: {offset[:40]!r}")
    sheet.entries = [_moved(entry, int(offset or 0)) for entry in sheet.entries]
    return sheet


def _parse_row(format_name: str, sheet: _Sheet, row: str, stanza: int, number: int) -> None:
    starts: list[int] = []
    at = 0
    while tag := _LINE_TAG.match(row, at):
        starts.append(_tag_ms(tag))
        at = tag.end()
        if len(starts) > _MAX_REPEATS:
            raise FormatError(format_name, f"more than {_MAX_REPEATS} time tags on one line", number)
    if starts:
        sheet.has_tag = True
        sheet.copies = sheet.copies or len(starts) > 1
        text, marks = _split_marks(row[at:])
        if marks and text[: marks[0].at].strip() and marks[0].ms > starts[0]:
            marks = (Mark(0, starts[0]), *marks)  # the line's own tag stands for its first word
        for start in starts:
            shift = start - starts[0]
            moved = tuple(replace(mark, ms=mark.ms + shift) for mark in marks)
            sheet.entries.append(Entry(text, start, moved, stanza))
    elif meta := _META_TAG.fullmatch(row):
        sheet.has_tag = True
        sheet.tags[meta[1].strip().lower()] = meta[2]
    elif _BROKEN_TAG.match(row):
        raise FormatError(format_name, f"this is no time tag: {row[:20]!r}", number)
    else:
        text, marks = _split_marks(row)
        sheet.has_tag = sheet.has_tag or bool(marks)
        sheet.entries.append(Entry(text, marks[0].ms if marks else None, marks, stanza))


def _split_marks(text: str) -> tuple[str, tuple[Mark, ...]]:
    pieces: list[str] = []
    marks: list[Mark] = []
    at = length = 0
    for tag in _WORD_TAG.finditer(text):
        pieces.append(text[at : tag.start()])
        length += len(pieces[-1])
        marks.append(Mark(length, _tag_ms(tag)))
        at = tag.end()
    return "".join([*pieces, text[at:]]), tuple(marks)


def _tag_ms(tag: re.Match[str]) -> int:
    first, second, third, fraction = tag.groups()
    if third is None:
        return milliseconds(None, first, second, fraction)
    if fraction is None:  # the old spelling mm:ss:xx
        return milliseconds(None, first, second, third.rjust(2, "0"))
    return milliseconds(first, second, third, fraction)


def _moved(entry: Entry, offset: int) -> Entry:
    """Apply the offset; positive is earlier."""
    if entry.start is None:
        return entry
    marks = tuple(replace(mark, ms=max(0, mark.ms - offset)) for mark in entry.marks)
    return replace(entry, start=max(0, entry.start - offset), marks=marks)


def _sorted(entries: list[Entry]) -> list[Entry]:
    """Sort by time; a line without a time stays behind the one in front."""
    keyed: list[tuple[int, Entry]] = []
    last = 0
    for entry in entries:
        last = last if entry.start is None else entry.start
        keyed.append((last, entry))
    keyed.sort(key=lambda item: item[0])
    return [entry for _, entry in keyed]
