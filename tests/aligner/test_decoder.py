"""Words out of recordings of which every frame is known, with lyrics that are sung as written and that are not."""

from __future__ import annotations

from itertools import pairwise

import heard_songs as songs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.aligner.routes import RouteCosts
from melisma.core.errors import TooFewFrames, WrongLyrics

FIRST, SECOND, THIRD = "golden birds away", "thin cloud jumps", "quick foxes sleep"
GAP = "." * 40
UNCHECKED = DecoderConfig(refuse=False)


def decode(sung, *lines, config=UNCHECKED):
    emission = songs.heard(songs.frames_of(sung))
    return decode_words(emission, *songs.text(*lines), config)


def starts_in(sung, part, nth=0):
    """Seconds at which each word of a part is sung, the nth time that it is."""
    at = -1
    for _ in range(nth + 1):
        at = sung.index(part, at + 1)
    out = []
    for word in part.split():
        at = sung.index(word, at)
        out.append(len(songs.frames_of(sung[:at])) * songs.FRAME_S)
        at += len(word)
    return out


def placed(found, line):
    return [word.start_s for word in found.words if word.line == line]


def near(seconds):
    return pytest.approx(seconds, abs=2 * songs.FRAME_S)


def test_lyrics_that_are_sung_as_written_stand_where_they_are_sung():
    sung = GAP.join(["", FIRST, SECOND, THIRD, ""])
    found = decode(sung, FIRST, SECOND, THIRD, config=None)
    for k, line in enumerate((FIRST, SECOND, THIRD)):
        assert placed(found, k) == near(starts_in(sung, line))
    assert found.repeats == ()
    assert min(word.confidence for word in found.words) > 0.5


def test_a_line_that_nobody_sings_is_unsung():
    sung = GAP.join(["", FIRST, THIRD, ""])
    found = decode(sung, FIRST, SECOND, THIRD)
    assert placed(found, 1) == [None] * 3
    assert all(word.end is None and word.confidence is None for word in found.words if word.line == 1)
    for k, line in ((0, FIRST), (2, THIRD)):
        assert placed(found, k) == near(starts_in(sung, line))


def test_what_is_sung_and_not_written_is_passed_over():
    sung = GAP.join(["", FIRST, SECOND, THIRD, ""])
    found = decode(sung, FIRST, THIRD)
    assert placed(found, 0) == near(starts_in(sung, FIRST))
    assert placed(found, 1) == near(starts_in(sung, THIRD))


LONG = [" ".join([line] * 3) for line in (FIRST, SECOND, THIRD)]  # what leaving the written order costs is paid back


def test_lines_in_another_order_stand_where_they_are_sung():
    sung = GAP.join(["", LONG[2], LONG[0], LONG[1], ""])
    found = decode(sung, *LONG)
    for k, line in enumerate(LONG):
        assert placed(found, k) == near(starts_in(sung, line))
    assert found.repeats == ()


def test_lines_that_are_sung_once_more_are_told_with_their_times():
    sung = GAP.join(["", *LONG, LONG[1], LONG[2], ""])
    found = decode(sung, *LONG)
    for k, line in enumerate(LONG):
        assert placed(found, k) == near(starts_in(sung, line))
    (repeat,) = found.repeats
    assert (repeat.first, repeat.stop) == (1, 3)
    assert repeat.start / songs.RATE == near(starts_in(sung, LONG[1], 1)[0])
    end = len(songs.frames_of(sung[: sung.rindex(LONG[2]) + len(LONG[2])])) * songs.FRAME_S
    assert repeat.end / songs.RATE == near(end)


def test_of_two_times_the_one_among_the_neighbours_in_the_text_is_taken():
    sung = GAP.join(["", LONG[1], LONG[0], LONG[1], LONG[2], ""])
    found = decode(sung, *LONG)
    assert placed(found, 1) == near(starts_in(sung, LONG[1], 1))
    assert [repeat.start / songs.RATE for repeat in found.repeats] == [near(starts_in(sung, LONG[1])[0])]


def test_a_copy_that_is_written_takes_what_is_sung_once_more():
    sung = GAP.join(["", LONG[1], LONG[0], LONG[2], LONG[0], ""])
    found = decode(sung, LONG[2], LONG[0], LONG[1], LONG[0])
    times = sorted([placed(found, 1), placed(found, 3)])
    assert times == [near(starts_in(sung, LONG[0], 0)), near(starts_in(sung, LONG[0], 1))]
    assert found.repeats == ()


def test_parts_of_a_line_that_are_sung_the_other_way_round_do_not_make_it_run_backwards():
    sung = GAP.join(["", LONG[2], LONG[0], ""])
    found = decode(sung, f"{LONG[0]} ({LONG[1]}) {LONG[2]}")
    times = placed(found, 0)
    assert times[:9] == near(starts_in(sung, LONG[0]))
    assert times[9:] == [None] * 18


