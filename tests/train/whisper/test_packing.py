"""Windows hold every clip once, none too much, one language each, and are the same whenever they are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.train.whisper.packing import Plan, Rules, Sizes


def sizes_of(seconds, n_labels=None, language=None, speaker=None):
    n = len(seconds)
    return Sizes(
        np.array(seconds, np.float64),
        np.array(n_labels if n_labels is not None else [10] * n, np.int64),
        np.array(language if language is not None else [0] * n, np.int64),
        np.array(speaker if speaker is not None else [0] * n, np.int64),
    )


@st.composite
def corpora(draw):
    n = draw(st.integers(0, 40))
    return sizes_of(
        draw(st.lists(st.floats(1, 30), min_size=n, max_size=n)),
        draw(st.lists(st.integers(3, 200), min_size=n, max_size=n)),
        draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)),
        draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)),
    )


@settings(max_examples=60)
@given(corpora(), st.floats(0, 1), st.floats(0, 1), st.integers(0, 3), st.integers(0, 3))
def test_every_pass_holds_every_clip_once_within_its_room(sizes, share, timed, seed, epoch):
    rules = Rules(seed, share, timed, gap_s=0.3, room_labels=220)
    windows = Plan(sizes, rules).windows(epoch)
    assert sorted(clip for window in windows for clip in window.clips) == list(range(len(sizes.seconds)))
    assert [window.index for window in windows] == list(range(len(windows)))
    for window in windows:
        clips = list(window.clips)
        assert len(set(sizes.language[clips].tolist())) == 1
        if len(clips) > 1:
            assert sizes.seconds[clips].sum() + 0.3 * (len(clips) - 1) <= 30 + 1e-9
            assert sizes.n_labels[clips].sum() <= 220
    several = sum(len(window.clips) > 1 for window in windows)
    assert several <= share * len(windows) + 1e-9
    assert abs(sum(window.timed for window in windows) - timed * len(windows)) < 1


def test_a_pass_is_the_same_again_and_another_one_is_not():
    sizes = sizes_of([3.0] * 50, speaker=[i % 5 for i in range(50)])
    one = Plan(sizes, Rules(1)).windows(3)
    assert Plan(sizes, Rules(1)).windows(3) == one
    assert [w.clips for w in Plan(sizes, Rules(1)).windows(4)] != [w.clips for w in one]
    assert [w.clips for w in Plan(sizes, Rules(2)).windows(3)] != [w.clips for w in one]


def test_short_clips_fill_their_windows():
    rng = np.random.default_rng(5)
    sizes = sizes_of(rng.uniform(2, 9, 2000), speaker=rng.integers(0, 40, 2000))
    windows = Plan(sizes, Rules(1)).windows(0)
    assert sizes.seconds.sum() / 30 / len(windows) > 0.9


def test_clips_of_a_speaker_meet_first():
    """Six speakers of windows full each: nobody has to meet another."""
    sizes = sizes_of([5.0] * 30, speaker=[i % 6 for i in range(30)])
    for window in Plan(sizes, Rules(1, gap_s=0.5)).windows(0):
        assert len(window.clips) == 5
        assert len(set(sizes.speaker[list(window.clips)].tolist())) == 1


def test_what_speakers_leave_half_empty_is_filled_with_others():
    sizes = sizes_of([10.0] * 9, speaker=list(range(9)))
    windows = Plan(sizes, Rules(1, gap_s=0.0)).windows(0)
    assert len(windows) == 3


def test_less_room_is_kept_where_clips_may_grow():
    sizes = sizes_of([9.5] * 9)
    assert max(len(window.clips) for window in Plan(sizes, Rules(1, room_s=25)).windows(0)) == 2
    assert max(len(window.clips) for window in Plan(sizes, Rules(1, room_s=30)).windows(0)) == 3


def test_all_clips_stay_alone_where_none_is_packed():
    assert all(len(w.clips) == 1 for w in Plan(sizes_of([2.0] * 20), Rules(1, share=0)).windows(0))


def test_no_clips_give_no_windows():
    plan = Plan(sizes_of([]), Rules(1))
    assert plan.windows(0) == ()
