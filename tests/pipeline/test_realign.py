"""Neighbours fixed on a made-up song that is really sung: what moves where, what stays, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import soundfile

from melisma.aligner.edits import Move, Retype, Ripple, Shift, apply
from melisma.core import plugins
from melisma.core.errors import InputError, NoEngine, UnknownName
from melisma.core.records import Waveform
from melisma.core.timebase import MILLISECONDS
from melisma.formats import json as alignment_json
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.emissions import emissions
from melisma.pipeline.flags import Flags
from melisma.pipeline.keep_corrections import keep_corrections
from melisma.pipeline.realign import lyrics_of, realign
from melisma.pipeline.settings import RouterSettings
from melisma.synth.faults import faulty_song
from melisma.text.lyrics import from_text

NEAR_S = 0.06  # two frames of the engine


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """The path of a recording, and its alignment."""
    made = faulty_song("none", "en", 3)
    path = tmp_path_factory.mktemp("song") / "song.flac"
    soundfile.write(path, made.stereo, made.sample_rate)
    return path, align(path, from_text(made.lyrics), language="en")


def far(found, true, numbers):
    return [i for i in numbers if abs(found.words[i].start_s - true.words[i].start_s) > NEAR_S]


def test_a_line_follows_its_first_word(song):
    path, true = song
    line = true.lines[1]
    late = apply(true, [Shift(line.first, line.stop, 400)]).alignment
    first = true.words[line.first]
    put = apply(late, [Move(line.first, first.start_ms, first.end_ms)]).alignment
    found = realign(path, put, {line.first}, words=(line.first, line.stop))
    assert far(put, true, range(line.first + 1, line.stop)) == list(range(line.first + 1, line.stop))
    assert far(found, true, range(line.first + 1, line.stop)) == []
    rest = [i for i in range(len(true.words)) if not line.first < i < line.stop]
    assert [found.words[i] for i in rest] == [put.words[i] for i in rest]
    assert replace(found, words=()) == replace(put, words=())


def test_the_words_around_a_corrected_one_follow_it_on_any_clock(song):
    path, true = song
    line = true.lines[1]
    rounded = alignment_json.read(alignment_json.write(true))
    assert rounded.timebase == MILLISECONDS
    first = rounded.words[line.first]
    gone = apply(rounded, [Move(line.first, first.start_ms + 350, first.end_ms + 350, Ripple.LINE)]).alignment
    put = apply(gone, [Move(line.first, first.start_ms, first.end_ms)])
    assert put.corrected == {line.first}
    found = realign(path, put.alignment, put.corrected)
    assert found.timebase == MILLISECONDS
    assert far(found, true, range(line.first, line.stop)) == []


def test_the_text_may_be_another_by_now(song):
    path, true = song
    line = true.lines[0]
    edited = apply(true, [Retype(line.first + 1, "hello")]).alignment
    found = realign(path, edited, {line.first}, words=(line.first, line.stop))
    assert found.words[line.first + 1].text == "hello"


def test_a_second_correction_listens_to_nothing_again(song):
    path, true = song
    emissions.clear()
    heard = []
    for word in (3, 6):
        told = []
        realign(path, true, {word}, progress=lambda stage, share, told=told: told.append(stage))
        heard.append("listen" in told)
        assert told[-1] == "align"
    assert heard == [True, False]


def test_where_nothing_is_to_move_the_recording_is_not_even_read(song, tmp_path):
    _, true = song
    n_words = len(true.words)
    assert realign(tmp_path / "gone.wav", true, set(range(n_words))) is true
    assert realign(tmp_path / "gone.wav", true, {3, 4}, words=(3, 5)) is true


def test_another_recording_is_refused(song, tmp_path):
    path, true = song
    samples, rate = soundfile.read(path)
    soundfile.write(tmp_path / "cut.flac", samples[: len(samples) // 2], rate)
    with pytest.raises(InputError, match="this is not the recording of the alignment: it lasts"):
        realign(tmp_path / "cut.flac", true, {3})


def test_a_waveform_is_listened_to_as_well(song):
    path, true = song
    from melisma.audio import decode

    line = true.lines[1]
    late = apply(true, [Shift(line.first + 1, line.stop, 250)]).alignment
    waveform = decode.load(path)
    assert isinstance(waveform, Waveform)
    assert far(realign(waveform, late, {line.first}, words=(line.first, line.stop)), true, range(len(true.words))) == []


@pytest.mark.parametrize(
    ("corrected", "words", "said"),
    [
        ({-1}, None, "there is no word -1 to stay where it is"),
        (set(), None, "no word has been corrected: say which words are to be placed anew"),
        ({1}, (3, 3), r"\[3, 3\) is no range of the"),
        ({1}, (0, 10_000), r"\[0, 10000\) is no range of the"),
    ],
)
def test_numbers_of_no_word_are_refused(song, corrected, words, said):
    with pytest.raises(InputError, match=said):
        realign(song[0], song[1], corrected, words=words)


def test_an_engine_that_places_no_words_between_others_is_refused(song):
    for name, error, said in (("dtw", InputError, "places no words between others"), ("nobody", UnknownName, "nobody")):
        with pytest.raises(error, match=said):
            realign(song[0], song[1], {3}, config=AlignConfig(engine=name))


def test_without_an_engine_each_is_said_to_be_switched_off(song, tmp_path):
    switched = tmp_path / "flags.toml"
    for name in plugins.names(plugins.ENGINES):
        Flags(switched).switch(name, False)
    settings = replace(RouterSettings.from_env({}), flags=switched)
    with pytest.raises(NoEngine, match="phone: it is switched off in"):
        realign(song[0], song[1], {3}, config=AlignConfig(settings=settings))


def test_what_a_person_has_set_stays_when_the_alignment_is_made_anew(song):
    path, true = song
    line = true.lines[1]
    middle = line.first + 2
    word = true.words[middle]
    # A word that a person has put where the next ones are sung: those have to come behind it.
    set_by_hand = apply(true, [Move(middle, word.start_ms + 700, word.end_ms + 700, Ripple.LINE)])
    made = align(path, lyrics_of(set_by_hand.alignment), language="en")
    kept = keep_corrections(path, made, set_by_hand.alignment, set_by_hand.corrected)
    assert (kept.words[middle].start_ms, kept.words[middle].confidence) == (word.start_ms + 700, 1.0)
    assert kept.words[middle + 1].start >= kept.words[middle].end
    assert [w.start for w in kept.words[: line.first]] == [w.start for w in made.words[: line.first]]
    with pytest.raises(ValueError, match="the words are the same"):
        keep_corrections(path, made, apply(true, [Retype(0, "other")]).alignment, {1})
