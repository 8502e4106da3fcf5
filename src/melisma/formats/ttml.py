"""Timed Text (TTML): a paragraph per line, a span per word, to the millisecond.

Written by the W3C's rules: a span's times count from the start of its paragraph. Paragraphs stand in the order in which
they are sung, in a division per stanza; backing words stand in a span of their own with ``ttm:role="x-bg"``, the custom
of players that show them apart, and may overlap the lead; a word without a time is a span without times; a line without
any is a paragraph that is not displayed; the length of the recording is the duration of the body. Kept: everything but
confidences, the order of the text and the names of engine and model.

Read: what is written here, and the other custom in use, where spans carry times of the recording instead of their
paragraph's (taken where the W3C's reading would put them behind their paragraph's end). A paragraph without timed
spans gives all its words its own span. Entities, document types and elements nested deeper than 64 are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment, Word
from melisma.formats._characters import clean, opened
from melisma.formats._clock import hms, milliseconds
from melisma.formats._draft import (
    LINE_TIMES,
    OPEN_END,
    OPEN_END_MS,
    DraftLine,
    TimedWord,
    assemble,
    joined,
    language_or_und,
)
from melisma.formats._sung import in_sung_order

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" \
xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" \
ttp:timeBase="media" xml:lang={language}>
  <body dur="{seconds}.{ms:03}s">
"""
_MAX_DEPTH = 64
_CLOCK = re.compile(r"([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_SHORT_CLOCK = re.compile(r"([0-9]{1,9}):([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_OFFSET = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?(h|m|s|ms)?")
_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, None: 1000}
_ROLE, _BACKING_ROLE = "{http://www.w3.org/ns/ttml#metadata}role", "x-bg"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def write(alignment: Alignment) -> str:
    """Write an alignment as TTML text."""
    alignment = in_sung_order(alignment, "never")
    language = quoteattr(language_or_und(alignment.language))
    seconds, ms = divmod(alignment.duration_ms, 1000)
    head = _HEAD.format(language=language, seconds=seconds, ms=ms)
    return head + "".join(_paragraphs(alignment)) + "  </body>\n</tt>\n"


def _paragraphs(alignment: Alignment) -> Iterator[str]:
    for i, line in enumerate(alignment.lines):
        if i == 0 or line.stanza != alignment.lines[i - 1].stanza:
            yield "    <div>\n" if i == 0 else "    </div>\n    <div>\n"
        span = alignment.line_ms(i)
        when = f" {_times(*span)}" if span else ' tts:display="none"'
        spelt: list[str] = []
        for voice, words in groupby(alignment.line_words(i), key=lambda word: word.voice):
            text = " ".join(_spelt(word, span[0] if span else 0) for word in words)
            spelt.append(f'<span ttm:role="{_BACKING_ROLE}">{text}</span>' if voice == BACKING else text)
        yield f"      <p{when}>{' '.join(spelt)}</p>\n"
    if alignment.lines:
        yield "    </div>\n"


def _spelt(word: Word, base: int) -> str:
    start, end = word.start_ms, word.end_ms
    times = "" if start is None or end is None else f" {_times(start - base, end - base)}"
    return f"<span{times}>{escape(clean(word.text))}</span>"


def _times(start: int, end: int) -> str:
    return f'begin="{hms(start)}" end="{hms(end)}"'


@dataclass(slots=True)
class _Reading:
    """What the walk over the document has found."""

    lines: list[DraftLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stanza: int = 0


def read(text: str) -> Alignment:
    """Read TTML text."""
    try:
        root: Element = fromstring(opened(text), forbid_dtd=True)
    except ParseError as error:
        raise FormatError("ttml", f"this is no XML: {error.msg}", error.position[0]) from error
    except DefusedXmlException as error:
        raise FormatError("ttml", "document types and entities are refused") from error
    except (ValueError, RecursionError, LookupError) as error:
        raise FormatError("ttml", f"this is no XML: {error}") from error
    if _name(root) != "tt":
        raise FormatError("ttml", f"the document is a <{_name(root)[:40]}>, not a <tt>")
    reading = _Reading()
    body = next((child for child in root if _name(child) == "body"), None)
    duration = 0
    if body is not None:
        _walk(body, 0, None, 0, reading)
        duration = _time(body.get("dur")) or _time(body.get("end")) or 0
    language = language_or_und(root.get(_XML_LANG, ""))
    return assemble("ttml", reading.lines, duration=duration, language=language, warnings=dict.fromkeys(reading.notes))


def _walk(element: Element, base: int, until: int | None, depth: int, reading: _Reading) -> None:
    """Visit body, div and p; `base` and `until` are the span that the element stands in, in ms of the recording."""
    if depth > _MAX_DEPTH:
        raise FormatError("ttml", f"elements are nested deeper than {_MAX_DEPTH}")
    start, end = _span(element)
    name = _name(element)
    inner_base = base + (start or 0)
    # The end of the body is that of the recording: it says nothing of a paragraph that has no times.
    inner_until = until if end is None or name == "body" else base + end
    if name == "p":
        if start is not None and inner_until is None:
            inner_until = inner_base + OPEN_END_MS
            reading.notes.append(OPEN_END)
        _paragraph(element, inner_base, inner_until, reading)
        return
    if name == "div":
        reading.stanza += 1
    for child in element:
        if _name(child) in ("div", "p"):
            _walk(child, inner_base, inner_until, depth + 1, reading)


def _paragraph(element: Element, base: int, until: int | None, reading: _Reading) -> None:
    pieces = list(_pieces(element, TimedWord("", voice=_voice(element, LEAD)), 0))
    begins = [piece.start for piece in pieces if piece.start is not None]
    if begins:
        absolute = until is not None and base + max(begins) > until and min(begins) >= base
        words = joined(_placed(pieces, 0 if absolute else base, until))
    elif until is not None:
        words = joined([replace(piece, start=base, end=until) for piece in pieces])
        if len(words) > 1:
            reading.notes.append(LINE_TIMES)
    else:
        words = joined([replace(piece, start=None, end=None) for piece in pieces])
    reading.lines.append(DraftLine(words, reading.stanza))


def _placed(pieces: Sequence[TimedWord], base: int, until: int | None) -> Iterator[TimedWord]:
    """Count times from `base`; a piece that has a start only lasts as long as its paragraph."""
    for piece in pieces:
        if piece.start is None:
            yield piece
            continue
        start = base + piece.start
        end = base + piece.end if piece.end is not None else until
        yield replace(piece, start=start, end=start if end is None else max(start, end))


def _pieces(element: Element, around: TimedWord, depth: int) -> Iterator[TimedWord]:
    """Yield the runs of text of an element in order; a span inside a span counts from the outer one's start.

    `around` holds the times and the voice of the element.
    """
    if depth > _MAX_DEPTH:
        raise FormatError("ttml", f"elements are nested deeper than {_MAX_DEPTH}")
    yield replace(around, text=element.text or "")
    for child in element:
        if _name(child) == "br":
            yield TimedWord(" ", None, None)
        elif _name(child) == "span":
            first, last = _span(child)
            base = around.start or 0
            start = around.start if first is None else base + first
            end = around.end if last is None else base + last
            yield from _pieces(child, TimedWord("", start, end, voice=_voice(child, around.voice)), depth + 1)
        yield replace(around, text=child.tail or "")


def _voice(element: Element, around: int) -> int:
    return BACKING if _BACKING_ROLE in element.get(_ROLE, "").split() else around


def _span(element: Element) -> tuple[int | None, int | None]:
    start, end, lasting = (_time(element.get(name)) for name in ("begin", "end", "dur"))
    if end is None and lasting is not None:
        end = (start or 0) + lasting
    return start, end


def _time(said: str | None) -> int | None:
    """Read a clock time or an offset time; frames and ticks, which need a rate, are refused."""
    if said is None:
        return None
    said = said.strip()
    if clock := _CLOCK.fullmatch(said):
        return milliseconds(*clock.groups())
    if clock := _SHORT_CLOCK.fullmatch(said):
        return milliseconds(None, *clock.groups())
    if offset := _OFFSET.fullmatch(said):
        whole, fraction, unit = offset.groups()
        scale = int(10 ** len(fraction or ""))
        return (2 * int(whole + (fraction or "")) * _UNIT_MS[unit] + scale) // (2 * scale)
    raise FormatError("ttml", f"this is no time in hours, minutes or seconds: {said[:40]!r}")


def _name(element: Element) -> str:
    """Return the local name of an element; comments and instructions have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


FORMAT = Format("ttml", (".ttml", ".dfxp"), "application/ttml+xml", "Timed Text: word times in spans", write, read)
