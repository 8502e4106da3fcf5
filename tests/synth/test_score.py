from dataclasses import replace
from itertools import pairwise

import pytest

from melisma.core.errors import InputError, LyricsError, UnknownName
from melisma.synth.score import CLOCK, SongConfig, score_of_length, write_score
from melisma.synth.words import DEMO, PHRASES

SMALL = SongConfig("en", ("silver rain", "", "on the hill"), tempo_bpm=120)


def test_words_are_those_of_the_lines_in_order():
    score = write_score(SMALL)
    assert [(w.text, w.line) for w in score.words] == [("silver", 0), ("rain", 0), ("on", 1), ("the", 1), ("hill", 1)]
    assert score.lyrics == "silver rain\n\non the hill\n"


def test_times_rise_and_stay_inside_the_song():
    score = score_of_length(90, "fr", 2)
    for left, right in pairwise(score.words):
        assert left.start < left.end < right.start
    assert score.words[0].start > 0
    assert score.words[-1].end < score.n_samples


def test_no_word_sounds_in_intro_break_and_outro():
    score = write_score(SMALL)
    starts = [score.band.bar_start(i) for i in range(len(score.bars) + 1)]
    for i, bar in enumerate(score.bars):
        if bar.kind != "verse":
            # A consonant may be sung ahead of the beat that the line begins on.
            inside = range(starts[i], starts[i + 1] - CLOCK.ticks(0.4))
            assert not any(w.start in inside or w.end in inside for w in score.words)
    assert [b.kind for b in score.bars][:2] == ["intro", "intro"]
    assert [b.kind for b in score.bars].count("break") == 2
    assert score.bars[-1].kind == "outro"


def test_lines_leave_room_to_breathe():
    for text in DEMO:
        score = write_score(SongConfig(text.language, text.lines, tempo_bpm=130))
        for left, right in pairwise(score.words):
            if left.line != right.line:
                assert right.start_s - left.end_s > 0.1


@pytest.mark.parametrize("seconds", [12, 61.5, 600])
def test_a_song_has_exactly_the_length_asked_for(seconds):
    score = score_of_length(seconds, "en")
    assert score.n_samples == CLOCK.ticks(seconds)
    assert score.band.bar_start(len(score.bars) - 1) < score.n_samples <= score.band.bar_start(len(score.bars))


def test_a_long_song_has_long_breaks():
    words = score_of_length(600, "hr", 1).words
    gaps = [right.start_s - left.end_s for left, right in pairwise(words)]
    assert max(gaps) > 15


@pytest.mark.parametrize("language", PHRASES)
def test_every_phrase_can_be_sung(language):
    openings, endings = PHRASES[language]
    score = write_score(SongConfig(language, openings + endings))
    assert len(score.lines) == len(openings) + len(endings)


def test_seeds_decide_words_and_melody():
    one, same, other = (score_of_length(60, "en", seed) for seed in (1, 1, 2))
    assert one.words == same.words
    assert one.lyrics != other.lyrics


def test_a_language_without_words_is_refused():
    with pytest.raises(UnknownName, match="no language of synthetic songs is called 'ja'; there are: bs, cs, de"):
        score_of_length(60, "ja")


@pytest.mark.parametrize("seconds", [0, -3, 2.0, float("nan"), float("inf")])
def test_a_song_too_short_for_a_line_is_refused(seconds):
    with pytest.raises(InputError, match="has no room for a line"):
        score_of_length(seconds, "en")


def test_a_song_without_words_is_refused():
    with pytest.raises(LyricsError, match="a song needs a line of words"):
        write_score(replace(SMALL, lines=("", "  ")))


@pytest.mark.parametrize("tempo_bpm", [39, 201, float("nan")])
def test_an_unsingable_tempo_is_refused(tempo_bpm):
    with pytest.raises(InputError, match="cannot be sung: take 40 to 200"):
        replace(SMALL, tempo_bpm=tempo_bpm)


def test_a_song_without_intro_is_refused():
    with pytest.raises(InputError, match="one bar of intro"):
        replace(SMALL, intro_bars=0)


def test_a_ratio_out_of_reach_is_refused():
    with pytest.raises(InputError, match="take -60 to 60"):
        replace(SMALL, snr_db=61)


def test_an_unknown_singer_is_refused():
    with pytest.raises(UnknownName, match="no singer is called 'bass'"):
        replace(SMALL, singer="bass")


def test_melismas_keep_the_melody_and_every_time():
    plain = write_score(SMALL)
    turned = write_score(replace(SMALL, melisma=1.0))
    assert turned.words == plain.words
    both = [
        (a, b)
        for x, y in zip(plain.lines, turned.lines, strict=True)
        for a, b in zip(x.sung.notes, y.sung.notes, strict=True)
    ]
    assert all(replace(b, turns=()) == a for a, b in both)
    assert any(b.turns for _, b in both)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_melismas_that_is_none_is_refused(share):
    with pytest.raises(InputError, match="melismas on"):
        replace(SMALL, melisma=share)
