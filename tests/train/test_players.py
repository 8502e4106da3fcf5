from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from melisma.train.harmony import Harmony
from melisma.train.midi_score import BEND_RANGE, DRUM_CHANNEL, Note, Track
from melisma.train.players import Band, Bar
from melisma.train.styles import CRASH, HAT, KICK, SCALES, SNARE, TOM_HIGH, TOM_LOW, TOM_MIDDLE, Comp, Style

TOMS = {TOM_LOW, TOM_MIDDLE, TOM_HIGH}
BPM = 60.0  # a quarter note is a second
# Nobody plays further from the grid than this, in quarter notes: five deviations of the loosest band.
LOOSE = 0.06

PIANO = Comp((0,), ("D=======D=======",), layout="centre")
SILENT = Comp((0,), ("................",), layout="centre")
ROCK = Style(
    name="test",
    tempo=(60, 61),
    modes=("major",),
    progressions=((0, 3, 4, 0),),
    comps=(PIANO, replace(PIANO, layout="double")),
    grooves=(((KICK, "X.......X......."), (SNARE, "....X.......X..."), (HAT, "x.o.x.o.x.o.x.o.")),),
    basses=(33,),
    bass_lines=("r...............",),
    leads=(65,),
)


def bar(number: int = 0, degree: int = 0, energy: float = 1.0, *, harmony: Harmony | None = None, **more) -> Bar:
    facts = {"has_lead": True, "first": False, "last": False} | more
    return Bar(number, harmony or Harmony(0, "major"), degree, (degree + 1) % 7, energy, **facts)


def played(style: Style, seed: int, *bars: Bar) -> tuple[Track, ...]:
    band = Band(style, BPM, np.random.default_rng(seed))
    for one in bars:
        band.play(one)
    return band.tracks()


def only(style: Style, **kept) -> Style:
    """Leave nothing of a style but what is kept of it, and a piano that rests."""
    return replace(style, **({"comps": (SILENT,), "grooves": (), "basses": (), "leads": ()} | kept))


def track_of(style: Style, *bars: Bar) -> Track:
    """Give the one part of a style that has been left only it, as the first band plays it that has drawn it."""
    for seed in range(50):
        for track in played(style, seed, *bars):
            return track
    raise AssertionError("the part never plays")


def in_time(track: Track) -> list[Note]:
    return sorted(track.notes, key=lambda note: note.start)


def bass_of(line: str, *bars: Bar) -> list[Note]:
    return in_time(track_of(only(ROCK, basses=(33,), bass_lines=(line,)), *bars))


def drums_of(bars: list[Bar], seed: int) -> list[Note]:
    return [note for track in played(ROCK, seed, *bars) if track.channel == DRUM_CHANNEL for note in track.notes]


@pytest.mark.parametrize("degree", range(7))
def test_the_bass_plays_what_its_line_says(degree):
    harmony = Harmony(2, "minor")
    notes = bass_of("r...t...f...o...", bar(degree=degree, harmony=harmony))
    root, third, fifth, octave = (note.key for note in notes)
    assert [key % 12 for key in (root, third, fifth)] == [harmony.pitch_class(degree + i) for i in (0, 2, 4)]
    assert octave - root == 12
    assert all(28 <= key < 60 for key in (root, third, fifth, octave))  # from a bass guitar's low E to middle C
    assert [round(note.start) for note in notes] == [0, 1, 2, 3]


def test_the_bass_approaches_the_next_root_by_a_step():
    approaches = bass_of("............a...", *map(bar, range(40)))  # from the first degree to the second
    steps = {(note.key - Harmony(0, "major").pitch_class(1) + 6) % 12 - 6 for note in approaches}
    assert steps == {-2, -1, 1, 2}


def test_a_note_lasts_as_long_as_it_is_held_and_no_longer():
    first, second = bass_of("r=======f===....", bar())
    assert 1.5 < first.length <= 2.0
    assert 0.75 < second.length <= 1.0


