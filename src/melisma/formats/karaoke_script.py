r"""An alignment as an ASS script for libass: what a karaoke video shows.

Unlike `melisma.formats.ass`, which is for players and is read again, this is drawn once, at a known size: rows that
take turns, a title card, three dots that count singers in. Each word is filled by ``\kf`` over exactly its time, in
centiseconds; the space behind it by a tag of its own. Rows with words that are read from right to left change their
words' colours instead.

Nothing that somebody has written can act as markup: ``{`` and ``}`` become ``(`` and ``)``, a word joiner stands behind
each backslash, and characters that turn the direction of a text round are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from unicodedata import bidirectional

from melisma.core.errors import FormatError
from melisma.core.records import BACKING, Alignment
from melisma.formats._characters import GUARD, clean
from melisma.formats._clock import centiseconds
from melisma.formats._draft import TimedWord
from melisma.formats.karaoke_rows import COUNT_MS, Place, Row, rows, width

_FADE_MS = 150
_TITLE_MS = (1500, 5000)  # shorter, nobody can read it; longer, nobody wants to
_BACKING_SCALE, _TITLE_SCALE, _ARTIST_SCALE = 0.72, 1.25, 0.8  # of the font size
_MARGIN = 0.05  # of the width, on both sides
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = str.maketrans({"{": "(", "}": ")", "\\": "\\" + GUARD})
_DOTS = 3
# A circle of radius 50 as four Bézier curves (0.5523 of the radius), in drawing commands of ASS.
_CIRCLE = "m 0 50 b 0 22 22 0 50 0 b 78 0 100 22 100 50 b 100 78 78 100 50 100 b 22 100 0 78 0 50"


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours as ``#rrggbb``: of words before and after they are sung, of the backing voice, and around all of them."""

    unsung: str = "#ffffff"
    sung: str = "#ffb000"
    backing: str = "#7fc8ff"
    outline: str = "#181820"


@dataclass(frozen=True, slots=True)
class Look:
    """How a karaoke video looks.

    Parameters
    ----------
    width, height : int
        Of the picture, in pixels.
    font : str
        Family; whoever calls has made sure that it is installed.
    font_size : int
        Height of a row's letters from ascender to descender, in pixels.
    colours : Colours
        Of the words.
    title, artist : str
        Of a card at the beginning, where there is time for it; "" for none.
    count_in : bool
        Whether dots count singers in where they have waited.
    """

    width: int = 1280
    height: int = 720
    font: str = "sans-serif"
    font_size: int = 64
    colours: Colours = field(default_factory=Colours)
    title: str = ""
    artist: str = ""
    count_in: bool = True


def script(alignment: Alignment, look: Look) -> str:
    """Write the script.

    Raises
    ------
    FormatError
        If no word has a time, or the alignment breaks a promise of `Alignment.check`.
    """
    try:
        alignment.check()
    except ValueError as error:
        raise FormatError("karaoke video", str(error)) from error
    limit = look.width * (1 - 2 * _MARGIN) / look.font_size
    dealt = rows(alignment, limit, limit / _BACKING_SCALE)
    if not dealt:
        raise FormatError("karaoke video", "no word of the alignment has a time, so there is nothing to sing")
    events = [*_title(dealt[0], look), *(event for row in dealt for event in _row(row, look))]
    return _head(look) + "".join(f"Dialogue: {event}\n" for event in events)


def text(written: str) -> str:
    r"""Spell what somebody has written so that libass shows it, whatever it is.

    Examples
    --------
    >>> text(r"{\p1}m 0 0")
    '(\\\u2060p1)m 0 0'
    """
    plain = "".join(c if c.isprintable() or c in "\u200c\u200d" else " " for c in clean(_DIRECTION.sub("", written)))
    return " ".join(plain.split()).translate(_MARKUP)


def _row(row: Row, look: Look) -> Iterator[str]:
    y = _heights(look)[row.place]
    size = row.scale * 100
    shape = f"\\fscx{size:.0f}\\fscy{size:.0f}" if row.scale < 1 else ""
    seen, gone = centiseconds(row.seen), centiseconds(row.gone)
    fade = min(_FADE_MS, max(0, row.start - row.seen))
    head = f"{{\\an5\\pos({look.width // 2},{y})\\fad({fade},{_FADE_MS}){shape}}}"
    style = "Backing" if row.place is Place.BACKING else "Lead"
    yield f"1,{_clock(seen)},{_clock(gone)},{style},,0,0,0,,{head}{_tagged(row, seen, look.colours)}"
    if row.counted_in and look.count_in and row.start >= COUNT_MS:
        yield from _count(row, look, y)


def _tagged(row: Row, seen: int, colours: Colours) -> str:
    """Write the words with their fills; every tag lasts from rounded time to rounded time, so nothing adds up."""
    if any(map(_is_leftward, row.words)):
        return _changing(row, seen, colours)
    parts: list[str] = []
    now = seen
    for word in row.words:
        # libass lights what no time is left for: what nobody sings gets the colour of what is not sung yet.
        style = f"\\1c{_colour(_lit(word, colours), alpha=False)}&"
        if word.start is None or word.end is None:
            parts.append(f"{{\\k0{style}}}{text(word.text)}")
            continue
        start, end = max(now, centiseconds(word.start)), centiseconds(word.end)
        # The wait is a fill of its own, of nothing.
        wait = f"{{\\k{start - now}}}" if start > now else ""
        parts.append(f"{wait}{{\\kf{max(0, end - start)}{style}}}{text(word.text)}{{\\k0}}")
        now = max(start, end)
    return " ".join(parts)


