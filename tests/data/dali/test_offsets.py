"""Annotations are found in recordings that run otherwise, begin later, or are cut; other songs are told from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soxr

import dali_files
from melisma.core.errors import InputError
from melisma.core.records import Emission, Waveform
from melisma.core.timebase import Timebase
from melisma.data.dali.annotation import Levels
from melisma.data.dali.evidence import Expected, correlate, evidence, expected, line_curves
from melisma.data.dali.offsets import LONGEST_S, MatchConfig, find, follow
from melisma.engines.phone import PhoneEngine
from melisma.synth.score import write_score
from melisma.synth.songs import render

ENGINE = PhoneEngine()
CONFIG = MatchConfig()
OTHER = (
    "Paper lanterns over the harbour",
    "Somebody is calling my brother",
    "Never again shall I wander",
    "Winter is kind",
)


def sung(**fields):
    score = write_score(dali_files.config(**fields))
    song = render(score)
    samples = soxr.resample(song.stereo.mean(axis=1), song.sample_rate, 16000).astype(np.float32)
    return Levels.model_validate(dali_files.levels_of(score)), samples


@pytest.fixture(scope="module")
def song():
    return sung(seed=3, key="G")


@pytest.fixture(scope="module")
def other():
    return sung(seed=4, lines=OTHER)


def phones(levels):
    return [ENGINE.spell(word.text, "en") for word in levels.words]


def match(levels, samples, config=CONFIG):
    emission = ENGINE.emit(Waveform(samples.astype(np.float32), 16000))
    return find(expected(levels, phones(levels), emission), emission, config)


def heard_at(found, line):
    """Return where the beginning of a line is heard; of the last piece that begins before it."""
    piece = found.pieces[0] if line.time[0] < 20 else found.pieces[-1]
    return found.rate * line.time[0] + piece.offset_s


def played(samples, rate, lead_s):
    """Let a recording run `rate` times as long, with silence in front, or without its beginning."""
    out = soxr.resample(samples, 16000, 16000 * rate)
    noise = np.random.default_rng(1).normal(0, 1e-4, max(0, round(lead_s * 16000))).astype(np.float32)
    return np.concatenate([noise, out[max(0, round(-lead_s * 16000)) :]])


@pytest.mark.parametrize(("rate", "lead_s"), [(1.0, 0.0), (1.043, 17.3), (0.96, -3.1), (1.002, 75.0)])
def test_rate_and_offset_are_found(song, rate, lead_s):
    levels, samples = song
    found = match(levels, played(samples, rate, lead_s))
    assert found.accepted(CONFIG)
    assert [(piece.first, piece.stop) for piece in found.pieces] == [(0, 6)]
    assert found.present == (True,) * 6
    for word in (levels.words[0], levels.words[-1]):
        at = found.rate * word.time[0] + found.pieces[0].offset_s
        assert at == pytest.approx(rate * word.time[0] + lead_s, abs=0.12)


def test_a_recording_without_a_line_is_two_pieces(song):
    levels, samples = song
    first, last = (round(16000 * levels.lines[i].time[1]) + 2000 for i in (1, 2))
    found = match(levels, np.concatenate([samples[:first], samples[last:]]))
    assert found.accepted(CONFIG)
    assert found.present == (True, True, False, True, True, True)
    assert [(piece.first, piece.stop) for piece in found.pieces] == [(0, 2), (3, 6)]
    assert heard_at(found, levels.lines[0]) == pytest.approx(levels.lines[0].time[0], abs=0.1)
    assert heard_at(found, levels.lines[4]) == pytest.approx(levels.lines[4].time[0] + (first - last) / 16000, abs=0.1)


def test_a_longer_break_is_two_pieces(song):
    levels, samples = song
    middle = round(16000 * (levels.lines[2].time[1] + 1.0))
    longer = np.concatenate([samples[:middle], samples[: 4 * 16000], samples[middle:]])
    found = match(levels, longer)
    assert [(piece.first, piece.stop) for piece in found.pieces] == [(0, 3), (3, 6)]
    assert heard_at(found, levels.lines[4]) == pytest.approx(levels.lines[4].time[0] + 4.0, abs=0.1)


def test_another_song_is_rejected(song, other):
    for levels, samples in ((song[0], other[1]), (other[0], song[1])):
        assert not match(levels, samples).accepted(CONFIG)


def test_what_is_no_song_is_rejected(song):
    noise = np.random.default_rng(2).normal(0, 0.1, 16000 * 40)
    assert not match(song[0], noise).accepted(CONFIG)
    assert not match(song[0], np.zeros(16000 * 40)).accepted(CONFIG)


def test_a_rate_out_of_reach_is_not_found(song):
    levels, samples = song
    faster = played(samples, 1.04, 0.0)
    assert match(levels, faster).rate == pytest.approx(1.04, abs=0.003)
    near = match(levels, faster, replace(CONFIG, max_rate=0.01))
    assert near.rate < 1.03
    assert near.score < match(levels, faster).score


def test_nothing_to_look_for_or_at_is_no_match(song):
    empty = Levels.model_validate({"words": [], "lines": []})
    assert match(empty, song[1][:16000]) is None
    assert match(song[0], np.zeros(100)) is None


def test_an_annotation_longer_than_any_song_is_refused(song):
    levels, samples = song
    far = levels.model_copy(update={"words": [levels.words[0].model_copy(update={"time": (LONGEST_S, LONGEST_S + 9)})]})
    with pytest.raises(InputError, match="longer than 30 minutes"):
        match(far, samples[:32000])


def emission_of(probabilities):
    heard = np.log(np.maximum(np.asarray(probabilities, np.float32), 1e-6))
    labels = ("", *(f"p{i}" for i in range(1, heard.shape[1])))
    return Emission(heard, labels, 0, Timebase(16000, 480), 480 * len(heard))


def test_evidence_reaches_to_the_frames_around():
    heard = np.full((9, 2), 1e-6)
    heard[4, 1] = 0.5
    near = evidence(emission_of(heard), 0.06)
    assert np.flatnonzero(near[:, 1] > 1).tolist() == [2, 3, 4, 5, 6]
    assert near[4, 1] == pytest.approx(np.log1p(0.5 / 0.01), rel=1e-5)


def test_correlation_is_the_mean_evidence_at_each_offset():
    rng = np.random.default_rng(0)
    heard = rng.random((40, 5)).astype(np.float32)
    times = np.sort(rng.uniform(0, 1.2, 12))
    song = Expected(rng.integers(0, 5, 12), times, np.repeat([0, 1, 2], 4), ((0, 0.4), (0.4, 0.8), (0.8, 1.2)))
    curves, origin = correlate(song, heard, 0.06, np.array([0.95, 1.0]))
    for i, rate in enumerate((0.95, 1.0)):
        places = np.round(rate * times / 0.06).astype(int)
        for offset in range(-origin, curves.shape[1] - origin):
            at = places + offset
            inside = (at >= 0) & (at < 40)
            slow = heard[at[inside], song.labels[inside]].sum() / 12
            assert curves[i, origin + offset] == pytest.approx(slow, abs=1e-5)
    by_line = line_curves(song, heard, 0.06, 1.0, origin, curves.shape[1])
    assert by_line.sum(axis=0) / 12 == pytest.approx(curves[1], abs=1e-5)


def brute_force(song, by_line, floor, bins_per_s, config):
    """Try every way to place every line."""
    n_lines, n_offsets = by_line.shape
    best = (0.0, ())

    def go(line, last, at, gain, way):
        nonlocal best
        if gain > best[0] + 1e-6:
            best = gain, way
        for i in range(line, n_lines):
            for j in range(n_offsets):
                price = 0.0
                if last is not None:
                    room = max(0, round((song.spans[i][0] - song.spans[last][1]) * bins_per_s))
                    if abs(j - at) > 1:
                        if j + room < at:
                            continue
                        price = config.cut_cost
                own = by_line[i, j] - floor[song.labels[song.lines == i]].sum()
                go(i + 1, i, j, gain + own - price, (*way, (i, j)))

    go(0, None, 0, 0.0, ())
    return best


@pytest.mark.parametrize("seed", range(12))
def test_lines_are_followed_as_by_trying_everything(seed):
    rng = np.random.default_rng(seed)
    lines = np.repeat(np.arange(4), 3)
    song = Expected(rng.integers(0, 3, 12), np.arange(12) / 10, lines, tuple((i, i + 0.5 + i % 2) for i in range(4)))
    by_line = rng.normal(0, 3, (4, 6)).astype(np.float32)
    floor = rng.uniform(0, 0.5, 3).astype(np.float32)
    config = MatchConfig(cut_cost=2.0)
    path, present, gain = follow(song, by_line, floor, 2.0, config)
    expected_gain, way = brute_force(song, by_line, floor, 2.0, config)
    assert gain == pytest.approx(expected_gain, abs=1e-4)
    assert [(int(i), int(path[i])) for i in np.flatnonzero(present)] == list(way)
