"""Notes for instruments of General MIDI, and the bytes of a Standard MIDI File (format 1) that hold them.

References
----------
MIDI Manufacturers Association, Standard MIDI Files 1.0 (RP-001); General MIDI Level 1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from melisma.core.errors import InputError

TICKS = 480  # a quarter note
DRUM_CHANNEL = 9
BEND_RANGE = 2.0  # semitones, what every General MIDI instrument starts with

_VOLUME, _PAN, _REVERB, _CHORUS = 7, 10, 91, 93
_MICROSECONDS = 60_000_000  # a minute
_OFF, _SETUP, _ON = 0, 1, 2  # at one tick: a note ends before the next one begins


@dataclass(frozen=True, slots=True)
class Note:
    """A key pressed at `start` for `length`, both in quarter notes."""

    start: float
    length: float
    key: int
    velocity: int

    def __post_init__(self) -> None:
        if not (0 <= self.key <= 127 and 1 <= self.velocity <= 127 and self.start >= 0 and self.length > 0):
            raise InputError(f"no MIDI note: {self}")


@dataclass(frozen=True, slots=True)
class Control:
    """A controller set to `value` (0 to 127) at a time in quarter notes."""

    at: float
    number: int
    value: int

    def __post_init__(self) -> None:
        if not (0 <= self.number <= 127 and 0 <= self.value <= 127 and self.at >= 0):
            raise InputError(f"no MIDI controller: {self}")


@dataclass(frozen=True, slots=True)
class Bend:
    """The pitch wheel at a time in quarter notes, in semitones within ± `BEND_RANGE`."""

    at: float
    semitones: float


@dataclass(frozen=True, slots=True)
class Track:
    """What one channel plays; `program` counts from 0, `pan` from 0 (left) to 127 (right)."""

    channel: int
    program: int
    notes: tuple[Note, ...]
    volume: int = 100
    pan: int = 64
    reverb: int = 40
    chorus: int = 0
    controls: tuple[Control, ...] = ()
    bends: tuple[Bend, ...] = ()

    def __post_init__(self) -> None:
        if not (0 <= self.channel <= 15 and 0 <= self.program <= 127):
            raise InputError(f"MIDI has no channel {self.channel} with programme {self.program}")


@dataclass(frozen=True, slots=True)
class MidiScore:
    """Tracks that sound together, and (quarter note, quarter notes a minute) wherever the tempo changes."""

    tempi: tuple[tuple[float, float], ...]
    tracks: tuple[Track, ...]


def smf(score: MidiScore) -> bytes:
    """Write a score as a Standard MIDI File.

    A key that is struck again while it is held is let go first.
    """
    tempi = [
        (_tick(at), _SETUP, b"\xff\x51\x03" + round(_MICROSECONDS / bpm).to_bytes(3, "big")) for at, bpm in score.tempi
    ]
    chunks = [_chunk(tempi), *(_chunk(_events(track)) for track in score.tracks)]
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(chunks), TICKS) + b"".join(chunks)


def _tick(at: float) -> int:
    return round(at * TICKS)


def _events(track: Track) -> Iterable[tuple[int, int, bytes]]:
    channel = track.channel
    yield 0, _SETUP, bytes((0xC0 | channel, track.program))
    for number, value in ((_VOLUME, track.volume), (_PAN, track.pan), (_REVERB, track.reverb), (_CHORUS, track.chorus)):
        yield 0, _SETUP, bytes((0xB0 | channel, number, value))
    for control in track.controls:
        yield _tick(control.at), _SETUP, bytes((0xB0 | channel, control.number, control.value))
    for bend in track.bends:
        value = min(max(round(8192 + 8191 * bend.semitones / BEND_RANGE), 0), 16383)
        yield _tick(bend.at), _SETUP, bytes((0xE0 | channel, value & 127, value >> 7))
    struck_next: dict[int, int] = {}
    for note in sorted(track.notes, key=lambda n: (n.start, n.key), reverse=True):
        start = _tick(note.start)
        end = min(max(_tick(note.start + note.length), start + 1), struck_next.get(note.key, start + 2**27))
        if end <= start:
            continue  # the same key twice at one tick
        struck_next[note.key] = start
        yield start, _ON, bytes((0x90 | channel, note.key, note.velocity))
        yield end, _OFF, bytes((0x80 | channel, note.key, 64))


def _chunk(events: Iterable[tuple[int, int, bytes]]) -> bytes:
    body = bytearray()
    now = 0
    for at, _, data in sorted(events, key=lambda event: event[:2]):
        body += _variable_length(at - now) + data
        now = at
    body += b"\x00\xff\x2f\x00"
    return b"MTrk" + struct.pack(">I", len(body)) + bytes(body)


def _variable_length(number: int) -> bytes:
    """Seven bits a byte, all but the last with the high bit set."""
    out = [number & 127]
    while number := number >> 7:
        out.append(number & 127 | 128)
    return bytes(reversed(out))
