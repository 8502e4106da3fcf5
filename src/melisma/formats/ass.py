r"""Advanced SubStation Alpha: karaoke lines that fill word by word (``\kf``), for mpv, VLC, ffmpeg and Aegisub.

Written: two rows take turns, and a line stands in its row up to three seconds before it is sung, as a preview. Times
are centiseconds; each tag lasts from rounded time to rounded time, so that rounding never adds up along a line. A
pause is a ``\k`` tag of its own, a word without a time is ``{\k0}word``, and a line without any time is a further row
of the event in front of it (or behind it, at the beginning). Events stand in the order in which they are sung; a line
of the backing voice, and a backing group that overlaps its lead, is an event of its own in the style ``Backing``,
smaller, at the top of the picture.

Read: every ``Dialogue`` of the ``[Events]`` section; times by ``\k``, ``\K``, ``\kf``, ``\ko`` and ``\kt``, or the
span of the event for all its words where it has none of them; drawings are skipped, other overrides stripped. Lost:
confidences, stanzas, language, the order of the text, the voice of a backing group that stays inside its line, the
part of a word that overlaps the next one of its line. ``{`` and ``}`` become
``(`` and ``)``, since no escape of them works in every player; a backslash before ``N``, ``n``, ``h`` or at the end
of a word gets an invisible word joiner, taken away again when read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment, TimedLine
from melisma.formats._characters import guard, opened, rows, unguard
from melisma.formats._clock import centiseconds, milliseconds
from melisma.formats._cues import cues, is_of_backing, without_overlap
from melisma.formats._draft import LINE_TIMES, DraftLine, TimedWord, assemble, spread, timed_rows
from melisma.formats._marks import Mark, by_row, timed_words
from melisma.formats._sung import in_sung_order

_PREVIEW_CS = 300  # how long a line is seen before it is sung: time to read it, without crowding the screen
_HEAD = """\
[Script Info]
; Written by melisma
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 0
ScaledBorderAndShadow: yes
YCbCr Matrix: None

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Upper,Arial,72,&H0000C8FF,&H00FFFFFF,&H00202020,&H80000000,-1,0,0,0,100,100,0,0,1,4,1,2,80,80,190,1
Style: Lower,Arial,72,&H0000C8FF,&H00FFFFFF,&H00202020,&H80000000,-1,0,0,0,100,100,0,0,1,4,1,2,80,80,70,1
Style: Backing,Arial,54,&H00FFC87A,&H00E0E0E0,&H00202020,&H80000000,0,-1,0,0,100,100,0,0,1,3,1,8,80,80,70,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_ROWS, _BACKING = ("Upper", "Lower"), "Backing"  # styles
_FIELDS = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_TIME = re.compile(r"\s*([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})(?:[.,:]([0-9]{1,9}))?\s*")
_BLOCK = re.compile(r"\{([^{}]*)\}")
_KARAOKE = re.compile(r"\\(kf|ko|kt|K|k)[ \t]*([0-9]{1,9})")
_DRAWING = re.compile(r"\\p[1-9]")
_BREAK = re.compile(r"\\[Nn]")
_BRACES = str.maketrans("{}", "()")
_LOOKALIKE = re.compile(r"(\\)(\u2060*)(?=[Nnh]|$|\s)")


@dataclass(frozen=True, slots=True)
class _Event:
    """A dialogue line as read: its span in ms and its text with overrides."""

    start: int
    end: int
    text: str
    voice: int = LEAD


@dataclass(frozen=True, slots=True)
class _Sung:
    """The words of an event, row by row, when the first is sung, and whether karaoke tags say so (`exact`)."""

    start: int
    end: int
    rows: tuple[tuple[TimedWord, ...], ...]
    exact: bool


def write(alignment: Alignment) -> str:
    """Write an alignment as ASS text."""
    return _HEAD + "".join(_events(in_sung_order(alignment)))


def _events(alignment: Alignment) -> Iterator[str]:
    row_free = dict.fromkeys((*_ROWS, _BACKING), 0)  # when the last line of a row goes, in cs
    turns = cycle(_ROWS)
    for cue in cues(alignment):
        row = _BACKING if is_of_backing(alignment, cue) else next(turns)
        lines = [without_overlap(alignment.line_words(i)) for i in cue.lines]
        ends = [word.end for line in lines for word in line if word.end is not None]
        start, end = centiseconds(cue.start), centiseconds(ends[-1] if ends else cue.end)
        seen = min(start, max(0, start - _PREVIEW_CS, row_free[row]))
        row_free[row] = max(row_free[row], end)
        lead = f"{{\\k{start - seen}}}" if seen < start and ends else ""
        text = lead + "\\N".join(_tagged(line) for line in lines)
        layer = int(row == _BACKING)
        yield f"Dialogue: {layer},{_clock(seen)},{_clock(end)},{row},,0,0,0,,{text}\n"