def test_what_fits_badly_is_no_repeat():
    """Going back is nearly free here, and pays twelve nats a token: the search goes round and round."""
    sung = GAP.join(["", FIRST, SECOND, "." * 200])
    found = decode(sung, FIRST, SECOND, config=DecoderConfig(refuse=False, costs=RouteCosts(30.0, 12.0, 12.0, 5.0)))
    assert placed(found, 0) == near(starts_in(sung, FIRST))
    assert found.repeats == ()


def test_lyrics_that_are_surely_heard_need_not_beat_their_gibberish():
    """These lines are the same backwards."""
    lines = ("never odd or even", "live not on evil")
    found = decode(GAP.join(["", *lines, ""]), *lines, config=None)
    assert not any(word.unsung for word in found.words)


def test_without_ways_back_nothing_is_repeated():
    sung = GAP.join(["", *LONG, LONG[0], ""])
    assert len(decode(sung, *LONG).repeats) == 1
    assert decode(sung, *LONG, config=DecoderConfig(refuse=False, costs=RouteCosts(jump=None))).repeats == ()


def test_the_lyrics_of_another_song_are_one_verdict():
    sung = GAP.join(["", FIRST, SECOND, THIRD, ""])
    others = ("my window never hopes", "wave above zero", "lazy vixen hum")
    with pytest.raises(WrongLyrics, match="not the lyrics of this recording"):
        decode(sung, *others, config=None)
    assert len(decode(sung, *others).words) == 10


def test_silence_is_no_song_of_these_lyrics():
    with pytest.raises(WrongLyrics):
        decode("." * 300, FIRST, SECOND, config=None)


def test_lyrics_that_say_the_same_backwards_cannot_be_told_from_gibberish():
    found = decode("." * 300, "la la la la", "la la la la", config=None)
    assert all(word.unsung for word in found.words)


def test_right_lyrics_among_others_are_not_refused():
    sung = GAP.join(["", FIRST, SECOND, THIRD, ""])
    found = decode(sung, FIRST, "my window never hopes", SECOND, "my window never hopes", THIRD, config=None)
    assert placed(found, 1) == [None] * 4
    assert placed(found, 3) == [None] * 4
    assert placed(found, 2) == near(starts_in(sung, SECOND))


def test_too_few_frames_say_how_many_are_needed():
    emission = songs.heard([0] * 10)
    with pytest.raises(TooFewFrames, match="10 frames, these lyrics need 46"):
        decode_words(emission, *songs.text(FIRST, SECOND, THIRD))


def test_lyrics_without_sound_are_unsung():
    found = decode("." * 20, "— …", "—", config=None)
    assert [word.start for word in found.words] == [None] * 3
    assert [word.line for word in found.words] == [0, 0, 1]


def test_a_wildcard_that_is_dear_lets_lines_reach_into_what_is_not_written():
    """The first line, and then words that are not written: a blank fits them badly, a wildcard well."""
    sung = GAP + FIRST + " " + "wxvkzvxwkzvw" * 4 + " " + THIRD + GAP
    found = decode(sung, FIRST, THIRD)
    assert placed(found, 0) == near(starts_in(sung, FIRST))
    assert placed(found, 1) == near(starts_in(sung, THIRD))
    scores = []
    emission, tokens = songs.heard(songs.frames_of(sung)), songs.text(FIRST, THIRD)
    for wildcard in (None, 2.0):
        config = DecoderConfig(wildcard, refuse=False, second_pass=False)
        scores.append(np.mean([word.confidence or 0 for word in decode_words(emission, *tokens, config).words]))
    assert scores[1] >= scores[0]


WORDS = ["ab", "cde", "fg", "hij", "(kl)", "(mn", "op)", "—"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=5),
    st.lists(st.integers(0, 4), max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_every_word_comes_once_and_no_line_runs_backwards(lines, order, seed):
    """Whatever is sung of whatever is written, in any order, under noise."""
    written = [" ".join(words) for words in lines]
    plain = [" ".join("".join(sign for sign in word if sign in songs.LETTERS) for word in words) for words in lines]
    sung = " .. ".join(plain[k] for k in order if k < len(plain))
    noise = np.random.default_rng(seed).integers(0, 27, 60).tolist()
    labels = [*songs.frames_of(sung), *noise, *[0] * 60]
    emission = songs.heard(labels, doubt=0.3)
    tokens, lyrics = songs.text(*written)
    found = decode_words(emission, tokens, lyrics, UNCHECKED)
    assert tuple(word.text for word in found.words) == lyrics.words
    assert [word.line for word in found.words] == tokens.line.tolist()
    for word in found.words:
        assert (word.start is None) == (word.end is None)
        if word.start is not None:
            assert 0 <= word.start <= word.end <= emission.duration
    for k in range(len(lines)):
        lead = [w.start for w in found.words if w.line == k and w.start is not None and not w.voice]
        assert all(a <= b for a, b in pairwise(lead))
    for repeat in found.repeats:
        assert 0 <= repeat.first < repeat.stop <= len(lines)
        assert 0 <= repeat.start <= repeat.end <= emission.duration