@pytest.mark.parametrize("swing", [0.0, 0.3])
def test_every_second_step_comes_late_by_the_swing(swing):
    style = only(replace(ROCK, swing=swing), basses=(33,), bass_lines=("rrrrrrrrrrrrrrrr",))
    starts = np.array([note.start for note in in_time(track_of(style, *map(bar, range(4))))])
    off = starts - np.arange(len(starts)) / 4
    assert np.abs(off[::2]).max() < LOOSE
    assert np.abs(off[1::2] - swing / 4).max() < LOOSE


def test_a_bar_of_twelve_eighths_has_three_steps_a_beat():
    style = only(replace(ROCK, meter="12/8"), basses=(33,), bass_lines=("r.rr.rr.rr.r",))
    starts = [note.start for note in in_time(track_of(style, bar()))]
    assert starts == pytest.approx([0, 2 / 3, 1, 5 / 3, 2, 8 / 3, 3, 11 / 3], abs=LOOSE)


def test_chords_are_those_of_the_bar_and_begin_where_they_are_struck():
    for degree in range(7):
        harmony = Harmony(5, "dorian")
        (track,) = played(only(ROCK, comps=(PIANO,)), 1, bar(2, degree, harmony=harmony))
        assert {note.key % 12 for note in track.notes} == {harmony.pitch_class(degree + i) for i in (0, 2, 4)}
        assert sorted({round(note.start, 1) for note in track.notes}) == pytest.approx([8, 10], abs=LOOSE + 0.05)


def struck(pattern: str, **more) -> list[Note]:
    return in_time(track_of(only(ROCK, comps=(replace(PIANO, patterns=(pattern,), **more),)), bar()))


def test_a_stroke_down_runs_from_the_low_string_to_the_high_one_and_up_the_other_way():
    down, up = struck("D===============", strum_s=0.03), struck("U===============", strum_s=0.03)
    assert [note.key for note in down] == sorted(note.key for note in down)
    assert [note.key for note in up] == sorted((note.key for note in up), reverse=True)
    assert down[-1].start - down[0].start == pytest.approx(0.03)


def test_digits_break_the_chord_from_its_lowest_note_on_into_the_next_octave():
    keys = [note.key for note in struck("0===1===2===3===")]
    assert keys == sorted(keys)
    assert keys[3] == keys[0] + 12


def test_a_muted_stroke_is_a_click_and_a_soft_one_is_softer():
    assert all(note.length < 0.1 for note in struck("m==============="))
    loud, soft = (np.mean([note.velocity for note in struck(f"{sign}===============")]) for sign in "Dd")
    assert loud > soft + 5


def test_a_held_chord_swells_and_a_repeated_one_does_not():
    held = replace(PIANO, patterns=("D===============",))
    (still,), (swelling,) = (played(only(ROCK, comps=(comp,)), 1, bar(3)) for comp in (PIANO, held))
    assert not still.controls
    assert len({control.value for control in swelling.controls}) > 2
    assert all(12 <= control.at < 16 for control in swelling.controls)


def test_a_doubled_part_plays_the_same_chords_on_both_sides():
    left, right = played(only(ROCK, comps=(replace(PIANO, layout="double"),)), 1, bar())
    assert (left.pan < 64) != (right.pan < 64)
    assert left.program == right.program
    assert left.channel != right.channel
    assert sorted(note.key for note in left.notes) == sorted(note.key for note in right.notes)


def test_bass_and_drums_are_in_the_middle():
    for alone in (only(ROCK, grooves=ROCK.grooves), only(ROCK, basses=(33,), bass_lines=ROCK.bass_lines)):
        assert track_of(alone, bar()).pan == 64


def test_without_energy_one_part_plays_and_with_all_of_it_everyone_drawn():
    for seed in range(8):
        calm, full = (played(ROCK, seed, bar(energy=energy, has_lead=False)) for energy in (0.0, 1.0))
        assert {track.channel for track in calm} < {track.channel for track in full} or len(full) == 1
        assert len({track.program for track in calm}) == 1


