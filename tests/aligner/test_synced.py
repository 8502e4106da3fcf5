"""Hints against what was heard: laws that are there are found, and hints that are of no use are dropped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.synced import HeardLine, LineWindow, SyncConfig, entry_costs, heard_lines, sync
from melisma.core.records import BACKING, LyricLine, Lyrics, Word
from melisma.core.timebase import Timebase

DURATION_S = 200.0


def times(n_lines=40, seed=0, duration_s=DURATION_S):
    """Starts of lines as songs have them: 2 to 6 s apart, with two pauses."""
    generator = np.random.default_rng(seed)
    steps = generator.uniform(2.0, 6.0, n_lines)
    steps[[n_lines // 3, 2 * n_lines // 3]] += 12.0
    starts = np.cumsum(steps)
    return starts * (duration_s - 15.0) / starts[-1]


def sung(hints):
    """Lyrics whose lines have these hints, in seconds, or None."""
    return Lyrics(tuple(LyricLine(("la", "la"), 0, None if h is None else round(h * 1000)) for h in hints))


def heard(starts, confidence=0.9):
    return [None if s is None else HeardLine(float(s), confidence) for s in starts]


def shaken(starts, seed=1, sd=0.15):
    return np.asarray(starts) + np.random.default_rng(seed).normal(0.0, sd, len(starts))


@pytest.mark.parametrize("offset", [0.0, 5.0, -5.0, 31.7])
@pytest.mark.parametrize("slope", [1.0, 1.04, 0.96, 1.055])
def test_a_shift_and_a_stretch_are_recovered(offset, slope):
    truth = times() + 6.0
    fit = sync(sung((truth - offset) / slope + 0.0), heard(shaken(truth)), DURATION_S + 10) if offset < 30 else None
    if fit is None:  # an intro that the file does not have
        truth = truth + 30.0
        fit = sync(sung((truth - offset) / slope), heard(shaken(truth)), DURATION_S + 40)
    assert fit.warnings == ()
    assert fit.share > 0.95
    assert len(fit.windows) == len(truth)
    expected = np.array([window.expected_s for window in fit.windows])
    assert np.abs(expected - truth).max() < 0.25
    assert all(window.weight > 0.5 for window in fit.windows)
    if slope == 1.0:
        assert fit.slope == 1.0


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
def test_lines_heard_elsewhere_do_not_move_the_law(share):
    truth = times()
    generator = np.random.default_rng(3)
    wrong = generator.random(len(truth)) < share
    placed = np.where(wrong, generator.uniform(0, DURATION_S, len(truth)), shaken(truth))
    found = [HeardLine(float(s), 0.4 if bad else 0.9) for s, bad in zip(placed, wrong, strict=True)]
    fit = sync(sung((truth - 5.0) / 1.04), found, DURATION_S)
    by_line = {window.line: window for window in fit.windows}
    assert all(abs(window.expected_s - truth[window.line]) < 0.3 for window in fit.windows)
    assert set(np.flatnonzero(~wrong)) <= set(by_line)
    # Doubtful lines that were heard elsewhere are the ones that a window can help: they get one, of less weight.
    assert {int(i) for i in np.flatnonzero(wrong)} <= set(by_line)
    assert (
        max(by_line[i].weight for i in np.flatnonzero(wrong))
        < min(by_line[i].weight for i in np.flatnonzero(~wrong)) + 0.3
    )


def test_a_line_surely_heard_elsewhere_gets_no_window():
    truth = times()
    placed = shaken(truth)
    placed[7] += 9.0
    fit = sync(sung(truth), heard(placed, 0.95), DURATION_S)
    assert 7 not in {window.line for window in fit.windows}
    assert fit.trust[7] < 0.15
    assert len(fit.windows) == len(truth) - 1


@pytest.mark.parametrize(("n_lines", "duration_s"), [(20, 95.0), (40, 135.0), (40, 215.0), (80, 215.0)])
def test_the_times_of_another_song_are_dropped(n_lines, duration_s):
    """Of songs of the same length, with their pauses at the same lines: harder than songs are."""
    fits = []
    for seed in range(60):
        truth, other = (times(n_lines, each, duration_s) for each in (seed, 1000 + seed))
        fits.append(sync(sung(other), heard(shaken(truth, seed)), duration_s))
    dropped = [fit for fit in fits if not fit.windows]
    assert len(dropped) >= 59
    assert all(fit.warnings[0].startswith("the times that the lines came with were not used: only ") for fit in dropped)
    assert all(set(fit.trust) == {0.0} for fit in dropped)


def test_times_in_an_order_of_their_own_are_dropped():
    truth = times()
    fit = sync(sung(np.random.default_rng(0).permutation(truth)), heard(truth), DURATION_S)
    assert fit.windows == ()
    assert len(fit.warnings) == 1


def test_two_lines_in_wrong_order_lose_their_windows_and_no_other():
    truth = times()
    hints = truth.copy()
    hints[[10, 14]] = hints[[14, 10]]
    fit = sync(sung(hints), heard(shaken(truth)), DURATION_S)
    assert {window.line for window in fit.windows} == set(range(len(truth))) - {10, 14}


def test_all_times_zero_are_dropped():
    truth = times()
    fit = sync(sung(np.zeros(len(truth))), heard(truth), DURATION_S)
    assert fit.windows == ()
    assert "most lines have the same time" in fit.warnings[0]


def test_lyrics_without_times_are_nothing_to_warn_of():
    fit = sync(sung([None] * 5), heard(range(5)), DURATION_S)
    assert (fit.windows, fit.warnings, fit.trust) == ((), (), (0.0,) * 5)


def test_missing_hints_and_missing_lines():
    truth = times()
    hints = [None if i % 5 == 0 else t - 3.0 for i, t in enumerate(truth)]
    placed = [None if i % 7 == 1 else t for i, t in enumerate(shaken(truth))]
    fit = sync(sung(hints), heard(placed), DURATION_S)
    lines = {window.line for window in fit.windows}
    assert lines == {i for i in range(len(truth)) if i % 5}
    assert all(fit.trust[i] == 0 for i in range(0, len(truth), 5))
    assert fit.trust[1] < fit.trust[2]


def test_nothing_heard_at_all():
    fit = sync(sung(times(10)), [None] * 10, DURATION_S)
    assert fit.windows == ()
    assert "too few of their lines were heard" in fit.warnings[0]


def test_a_chorus_heard_at_its_other_place_does_not_move_the_law():
    """Lines 5 to 9 come again as 25 to 29; the alignment took the second chorus for the first."""
    truth = times()
    placed = shaken(truth)
    placed[5:10] = placed[25:30] + 0.02
    fit = sync(sung(truth - 5.0), heard(placed, 0.6), DURATION_S)
    assert fit.offset_s == pytest.approx(5.0, abs=0.1)
    chorus = [window for window in fit.windows if 5 <= window.line < 10]
    assert [window.line for window in chorus] == [5, 6, 7, 8, 9]
    assert all(abs(window.expected_s - truth[window.line]) < 0.3 for window in chorus)
    assert all(0.15 <= window.weight < 0.5 for window in chorus)


def test_a_cut_in_the_middle_leaves_the_larger_part():
    """A radio edit lacks 20 s: what comes behind the cut is of no use, and surely heard elsewhere."""
    truth = times()
    hints = truth.copy()
    hints[24:] -= 20.0
    fit = sync(sung(hints), heard(shaken(truth), 0.95), DURATION_S)
    assert {window.line for window in fit.windows} == set(range(24))


@pytest.mark.parametrize("n_lines", [1, 2, 3, 5])
def test_a_few_lines_are_only_shifted(n_lines):
    truth = np.linspace(10.0, 30.0, n_lines)
    fit = sync(sung(truth - 5.0), heard(truth), 40.0)
    assert fit.slope == 1.0
    assert [window.expected_s for window in fit.windows] == pytest.approx(list(truth), abs=0.01)


def test_a_few_lines_that_disagree_are_dropped():
    fit = sync(sung([1.0, 5.0, 9.0, 13.0]), heard([3.0, 15.0, 16.0, 38.0]), 40.0)
    assert fit.windows == ()


def test_hints_behind_the_end_get_no_window():
    truth = times()
    hints = np.concatenate([truth, [DURATION_S + 20.0]])
    fit = sync(sung(hints), [*heard(truth), None], DURATION_S)
    assert max(window.line for window in fit.windows) == len(truth) - 1


def test_durations_tell_the_version_and_raise_the_bar():
    truth = times()
    hints = np.where(np.arange(len(truth)) < 0.6 * len(truth), truth, truth + np.linspace(5, 40, len(truth)))
    placed = heard(shaken(truth))
    assert sync(sung(hints), placed, DURATION_S, DURATION_S + 2.0).same_version is True
    unknown = sync(sung(hints), placed, DURATION_S)
    assert unknown.same_version is None
    assert unknown.windows
    other = sync(sung(hints), placed, DURATION_S, DURATION_S + 30.0)
    assert other.same_version is False
    assert other.windows == ()


def test_a_window_costs_nothing_inside_and_a_bounded_amount_outside():
    window = LineWindow(0, 10.0, 0.5, 0.8)
    costs = window.costs([9.5, 10.0, 10.5, 11.0, 9.0, 500.0], most=15.0)
    assert costs[:3].tolist() == [0.0, 0.0, 0.0]
    assert costs[3] == costs[4] == pytest.approx(6.4)
    assert costs[5] == pytest.approx(12.0)


def test_windows_become_costs_of_frames_and_passages():
    windows = [LineWindow(1, 1.0, 0.5, 1.0), LineWindow(2, 0.0, 0.1, 0.5)]
    costs = entry_costs(windows, [0, 1, -1, 2], 4, Timebase(16000, 8000), most=3.0)
    assert costs.dtype == np.float32
    assert costs.shape == (4, 4)
    assert costs[:, [0, 2]].max() == 0.0
    assert costs[:, 1].tolist() == pytest.approx([3.0, 0.0, 0.0, 0.0])  # frames at 0, 0.5, 1 and 1.5 s
    assert costs[:, 3].tolist() == pytest.approx([0.0, 1.5, 1.5, 1.5])


def test_lines_heard_are_those_of_the_lead_that_begin_with_a_timed_word():
    clock = Timebase(100)
    words = [
        Word("a", 0, 100, 150, 0.8, clock),
        Word("b", 0, 150, 200, 0.4, clock),
        Word("c", 1, None, None, None, clock),
        Word("d", 1, 300, 350, 0.9, clock),
        Word("(e)", 2, 90, 95, 0.9, clock, BACKING),
        Word("f", 3, 400, 450, None, clock),
    ]
    first, second, third, fourth = heard_lines(words, 4)
    assert first == HeardLine(1.0, pytest.approx(0.5 * 0.8 + 0.5 * 0.6))
    assert (second, third) == (None, None)
    assert fourth == HeardLine(4.0, 0.5)


def test_heard_lines_must_be_those_of_the_lyrics():
    with pytest.raises(ValueError, match="2 heard lines for lyrics of 3"):
        sync(sung([1.0, 2.0, 3.0]), heard([1.0, 2.0]), 10.0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 1e5)), st.one_of(st.none(), st.floats(0, 1e5)), st.floats(0.0, 1.0)
        ),
        max_size=30,
    ),
    st.floats(0.1, 1e5),
)
def test_any_hints_end_in_finite_windows_or_a_reason(rows, duration_s):
    found = [None if start is None else HeardLine(start, sure) for _, start, sure in rows]
    fit = sync(sung([hint for hint, _, _ in rows]), found, duration_s)
    assert len(fit.trust) == len(rows)
    assert all(0.0 <= trust <= 1.0 for trust in fit.trust)
    lines = [window.line for window in fit.windows]
    assert lines == sorted(set(lines))
    for window in fit.windows:
        assert rows[window.line][0] is not None
        assert 0.0 <= window.expected_s <= duration_s
        assert window.tolerance_s > 0
        assert 0.0 < window.weight <= 1.0
    assert abs(fit.slope - 1.0) <= SyncConfig().max_slope + 1e-9
    if not fit.windows and not fit.warnings:
        assert all(hint is None for hint, _, _ in rows) or fit.share > 0
