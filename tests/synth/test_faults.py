"""Songs whose lyrics are not what is sung: what is sung, what is written, and what is known of it."""

import itertools

import numpy as np
import pytest

from melisma.core.errors import UnknownName
from melisma.synth.faults import FAULTS, LANGUAGES, faulty_song
from melisma.text.lyrics import from_text


@pytest.fixture(scope="module")
def songs():
    return {fault: faulty_song(fault, "en", 1) for fault in FAULTS}


def starts(song, *, backing=False):
    return [word.starts_s for word in song.words if word.backing == backing]


def loudness(song, first_s, last_s):
    part = song.stereo[round(first_s * song.sample_rate) : round(last_s * song.sample_rate)]
    return float(np.sqrt(np.mean(np.square(part))))


def test_the_lyrics_are_read_as_the_words_that_are_known(songs):
    for song in songs.values():
        assert from_text(song.lyrics).words == tuple(word.text for word in song.words)
        assert all(0 <= at < len(song.stereo) / song.sample_rate for word in song.words for at in word.starts_s)
        assert np.abs(song.stereo).max() <= 1


@pytest.mark.parametrize("fault", ["none", "ad-libs", "spoken intro", "gap of a minute", "fade-out"])
def test_what_is_written_is_sung_once_and_in_order(songs, fault):
    times = starts(songs[fault])
    assert all(len(each) == 1 for each in times)
    assert all(a < b for (a,), (b,) in itertools.pairwise(times))


def test_lines_that_are_never_sung_have_no_time(songs):
    never = [line for line in songs["lines never sung"].lines if not line[0].starts_s]
    assert len(never) == 3
    assert all(word.starts_s == () for line in never for word in line)
    sung = [word.starts_s for line in songs["lines never sung"].lines for word in line if word.starts_s]
    assert sung == starts(songs["none"])


def test_missing_lines_are_sung_between_those_that_are_written(songs):
    assert len(songs["lines missing"].lines) == len(songs["none"].lines) - 3
    assert np.array_equal(songs["lines missing"].stereo, songs["none"].stereo)


def test_verses_change_places(songs):
    moved, plain = starts(songs["verses in another order"]), starts(songs["none"])
    assert {at for times in moved for at in times} == {at for times in plain for at in times}
    once = [times[0] for times in moved if len(times) == 1]  # of the verses
    assert sorted(once) != once
    chorus = [times for times in moved if len(times) > 1]
    assert {len(times) for times in chorus} == {2}
    assert len(chorus) + len(once) == len(plain)


@pytest.mark.parametrize(("fault", "counts"), [("chorus sung more often", {1, 3}), ("chorus written once", {1, 2})])
def test_a_chorus_may_stand_at_any_of_its_times(songs, fault, counts):
    assert {len(times) for times in starts(songs[fault])} == counts


def test_of_a_chorus_sung_once_the_second_copy_is_unsung(songs):
    lines = songs["chorus sung less often"].lines
    assert [len(line[0].starts_s) for line in lines] == [1, 1, 1, 1, 1, 1, 0, 0]


def test_of_another_song_nothing_is_sung(songs):
    assert set(starts(songs["another song"])) == {()}


def test_speech_comes_before_the_song(songs):
    with_intro, without = songs["spoken intro"], songs["none"]
    later = starts(with_intro)[0][0] - starts(without)[0][0]
    assert later > 8
    assert [times[0] - later for times in starts(with_intro)] == pytest.approx([times[0] for times in starts(without)])
    assert loudness(with_intro, 0, later - 1) > 0.05


def test_the_band_plays_alone_for_a_minute(songs):
    times = [at for (at,) in starts(songs["gap of a minute"])]
    assert max(b - a for a, b in itertools.pairwise(times)) > 60


def test_the_end_fades(songs):
    whole, faded = songs["none"], songs["fade-out"]
    end = len(whole.stereo) / whole.sample_rate
    assert loudness(faded, end - 5, end - 3) < loudness(whole, end - 5, end - 3) / 10
    assert loudness(faded, 0, end - 15) == loudness(whole, 0, end - 15)


def test_others_sing_over_the_lead_beside_the_centre(songs):
    song, alone = songs["backing in parentheses"], songs["none"]
    begins = [word.starts_s[0] for word in song.words if word.backing and word.text.startswith("(")]
    ends = [word.text for word in song.words if word.backing and word.text.endswith(")")]
    assert len(begins) == len(ends) == 4
    lead = [at for (at,) in starts(song)]
    assert lead == [at for (at,) in starts(alone)]
    for at in begins:
        assert any(0 <= later - at < 3 for later in lead)  # the lead goes on
        first = round(at * song.sample_rate)
        added = song.stereo[first : first + 4000] - alone.stereo[first : first + 4000]
        assert np.abs(added[:, 1]).max() > 1.5 * np.abs(added[:, 0]).max() > 0.01


def test_the_same_song_comes_out_every_time():
    assert np.array_equal(faulty_song("ad-libs", "fr", 2).stereo, faulty_song("ad-libs", "fr", 2).stereo)
    assert faulty_song("none", "fr", 2).lyrics != faulty_song("none", "fr", 3).lyrics


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_enough_in_every_language(language):
    song = faulty_song("lines never sung", language, 5)
    assert len(song.lines) == len(set(song.lyrics.splitlines())) + 2  # a chorus of two lines comes twice


def test_an_unknown_fault_lists_those_that_exist():
    with pytest.raises(UnknownName, match="another song"):
        faulty_song("too loud")


def test_a_language_without_words_enough_lists_those_that_have():
    with pytest.raises(UnknownName, match="fr"):
        faulty_song("none", "de")
