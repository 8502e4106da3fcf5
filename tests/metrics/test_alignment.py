import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.metrics import alignment as metrics

NAN = float("nan")
ERRORS = st.lists(
    st.one_of(
        st.just(NAN),
        st.floats(-5, 5),
        # the limits themselves, where an inclusive comparison can go wrong
        st.sampled_from([0.1, -0.1, 0.15, -0.15, 0.3, -0.3, 0.22, -0.33, 0.33, -0.22, 1.0, -1.0]),
    ),
    max_size=30,
)


def brute_quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    if not ordered:
        return NAN
    at = (len(ordered) - 1) * q
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] * (1 - (at - low)) + ordered[high] * (at - low)


def brute(errors: list[float]) -> dict[str, float]:
    """The definitions once more, word by word, in plain Python."""
    timed = [e for e in errors if e == e]
    n = len(errors)

    def share(test) -> float:
        hits = 0
        for e in errors:
            if e == e and test(e):
                hits += 1
        return hits / n if n else 0.0

    return {
        "aae": math.fsum(abs(e) for e in timed) / len(timed) if timed else NAN,
        "p50": brute_quantile([abs(e) for e in timed], 0.5),
        "p95": brute_quantile([abs(e) for e in timed], 0.95),
        "hit100": share(lambda e: -0.1 <= e <= 0.1),
        "hit150": share(lambda e: -0.15 <= e <= 0.15),
        "pco300": share(lambda e: -0.3 <= e <= 0.3),
        "perceived": share(lambda e: -0.33 <= e <= 0.22),
        "derail": share(lambda e: e > 1 or e < -1),
        "bias": brute_quantile(timed, 0.5),
        "coverage": share(lambda e: True),
        "n_words": n,
    }


def as_dict(scores: metrics.Scores) -> dict[str, float]:
    return {name: getattr(scores, name) for name in (*metrics.COLUMNS, "n_words")}


@given(ERRORS)
def test_every_metric_agrees_with_brute_force(errors):
    assert as_dict(metrics.evaluate(errors)) == pytest.approx(brute(errors), abs=1e-12, nan_ok=True)


@given(st.lists(ERRORS, max_size=5))
def test_pooled_words_are_the_words_of_all_songs(songs):
    together = [e for song in songs for e in song]
    assert as_dict(metrics.pooled(songs)) == pytest.approx(brute(together), abs=1e-12, nan_ok=True)


@given(st.lists(ERRORS, max_size=5))
def test_the_mean_gives_each_song_the_same_weight_and_skips_nan(songs):
    rows = [brute(song) for song in songs]
    want = {}
    for name in metrics.COLUMNS:
        values = [row[name] for row in rows if row[name] == row[name]]
        want[name] = math.fsum(values) / len(values) if values else NAN
    want["n_words"] = sum(row["n_words"] for row in rows)
    got = metrics.mean_of_songs([metrics.evaluate(song) for song in songs])
    assert as_dict(got) == pytest.approx(want, abs=1e-12, nan_ok=True)


@given(ERRORS)
def test_hit_rates_nest_and_stay_inside_coverage(errors):
    s = metrics.evaluate(errors)
    assert 0 <= s.hit100 <= s.hit150 <= s.pco300 <= s.coverage <= 1
    assert s.pco300 + s.derail <= s.coverage + 1e-12
    assert s.perceived <= s.coverage


@given(ERRORS, st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_matter(errors, random):
    shuffled = random.sample(errors, len(errors))
    assert as_dict(metrics.evaluate(shuffled)) == pytest.approx(
        as_dict(metrics.evaluate(errors)), abs=1e-12, nan_ok=True
    )


def test_errors_are_estimate_minus_reference_and_nan_stays():
    got = metrics.onset_errors([1.25, NAN, 2.0], [1.0, 1.5, 2.5])
    np.testing.assert_array_equal(got, [0.25, NAN, -0.5])


def test_the_perceived_window_is_wider_before_than_after():
    assert metrics.perceived_rate([-0.3]) == 1
    assert metrics.perceived_rate([0.3]) == 0


def test_a_missed_word_lowers_hit_rates_but_enters_no_error():
    s = metrics.evaluate([0.05, NAN])
    assert (s.aae, s.hit100, s.coverage) == (0.05, 0.5, 0.5)


@pytest.mark.parametrize(
    ("errors", "lost"), [([NAN], True), ([2.0, 2.0, 0.0], True), ([2.0, 0.0], False), ([0.0], False), ([], True)]
)
def test_a_song_is_lost_without_any_time_or_with_most_words_derailed(errors, lost):
    assert metrics.is_lost(metrics.evaluate(errors)) is lost


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match="2 estimated onsets for 1 words"):
        metrics.onset_errors([0.0, 1.0], [0.0])


def test_two_dimensions_are_refused():
    with pytest.raises(ValueError, match="one-dimensional"):
        metrics.onset_errors([[0.0]], [[0.0]])


def test_two_dimensional_errors_are_refused():
    with pytest.raises(ValueError, match="one-dimensional, not of shape"):
        metrics.evaluate([[0.0]])


def test_a_reference_without_a_time_is_refused():
    with pytest.raises(ValueError, match="reference onset 1"):
        metrics.onset_errors([0.0, 0.0], [0.0, NAN])


def test_an_infinite_estimate_is_refused():
    with pytest.raises(ValueError, match="estimated onset 0 is infinite"):
        metrics.onset_errors([math.inf], [0.0])


def test_words_beyond_a_limit_are_off_by_more_than_it_and_timed():
    errors = [0.8, -0.8, 0.801, -0.9, NAN, 0.0]
    assert metrics.beyond_rate(errors, 0.8) == 2 / 6
    assert metrics.beyond_rate([], 0.8) == 0


@pytest.mark.parametrize(
    ("errors", "lines", "rate"),
    [
        ([0.0, 0.22, -0.33, 0.1], [0, 0, 1, 1], 1.0),  # the limits are inside
        ([0.0, 0.23, -0.33, 0.1], [0, 0, 1, 1], 0.5),  # one late word loses its line
        ([0.0, 0.2, -0.34, 0.1], [0, 0, 1, 1], 0.5),  # one early word too
        ([0.0, NAN, 0.0, 0.0], [0, 0, 1, 1], 0.5),  # and one that is missing
        ([0.0, 0.5, 0.0], [7, 3, 7], 0.5),  # lines in any order, with gaps
        ([], [], 0.0),
    ],
)
def test_lines_in_sync(errors, lines, rate):
    assert metrics.line_sync_rate(errors, lines) == rate


def test_lines_without_their_words_are_refused():
    with pytest.raises(ValueError, match="lines for"):
        metrics.line_sync_rate([0.0, 0.1], [0])


@given(st.lists(st.tuples(st.sampled_from([NAN, 0.0, 0.22, 0.23, -0.33, -0.34]), st.integers(0, 4)), max_size=20))
def test_lines_in_sync_are_those_whose_words_all_are(drawn):
    lines = {k: [e for e, of in drawn if of == k] for _, k in drawn}
    in_sync = [all(-0.33 <= e <= 0.22 for e in errors) for errors in lines.values()]
    expected = sum(in_sync) / len(in_sync) if in_sync else 0.0
    assert metrics.line_sync_rate([e for e, _ in drawn], [k for _, k in drawn]) == pytest.approx(expected)
