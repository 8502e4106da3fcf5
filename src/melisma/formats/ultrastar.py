"""UltraStar txt: notes on a grid of beats, for UltraStar Deluxe, Vocaluxe, Performous and their kin.

Written: ``#BPM:1500``, which makes a beat 10 ms, and ``#GAP`` at the first word, so that a time is off by 5 ms at
most; every word a note ``:`` of at least one beat at pitch 0 (no pitch is known), words that start on one beat share
a note, a word without a time is a freestyle note of no length, lines part at ``-`` and stand in the order in which they
are sung. Notes of one voice cannot overlap, so a backing voice makes the song a duet: ``P1`` is the lead, ``P2`` the
backing, as ``#P1`` and ``#P2`` say. Title, artist and file name are placeholders to be filled in. Lost: pitches are
none, confidences, stanzas, language, length of the recording, the order of the text, overlaps.

Read: notes of every kind (``:``, ``*``, ``F``, ``R``, ``G``), ``#RELATIVE:YES``, syllables (joined; a space before or
after a note's text parts words), ``~`` as the note held on, both voices of a duet in order of time, the second as
backing where ``#P2`` says "Backing". A ``~`` that belongs to a word gets an invisible word joiner in front, taken away
again when read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment, Word
from melisma.formats._characters import GUARD, opened, rows
from melisma.formats._cues import without_overlap
from melisma.formats._draft import DraftLine, TimedWord, assemble, joined
from melisma.formats._sung import in_sung_order, is_backing

_BPM = 1500  # the format counts quarter beats: 60 s / (1500 × 4) = 10 ms
_BEAT_MS = 10
_BACKING = "Backing"  # the name of the second singer
_TAG = re.compile(r"#([^:]{1,80}):(.*)")
_NOTE = re.compile(r"([:*FRGfrg]) *(-?[0-9]{1,9})[ \t]+([0-9]{1,9})[ \t]+(-?[0-9]{1,9})(?:[ \t](.*))?")
_BREAK = re.compile(r"-[ \t]*(-?[0-9]{1,9})(?:[ \t]+(-?[0-9]{1,9}))?[ \t]*")
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,9})?")
_VOICE = re.compile(r"P[ \t]?[0-9]")
_HELD = re.compile(rf"({GUARD}*)~")


@dataclass(frozen=True, slots=True)
class _Note:
    """Beats [start, end) and a text; what is unsung has no length."""

    start: int
    end: int
    text: str
    unsung: bool = False
    voice: int = LEAD


def write(alignment: Alignment) -> str:
    """Write an alignment as UltraStar text."""
    alignment = in_sung_order(alignment, "always")
    gap = min((start for word in alignment.words if (start := word.start_ms) is not None), default=0)
    head = f"#TITLE:Unknown\n#ARTIST:Unknown\n#MP3:song.mp3\n#BPM:{_BPM}\n#GAP:{gap}\n"
    lines = [alignment.line_words(i) for i in range(len(alignment.lines))]
    backing = [line for line in lines if is_backing(line)]
    lead = [line for line in lines if not is_backing(line)]
    if not backing:
        return f"{head}{_track(lead, gap)}E\n"
    return f"{head}#P1:Lead\n#P2:{_BACKING}\nP1\n{_track(lead, gap)}P2\n{_track(backing, gap)}E\n"


def _track(lines: Sequence[Sequence[Word]], gap: int) -> str:
    """Spell the lines of one voice."""
    words = iter(without_overlap([word for line in lines for word in line]))
    notes: list[list[_Note]] = []
    free = 0
    for line in lines:
        notes.append(_notes(list(islice(words, len(line))), gap, free))
        free = max([free, *(note.start + 1 for note in notes[-1] if not note.unsung)])
    return "".join(_spelt(notes))


def _notes(words: Sequence[TimedWord], gap: int, free: int) -> list[_Note]:
    """Put the words of a line on beats, none before `free`; words that fall on one beat share its note."""
    notes: list[_Note] = []
    for word in words:
        text = _HELD.sub(rf"{GUARD}\1~", word.text)
        if word.start is None or word.end is None:
            notes.append(_Note(0, 0, text, unsung=True))
            continue
        beat, end = _beat(word.start - gap), _beat(word.end - gap)
        previous = notes[-1] if notes else None
        if previous is not None and not previous.unsung and beat <= previous.start:
            notes[-1] = _Note(previous.start, max(previous.end, end), f"{previous.text} {text}")
            continue
        start = max(beat, free)
        free = start + 1
        notes.append(_Note(start, max(end, start + 1), text))
    return notes


def _beat(ms: int) -> int:
    return (2 * ms + _BEAT_MS) // (2 * _BEAT_MS)


def _spelt(lines: Sequence[Sequence[_Note]]) -> Iterator[str]:
    starts = iter([note.start for line in lines for note in line if not note.unsung][1:])
    last = 0
    for i, line in enumerate(lines):
        if i:
            yield f"- {last}\n"
        for k, note in enumerate(line):
            text = f" {note.text}" if k else note.text
            if note.unsung:
                yield f"F {last} 0 0 {text}\n"
                continue
            last = min(note.end, next(starts, note.end))
            yield f": {note.start} {last - note.start} 0 {text}\n"


def read(text: str) -> Alignment:
    """Read UltraStar text."""
    song = _parse(text)
    beat_ms = Fraction(60_000) / (4 * _number(song.tags, "BPM"))
    gap = _number(song.tags, "GAP") if song.tags.get("GAP", "").strip() else Fraction(0)
    lines: list[tuple[int, DraftLine]] = []
    last = 0
    for notes in song.lines:
        words = joined(_pieces(notes, beat_ms, gap))
        last = next((word.start for word in words if word.start is not None), last)
        lines.append((last, DraftLine(words)))
    if song.voices:
        lines.sort(key=lambda item: item[0])
    return assemble("ultrastar", [line for _, line in lines])


def _pieces(notes: Sequence[_Note], beat_ms: Fraction, gap: Fraction) -> list[TimedWord]:
    pieces: list[TimedWord] = []
    for note in notes:
        start = end = None
        if not note.unsung:
            start, end = (max(0, int(gap + beat * beat_ms + Fraction(1, 2))) for beat in (note.start, note.end))
        text = _HELD.sub(lambda found: found[1][1:] + "~" if found[1] else "", note.text)
        held = not text.strip() and bool(note.text.strip())
        sung = next((k for k in range(len(pieces) - 1, -1, -1) if pieces[k].text.strip()), None) if held else None
        if sung is not None and end is not None and pieces[sung].end is not None:
            pieces[sung] = replace(pieces[sung], end=max(end, pieces[sung].end or 0))
        pieces.append(TimedWord(text, start, end, voice=note.voice))
    return pieces


@dataclass(slots=True)
class _Song:
    """An UltraStar file being read: tags, then lines of notes."""

    tags: dict[str, str] = field(default_factory=dict)
    lines: list[list[_Note]] = field(default_factory=lambda: [[]])
    shift: int = 0  # beats, where the file counts from the last line break
    voices: bool = False
    voice: int = LEAD  # of the notes that follow


def _parse(text: str) -> _Song:
    song = _Song()
    for number, row in enumerate(rows(opened(text)), 1):
        if row.strip() == "E":
            break
        if row.strip():
            _parse_row(song, row, number)
    if "BPM" not in song.tags:
        raise FormatError("ultrastar", "there is no #BPM")
    return song


def _parse_row(song: _Song, row: str, number: int) -> None:
    relative = song.tags.get("RELATIVE", "").strip().upper() == "YES"
    if tag := _TAG.fullmatch(row.strip()):
        song.tags[tag[1].strip().upper()] = tag[2]
    elif note := _NOTE.fullmatch(row):
        start, length = int(note[2]) + song.shift, int(note[3])
        unsung = length == 0 and note[1] in "Ff"
        song.lines[-1].append(_Note(start, start + length, note[5] or "", unsung, song.voice))
    elif pause := _BREAK.fullmatch(row.strip()):
        song.lines.append([])
        song.shift += int(pause[2] or pause[1]) if relative else 0
    elif _VOICE.fullmatch(row.strip()):
        song.lines.append([])
        song.shift, song.voices = 0, True
        second = row.strip().endswith("2")
        song.voice = BACKING if second and song.tags.get("P2", "").strip() == _BACKING else LEAD
    else:
        raise FormatError("ultrastar", f"this is no note, line break or tag: {row.strip()[:40]!r}", number)


def _number(tags: dict[str, str], name: str) -> Fraction:
    said = tags[name].strip()
    value = Fraction(said.replace(",", ".")) if _NUMBER.fullmatch(said) else None
    if value is None or (name == "BPM" and value <= 0):
        raise FormatError("ultrastar", f"#{name} is no {'positive ' if name == 'BPM' else ''}number: {said[:40]!r}")
    return value


# UltraStar wants `.txt`, but so does all plain text: only the longer name tells this format.
FORMAT = Format("ultrastar", (".ultrastar.txt",), "text/plain", "UltraStar: notes on a grid of 10 ms", write, read)