def _changing(row: Row, seen: int, colours: Colours) -> str:
    r"""Write words of which some run to the left: they change their colour while they are sung.

    libass fills from the left, whichever way a word is read. With ``\fe-1`` it finds the direction of the row itself.
    """
    parts: list[str] = []
    for word in row.words:
        style = f"\\1c{_colour(colours.unsung, alpha=False)}&"
        if word.start is not None and word.end is not None:
            first, last = (max(0, time - 10 * seen) for time in (word.start, word.end))
            style += f"\\t({first},{max(first + 1, last)},\\1c{_colour(_lit(word, colours), alpha=False)}&)"
        parts.append(f"{{{style}}}{text(word.text)}")
    return "{\\fe-1}" + " ".join(parts)


def _lit(word: TimedWord, colours: Colours) -> str:
    if word.start is None:
        return colours.unsung
    return colours.backing if word.voice == BACKING else colours.sung


def _is_leftward(word: TimedWord) -> bool:
    return next((c for c in map(bidirectional, word.text) if c in ("L", "R", "AL")), "L") != "L"


def _count(row: Row, look: Look, y: int) -> Iterator[str]:
    """Draw a dot for each second that is left, above the row."""
    size = round(0.32 * look.font_size)
    step, first = 2 * size, row.start - COUNT_MS
    for k in range(_DOTS):
        x = look.width // 2 + (k - 1) * step
        stop = first + COUNT_MS // _DOTS * (_DOTS - k)
        draw = (
            f"{{\\an5\\pos({x},{y - round(1.05 * look.font_size)})\\fad(150,200)\\fscx{size}\\fscy{size}\\p1}}{_CIRCLE}"
        )
        yield f"2,{_clock(centiseconds(first))},{_clock(centiseconds(stop))},Dot,,0,0,0,,{draw}"


def _title(first: Row, look: Look) -> Iterator[str]:
    """Show what the song is called, where there is time before it has to be read."""
    until = min(_TITLE_MS[1], first.seen or first.start - COUNT_MS)
    lines = [(text(look.title), _TITLE_SCALE, "Title"), (text(look.artist), _ARTIST_SCALE, "Artist")]
    shown = [(line[:200], scale, style) for line, scale, style in lines if line]
    if not shown or until < _TITLE_MS[0]:
        return
    y = look.height // 2 - (round(0.6 * look.font_size) if len(shown) > 1 else 0)
    for line, scale, style in shown:
        fits = min(1.0, 0.9 * look.width / max(1.0, width(line) * scale * look.font_size)) * 100
        head = f"{{\\an5\\pos({look.width // 2},{y})\\fad(300,300)\\fscx{fits:.0f}\\fscy{fits:.0f}}}"
        yield f"1,{_clock(20)},{_clock(centiseconds(until))},{style},,0,0,0,,{head}{line}"
        y += round(1.4 * look.font_size)


def _heights(look: Look) -> dict[Place, int]:
    """Return the middle of each row in pixels from the top."""
    between = round(0.95 * look.font_size)
    middle = round(0.55 * look.height)
    return {
        Place.UPPER: middle - between,
        Place.LOWER: middle + between,
        Place.BACKING: max(round(0.16 * look.height), round(0.5 * look.font_size)),
    }


def _head(look: Look) -> str:
    colours, size = look.colours, look.font_size
    lead = (_colour(colours.sung), _colour(colours.unsung))
    backing = (_colour(colours.backing), _colour(colours.unsung))
    plain = (_colour(colours.unsung),) * 2
    styles = [
        _style("Lead", look, size, lead),
        _style("Backing", look, round(_BACKING_SCALE * size), backing, italic=True),
        _style("Title", look, round(_TITLE_SCALE * size), plain),
        _style("Artist", look, round(_ARTIST_SCALE * size), plain),
        _style("Dot", look, size, (lead[0],) * 2),
    ]
    return _SCRIPT.format(width=look.width, height=look.height, styles="\n".join(styles))


def _style(name: str, look: Look, size: int, fill: Iterable[str], *, italic: bool = False) -> str:
    first, second = fill
    outline, shadow = max(1.0, size * 0.045), max(0.5, size * 0.02)
    return (
        f"Style: {name},{look.font},{size},{first},{second},{_colour(look.colours.outline)},&H80000000,-1,{-italic},"
        f"0,0,100,100,0,0,1,{outline:.1f},{shadow:.1f},5,0,0,0,1"
    )


def _colour(hexadecimal: str, *, alpha: bool = True) -> str:
    """Spell #rrggbb as &H00bbggrr, or without the opacity in front."""
    red, green, blue = (hexadecimal[k : k + 2] for k in (1, 3, 5))
    return f"&H{'00' if alpha else ''}{blue}{green}{red}".upper()


def _clock(cs: int) -> str:
    seconds, cs = divmod(cs, 100)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{cs:02}"


_SCRIPT = """\
[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes
YCbCr Matrix: None

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
{styles}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
