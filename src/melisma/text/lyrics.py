"""Lyrics as people write them to lines and words as they are sung.

Headings and notes go, repeats are written out, and all else stays in the user's own spelling: a word of the result is
what `str.split()` makes of a sung line. docs/lyrics.md lists every rule with examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from melisma.core.errors import LyricsError
from melisma.core.records import LyricLine, Lyrics, TimedLine
from melisma.text.characters import INVISIBLE, has_surrogate, visible, without_notes
from melisma.text.headings import Heading, heading_of
from melisma.text.repeats import MOST, marks

MAX_WORDS = 20_000  # repeats written out; an hour of rap is about 10,000
MAX_WORD_LENGTH = 1_000  # characters; lines of Chinese without a space are words too

_WORD = re.compile(r"\S+")  # the words of str.split(): both go by str.isspace()
_NEWLINES = re.compile(r"\r+\n")
_PAGES = re.compile("[\f\u2029]")  # form feed and paragraph separator: a blank line


def from_text(text: str) -> Lyrics:
    r"""Read plain text: a sung line a line, blank lines between sections.

    Raises
    ------
    LyricsError
        If no word is sung, or a limit is passed; the sentence says which and where.

    Examples
    --------
    >>> from_text("[Verse 1]\n♪ J'vois la mer (x2)\n").words
    ("J'vois", 'la', 'mer', "J'vois", 'la', 'mer')
    """
    text = _PAGES.sub("\n\n", _NEWLINES.sub("\n", text.removeprefix("\ufeff")))
    return parse(TimedLine(row) for row in text.splitlines())


def parse(lines: Iterable[TimedLine]) -> Lyrics:
    """Read the lines of a lyrics or subtitle file; their times stay as hints where the words are still the same.

    Raises
    ------
    LyricsError
        If no word is sung, or a limit is passed; the sentence says which and where.
    """
    sheet = _Sheet()
    for number, row in enumerate((row for line in lines for row in _rows(line)), 1):
        sheet.take(row, number)
    sheet.close()
    if not sheet.lines:
        raise LyricsError(f"the lyrics hold no sung word{', only headings and notes' if sheet.dropped else ''}")
    return Lyrics(tuple(sheet.lines))


def _rows(line: TimedLine) -> Iterator[TimedLine]:
    """Split a subtitle of several rows; the first keeps the start, the last the end, each the starts of its words."""
    rows = line.text.splitlines()
    if len(rows) < 2:
        yield line
        return
    starts = line.word_starts_ms if len(line.word_starts_ms) == len(line.text.split()) else ()
    for i, row in enumerate(rows):
        n_words = len(row.split())
        yield TimedLine(
            row,
            line.start_ms if i == 0 else next((ms for ms in starts[:n_words] if ms is not None), None),
            line.end_ms if i == len(rows) - 1 else None,
            starts[:n_words],
        )
        starts = starts[n_words:]


@dataclass(slots=True)
class _Sheet:
    """A sheet of lyrics while it is read from top to bottom."""

    lines: list[LyricLine] = field(default_factory=list)
    n_words: int = 0
    dropped: bool = False  # whether a heading or a note was
    row: int = 0
    heading: Heading | None = None  # of the section that is being read
    stanza_at: int = 0  # first line of the stanza that is being read, or was read last
    broken: bool = True  # the next sung line begins a stanza
    named: dict[str, tuple[LyricLine, ...]] = field(default_factory=dict)  # sections by the name in their heading

    def take(self, line: TimedLine, row: int) -> None:
        """Read one row."""
        self.row = row
        if has_surrogate(line.text):
            raise LyricsError(f"line {row} of the lyrics holds half a character (a lone surrogate)")
        shown = visible(line.text)
        if not shown.strip():
            self._blank()
            return
        found = marks(line.text)
        pieces = _pieces(line, found, 0)
        if found and not pieces:
            self.dropped = True
            self._repeat_stanza(found[0][2])
            return
        heading = heading_of(shown, first=self.broken)
        if heading is None:
            self._sing(line, pieces)
            return
        self.dropped = True
        self._open(heading)
        if heading.length is not None:
            begin = _position(line.text, heading.length)
            self._sing(line, _pieces(line, [mark for mark in found if mark[0] >= begin], begin))

    def close(self) -> None:
        """End the section: write it out as often as its heading says."""
        heading, self.heading = self.heading, None
        body = () if self.broken else tuple(self.lines[self.stanza_at :])
        self.broken = True
        if heading is None:
            return
        if body:
            self.named[heading.name] = body
            self._copy(body, self._times(heading.times) - 1)
        elif heading.counted and heading.name in self.named:
            self._copy(self.named[heading.name], self._times(heading.times))

    def _open(self, heading: Heading) -> None:
        self.close()
        if heading.again and heading.name in self.named:
            self._copy(self.named[heading.name], self._times(heading.times))
        else:
            self.heading = heading

    def _blank(self) -> None:
        heading = self.heading
        # A blank line may stand between a heading and its section; but "[Chorus x2]" with nothing right under it calls
        # the chorus back, if there was one.
        if not (heading and self.broken) or (heading.counted and heading.name in self.named):
            self.close()

    def _repeat_stanza(self, times: int) -> None:
        """Obey a mark that stands alone: what is above it is sung that often, be it a stanza or a heading."""
        if self.heading is not None:
            self.heading = replace(self.heading, times=self._times(self.heading.times * times), counted=True)
            if not self.broken:
                self.close()
            return
        stanza = tuple(self.lines[self.stanza_at :])
        self.close()
        self._copy(stanza, self._times(times) - 1)

    def _copy(self, stanza: tuple[LyricLine, ...], times: int) -> None:
        for _ in range(times):
            self.broken = True
            for line in stanza:
                self._add(LyricLine(line.words))
        self.broken = True

    def _sing(self, line: TimedLine, pieces: list[_Piece]) -> None:
        if not pieces:
            self.dropped = True
            return
        for piece in pieces:
            self._times(piece.times)
        for made in _sung(line, pieces):
            self._add(made)

    def _add(self, line: LyricLine) -> None:
        if self.broken:
            self.stanza_at = len(self.lines)
            self.broken = False
        stanza = 0
        if self.lines:
            stanza = self.lines[-1].stanza + (self.stanza_at == len(self.lines))
        self.n_words += len(line.words)
        if self.n_words > MAX_WORDS:
            raise LyricsError(
                f"line {self.row} of the lyrics passes the limit of {MAX_WORDS:,} words, repeats written out"
            )
        longest = max(map(len, line.words))
        if longest > MAX_WORD_LENGTH:
            raise LyricsError(f"line {self.row} holds a word of {longest:,} characters: are these lyrics?")
        self.lines.append(replace(line, stanza=stanza))

    def _times(self, times: int) -> int:
        if times > MOST:
            raise LyricsError(f"line {self.row} of the lyrics asks for {times} repeats: at most {MOST} are written out")
        return times


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words up to a repeat mark or to the end of the line, and the starts of those that have one."""

    words: tuple[str, ...]
    starts: tuple[int | None, ...]
    times: int = 1


