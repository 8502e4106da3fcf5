"""LRC: the start of every line, to the centisecond.

Written: a tag line with the length and one with the language, lines as ``[mm:ss.xx]text``, an empty tag where a pause
of two seconds or more begins and after the last line, an empty row between stanzas. A line without any time has no
tag. Lines stand in the order in which they are sung; a backing group that overlaps its lead is a line of its own.

Read: any LRC, enhanced LRC too: metadata tags, ``[offset:]`` (applied; positive is earlier), several time tags on one
line (copied to each time, sorted). LRC times lines: each word carries the span of its line, from its tag to the next
one, and the alignment says so in a warning. As lyrics, lines that have one time each stand as they are written, even
if their times run backwards. Kept back and forth: text, line starts, untimed lines, stanzas, language,
length. Lost: word times, confidences, line ends before short pauses, voices, the order of the text. ``[`` and ``<``
where they would open a tag get an invisible word joiner behind them, taken away again when read.
"""

from __future__ import annotations

from collections.abc import Iterator

from melisma.core.files import Format
from melisma.core.records import Alignment, TimedLine
from melisma.formats import _lrc_text as lrc_text
from melisma.formats._sung import in_sung_order

_PAUSE_MS = 2000  # shorter pauses leave the line standing: players would flicker


def write(alignment: Alignment) -> str:
    """Write an alignment as LRC text."""
    alignment = in_sung_order(alignment)
    lines = lrc_text.body(alignment, _spelt(alignment))
    return "\n".join([*lrc_text.header(alignment), *lines, ""])


def _spelt(alignment: Alignment) -> Iterator[str]:
    spans = [alignment.line_ms(i) for i in range(len(alignment.lines))]
    starts = [span[0] for span in spans if span is not None]
    upcoming = iter(starts[1:])
    sung_until = 0
    for i, span in enumerate(spans):
        text = lrc_text.plain(alignment.line_text(i))
        if span is None:
            yield text
            continue
        sung_until = max(sung_until, span[1])  # a line in front may go on over this one
        following = next(upcoming, None)
        closes = following is None or following - sung_until >= _PAUSE_MS
        tail = f"\n[{lrc_text.clock(sung_until)}]" if closes else ""
        yield f"[{lrc_text.clock(span[0])}]{text}{tail}"


def read(text: str) -> Alignment:
    """Read LRC or enhanced LRC text."""
    return lrc_text.read("lrc", text)


def read_lines(text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines with their times."""
    return lrc_text.read_lines("lrc", text)


FORMAT = Format("lrc", (".lrc",), "application/x-lrc", "LRC: line starts", write, read, read_lines)