def test_full_bars_are_louder_than_calm_ones():
    piano = only(ROCK, comps=(PIANO,))
    loud = [
        np.mean([note.velocity for note in track_of(piano, *(bar(i, energy=energy) for i in range(8))).notes])
        for energy in (0.2, 1.0)
    ]
    assert loud[1] > loud[0] + 10


LED = only(ROCK, leads=(65,))


def test_the_lead_keeps_to_the_scale_one_note_at_a_time():
    harmony = Harmony(3, "harmonic minor")
    scale = {(3 + step) % 12 for step in SCALES["harmonic minor"]}
    track = track_of(LED, *(bar(i, i % 7, harmony=harmony) for i in range(32)))
    notes = in_time(track)
    assert {note.key % 12 for note in notes} <= scale
    assert len({note.key for note in notes}) > 4
    for note, following in pairwise(notes):
        assert note.start + note.length <= following.start + 2 * LOOSE


def test_long_notes_of_the_lead_on_beats_belong_to_the_chord():
    degrees = [0, 3, 4, 5] * 8
    n_long = 0
    for note in track_of(LED, *(bar(i, degree) for i, degree in enumerate(degrees))).notes:
        beat = round(note.start)
        if abs(note.start - beat) < LOOSE and note.length > 0.6:  # three steps and more
            chord = {Harmony(0, "major").pitch_class(degrees[beat // 4] + i) for i in (0, 2, 4)}
            assert note.key % 12 in chord
            n_long += 1
    assert n_long > 10


def test_the_lead_rests_where_it_has_no_solo_and_takes_a_breath_at_the_end_of_a_section():
    bars = [bar(i, has_lead=i < 4, last=i == 3) for i in range(8)]
    starts = [note.start for seed in range(20) for track in played(LED, seed, *bars) for note in track.notes]
    assert 12 < max(starts) < 3 * 4 + 2 + LOOSE  # nothing after the middle of the fourth bar


def test_the_lead_slides_into_notes_and_arrives_at_their_pitch():
    track = track_of(LED, *(bar(i) for i in range(32)))
    slides = [track.bends[i : i + 7] for i in range(0, len(track.bends), 7)]
    assert slides
    for slide in slides:
        assert all(-BEND_RANGE <= bend.semitones <= 0 for bend in slide)
        assert [bend.semitones for bend in slide] == sorted(bend.semitones for bend in slide)
        assert slide[-1].semitones == 0
        assert any(note.start == slide[0].at for note in track.notes)


def test_drums_play_their_groove_and_fill_only_in_the_last_bar_of_a_section():
    bars = [bar(i, last=i == 3) for i in range(4)]
    filled = 0
    for seed in range(20):
        for note in drums_of(bars, seed):
            steps = (note.start - 4 * int((note.start + LOOSE) // 4)) * 4
            if note.key in TOMS:
                assert note.start > 3 * 4 + 2 - LOOSE  # at most the second half of the bar
                filled += 1
            elif note.start < 12 - LOOSE:
                at = {KICK: (0, 8), SNARE: (4, 12), HAT: range(0, 16, 2)}[note.key]
                assert min(abs(steps - step) for step in at) < 4 * LOOSE
    assert filled


def test_a_crash_opens_a_section_but_not_the_piece():
    crashes = [note.start for seed in range(20) for note in drums_of([bar(i, first=i % 2 == 0) for i in range(4)], seed)
               if note.key == CRASH]  # fmt: skip
    assert crashes
    assert crashes == pytest.approx([8] * len(crashes), abs=LOOSE)


def test_everybody_has_a_channel_of_their_own():
    for seed in range(10):
        channels = [track.channel for track in played(ROCK, seed, bar(), bar(1))]
        assert len(set(channels)) == len(channels) > 1


def test_no_note_comes_before_the_piece_begins():
    starts = [note.start for seed in range(30) for track in played(ROCK, seed, bar()) for note in track.notes]
    assert min(starts) == 0
