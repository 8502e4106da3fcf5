from __future__ import annotations

import struct

import pytest

from melisma.core.errors import InputError
from melisma.train.midi_score import TICKS, Bend, Control, MidiScore, Note, Track, smf


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        length = struct.unpack(">I", data[at + 4 : at + 8])[0]
        found.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length
    assert at == len(data)
    return found


def events(body: bytes) -> list[tuple[int, bytes]]:
    """Read a track back: (tick, message) of each event; an independent reader of the few messages that we write."""
    out, at, now = [], 0, 0
    while at < len(body):
        delta = 0
        while True:
            delta, at = delta << 7 | body[at] & 127, at + 1
            if not body[at - 1] & 128:
                break
        now += delta
        status = body[at]
        n = 3 + body[at + 2] if status == 0xFF else {0xC0: 2}.get(status & 0xF0, 3)
        out.append((now, body[at : at + n]))
        at += n
    return out


def track_of(*notes: Note, **more: object) -> list[tuple[int, bytes]]:
    score = MidiScore(((0.0, 120.0),), (Track(3, 40, notes, **more),))  # type: ignore[arg-type]
    return events(chunks(smf(score))[2][1])


def strokes(found: list[tuple[int, bytes]]) -> list[tuple[int, int, int]]:
    return [(tick, m[0] & 0xF0, m[1]) for tick, m in found if m[0] & 0xF0 in (0x80, 0x90)]


def test_header_names_format_tracks_and_ticks():
    kind, head = chunks(smf(MidiScore(((0.0, 120.0),), (Track(0, 0, ()), Track(1, 5, ())))))[0]
    assert (kind, struct.unpack(">HHH", head)) == (b"MThd", (1, 3, TICKS))


def test_tempo_changes_are_in_microseconds_a_quarter():
    first = chunks(smf(MidiScore(((0.0, 120.0), (4.0, 90.0)), ())))[1][1]
    tempi = [(tick, int.from_bytes(m[3:], "big")) for tick, m in events(first) if m[:2] == b"\xff\x51"]
    assert tempi == [(0, 500_000), (4 * TICKS, 666_667)]


def test_every_track_ends():
    for _, body in chunks(smf(MidiScore(((0.0, 120.0),), (Track(0, 0, ()),))))[1:]:
        assert events(body)[-1][1] == b"\xff\x2f\x00"


def test_notes_begin_and_end_in_ticks_however_far_apart():
    found = track_of(Note(0.0, 1.0, 60, 80), Note(300.5, 0.25, 64, 90))
    assert strokes(found) == [(0, 0x90, 60), (480, 0x80, 60), (144240, 0x90, 64), (144360, 0x80, 64)]


def test_a_key_struck_again_is_let_go_first():
    found = track_of(Note(0.0, 4.0, 60, 80), Note(1.0, 1.0, 60, 80))
    assert strokes(found) == [(0, 0x90, 60), (480, 0x80, 60), (480, 0x90, 60), (960, 0x80, 60)]


def test_a_key_twice_at_one_time_is_struck_once():
    assert len(strokes(track_of(Note(1.0, 1.0, 60, 80), Note(1.0, 2.0, 60, 90)))) == 2


def test_instrument_and_place_come_before_the_first_note():
    found = track_of(Note(0.0, 1.0, 60, 80), pan=10, volume=77)
    messages = [m for _, m in found]
    note_at = next(i for i, m in enumerate(messages) if m[0] & 0xF0 == 0x90)
    assert {bytes((0xC3, 40)), bytes((0xB3, 10, 10)), bytes((0xB3, 7, 77))} <= set(messages[:note_at])


@pytest.mark.parametrize(("semitones", "wheel"), [(0.0, 8192), (2.0, 16383), (-2.0, 1), (-9.0, 0)])
def test_bends_turn_the_wheel_within_its_range(semitones, wheel):
    found = track_of(Note(0.0, 1.0, 60, 80), bends=(Bend(0.5, semitones),))
    assert [m[1] | m[2] << 7 for _, m in found if m[0] & 0xF0 == 0xE0] == [wheel]


@pytest.mark.parametrize(
    "fault", [{"key": 128}, {"key": -1}, {"velocity": 0}, {"velocity": 128}, {"start": -0.1}, {"length": 0.0}], ids=str
)
def test_a_note_that_midi_cannot_hold_is_refused(fault):
    good = {"start": 0.0, "length": 1.0, "key": 60, "velocity": 80}
    with pytest.raises(InputError, match="no MIDI note"):
        Note(**{**good, **fault})


@pytest.mark.parametrize("fault", [(0.0, 128, 0), (0.0, 1, 128), (-1.0, 1, 1)])
def test_a_controller_that_midi_cannot_hold_is_refused(fault):
    with pytest.raises(InputError, match="no MIDI controller"):
        Control(*fault)


@pytest.mark.parametrize("fault", [(16, 0), (0, 128)])
def test_a_channel_that_midi_does_not_have_is_refused(fault):
    with pytest.raises(InputError, match="no channel"):
        Track(*fault, ())