def _position(text: str, n_visible: int) -> int:
    """Find the character behind the first n visible ones."""
    at = 0
    for found in INVISIBLE.finditer(text):
        if found.start() - at >= n_visible:
            break
        n_visible -= found.start() - at
        at = found.end()
    return at + n_visible


def _pieces(line: TimedLine, found: list[tuple[int, int, int]], begin: int) -> list[_Piece]:
    """Cut a line at its repeat marks, and leave out what is not sung."""
    words = [(m.start(), m.end()) for m in _WORD.finditer(line.text)]
    starts = line.word_starts_ms if len(line.word_starts_ms) == len(words) else (None,) * len(words)
    pieces: list[_Piece] = []
    waiting = 1  # the count of a mark in front of which nothing stands goes to the words behind it
    at = begin
    for left, right, times in [*found, (len(line.text), len(line.text), 0)]:
        inside = [
            (without_notes(line.text[max(first, at) : min(last, left)]), ms)
            for (first, last), ms in zip(words, starts, strict=True)
            if first < left and last > at
        ]
        sung = [(word, ms) for word, ms in inside if visible(word)]
        if sung:
            pieces.append(_Piece(tuple(w for w, _ in sung), tuple(ms for _, ms in sung), times or waiting))
            waiting = 1
        elif not pieces and times:
            waiting = times
        at = right
    return pieces


def _sung(line: TimedLine, pieces: list[_Piece]) -> Iterator[LyricLine]:
    """Write the repeats of a line out: as lines where all of it repeats, else inside the line."""
    if len(pieces) > 1:
        words = tuple(word for piece in pieces for word in piece.words * piece.times)
        yield LyricLine(words, start_ms=line.start_ms, end_ms=line.end_ms)
        return
    piece = pieces[0]
    starts = piece.starts if any(ms is not None for ms in piece.starts) else ()
    last = piece.times - 1
    for i in range(piece.times):
        yield LyricLine(
            piece.words,
            start_ms=line.start_ms if i == 0 else None,
            end_ms=line.end_ms if i == last else None,
            word_starts_ms=starts if i == 0 else (),
        )
