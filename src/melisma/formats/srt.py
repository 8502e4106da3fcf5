r"""SubRip: a cue per line, start and end to the millisecond.

Written: one numbered cue per timed line; a line without any time is a further row of the cue in front of it (or
behind it, at the beginning), so that it is seen about where it belongs. Cues stand in the order in which they are
sung; a backing group that overlaps its lead is a cue of its own, seen at the same time.

Read: cues in order of their starts, each row a line; ``<i>``-like tags and ``{\an8}``-like overrides are stripped.
SRT times cues: each word carries the span of its cue, and the alignment says so in a warning. Kept: text, lines, line
times. Lost: word times, which lines had no time, the order of the text, voices, stanzas, confidences, language, length
of the recording. Text that would be read as a tag, an override or an arrow gets an invisible word joiner, taken away
again when read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import Alignment, TimedLine
from melisma.formats._characters import clean, guard, opened, rows, unguard
from melisma.formats._clock import hms, milliseconds
from melisma.formats._cues import cues
from melisma.formats._draft import LINE_TIMES, DraftLine, assemble, spread
from melisma.formats._sung import in_sung_order

_TIME = r"(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})(?:[,.]([0-9]{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)")
_INDEX = re.compile(r"\s*[0-9]+\s*")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")
# A tag, an override, the arrow of a timing line: SRT has no escape of its own.
_LOOKALIKE = re.compile(r"(<(?=\u2060*\s*/?\s*[A-Za-z])|\{(?=\u2060*\\)|--(?=\u2060*>))(\u2060*)")


@dataclass(slots=True)
class _Cue:
    start: int
    end: int
    rows: list[str]


def write(alignment: Alignment) -> str:
    """Write an alignment as SubRip text."""
    alignment = in_sung_order(alignment)
    blocks: list[str] = []
    for number, cue in enumerate(cues(alignment), 1):
        text = "\n".join(guard(clean(alignment.line_text(i)), _LOOKALIKE) for i in cue.lines)
        blocks.append(f"{number}\n{hms(cue.start, ',')} --> {hms(cue.end, ',')}\n{text}\n")
    return "\n".join(blocks)


def read(text: str) -> Alignment:
    """Read SubRip text."""
    found = _parse(text)
    lines = [DraftLine(spread(row, cue.start, cue.end)) for cue in found for row in cue.rows]
    return assemble("srt", lines, warnings=[LINE_TIMES] if lines else [])


def read_lines(text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines; in a cue of several rows only the first row's start and the last row's end are known."""
    return tuple(
        TimedLine(row, cue.start if i == 0 else None, cue.end if i == len(cue.rows) - 1 else None)
        for cue in _parse(text)
        for i, row in enumerate(cue.rows)
    )


def _parse(text: str) -> list[_Cue]:
    found: list[_Cue] = []
    file_rows = rows(opened(text))
    for row in file_rows:
        timing = _TIMING.match(row)
        if timing:
            if found and found[-1].rows and _INDEX.fullmatch(found[-1].rows[-1]):
                found[-1].rows.pop()  # the number of this cue
            start, end = milliseconds(*timing.groups()[:4]), milliseconds(*timing.groups()[4:])
            found.append(_Cue(start, max(start, end), []))
        elif found and row.strip():
            found[-1].rows.append(row)
    if not found and any(row.strip() for row in file_rows):
        raise FormatError("srt", "there is no timing line such as 00:01:02,345 --> 00:01:05,000")
    for cue in found:
        bare = (" ".join(unguard(_TAG.sub("", row), _LOOKALIKE).split()) for row in cue.rows)
        cue.rows = [row for row in bare if row]
    return sorted(found, key=lambda cue: cue.start)


FORMAT = Format("srt", (".srt",), "application/x-subrip", "SubRip subtitles: line times", write, read, read_lines)