def _tagged(words: Sequence[TimedWord]) -> str:
    parts: list[str] = []
    followers = iter([word.start for word in words if word.start is not None][1:])
    for word in words:
        text = guard(word.text.translate(_BRACES), _LOOKALIKE)
        if word.start is None or word.end is None:
            parts.append(f"{{\\k0}}{text}")
            continue
        start, end = centiseconds(word.start), centiseconds(word.end)
        follower = next(followers, None)
        pause = 0 if follower is None else centiseconds(follower) - end
        parts.append(f"{{\\kf{end - start}}}{text}" + (f"{{\\k{pause}}}" if pause else ""))
    return " ".join(parts)


def _clock(cs: int) -> str:
    seconds, cs = divmod(cs, 100)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{cs:02}"


def read(text: str) -> Alignment:
    """Read ASS or SSA text."""
    sung = _sung(text)
    lines = [DraftLine(words) for event in sung for words in event.rows]
    coarse = any(not event.exact and len(words) > 1 for event in sung for words in event.rows)
    return assemble("ass", lines, warnings=[LINE_TIMES] if coarse else [])


def read_lines(text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines; in an event of several rows without karaoke tags only its outer times are known."""
    return tuple(line for sung in _sung(text) for line in timed_rows(sung.rows, sung.start, sung.end, sung.exact))


def _sung(text: str) -> list[_Sung]:
    """Return the events that hold words, in the order in which they are sung, not in that in which they appear."""
    found: list[_Sung] = []
    for event in _parse(text):
        dealt, exact = _words(event)
        kept = tuple(words for words in dealt if words)
        starts = [word.start for words in kept for word in words if word.start is not None]
        if kept:
            found.append(_Sung(starts[0] if starts else event.start, event.end, kept, exact))
    return sorted(found, key=lambda sung: sung.start)


def _words(event: _Event) -> tuple[list[tuple[TimedWord, ...]], bool]:
    """Return the words of each row of an event, and whether karaoke tags time them."""
    pieces: list[str] = []
    marks: list[Mark] = []
    at = length = 0
    cursor = event.start
    for block in _BLOCK.finditer(event.text):
        pieces.append(_plain(event.text[at : block.start()]))
        length += len(pieces[-1])
        at = block.end()
        for kind, digits in _KARAOKE.findall(block[1]):
            if kind == "kt":
                cursor = event.start + 10 * int(digits)
                continue
            marks.append(Mark(length, cursor, unsung=kind == "k" and int(digits) == 0))
            cursor += 10 * int(digits)
    plain = "".join([*pieces, _plain(event.text[at:])])
    if marks:
        words: Sequence[TimedWord] = timed_words(plain, [*marks, Mark(len(plain), cursor)], cursor)
    else:
        words = spread(plain, event.start, event.end)
    words = [TimedWord(unguard(word.text, _LOOKALIKE), word.start, word.end, voice=event.voice) for word in words]
    return by_row(plain, words), bool(marks)


def _plain(text: str) -> str:
    return _BREAK.sub("\n", text).replace("\\h", " ")


def _parse(text: str) -> list[_Event]:
    section = ""
    fields: tuple[str, ...] = _FIELDS
    found: list[_Event] = []
    known = False
    for number, row in enumerate(rows(opened(text)), 1):
        stripped = row.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1].lower()
            known = known or section == "events"
        if section != "events":
            continue
        kind, _, rest = stripped.partition(":")
        if kind.lower() == "format":
            fields = tuple(name.strip().lower() for name in rest.split(","))
        elif kind.lower() == "dialogue" and (event := _event(fields, rest, number)):
            found.append(event)
    if not known:
        raise FormatError("ass", "there is no [Events] section")
    return found


def _event(fields: tuple[str, ...], rest: str, number: int) -> _Event | None:
    cells = rest.split(",", len(fields) - 1)
    if len(cells) < len(fields):
        raise FormatError("ass", f"a dialogue line has {len(cells)} fields, not {len(fields)}", number)
    row = dict(zip(fields, cells, strict=True))
    if not {"start", "end"} <= row.keys() or fields[-1] != "text":
        raise FormatError("ass", "the events have no Start, no End or no Text at the end", number)
    start, end = _TIME.fullmatch(row["start"]), _TIME.fullmatch(row["end"])
    if start is None or end is None:
        raise FormatError("ass", f"this is no time: {(row['end'] if start else row['start'])[:20]!r}", number)
    if any(_DRAWING.search(block) for block in _BLOCK.findall(row["text"])):
        return None
    first = milliseconds(*start.groups())
    voice = BACKING if row.get("style", "").strip() == _BACKING else LEAD
    return _Event(first, max(first, milliseconds(*end.groups())), row["text"], voice)


FORMAT = Format("ass", (".ass", ".ssa"), "text/x-ssa", r"ASS karaoke: word times (\kf)", write, read, read_lines)
