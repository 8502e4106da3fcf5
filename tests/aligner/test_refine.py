"""Refinement: it moves words to where sound begins, beats fall and silence starts, a little, and never out of order."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.refine import RefineConfig, parse, refine
from melisma.audio.beats import track
from melisma.audio.onsets import flux
from melisma.core.errors import InputError, UnknownName
from melisma.core.records import BACKING, LEAD, Alignment, Emission, Line, Waveform, Word
from melisma.core.timebase import MILLISECONDS, Timebase

RATE = 16000
CLOCK = Timebase(RATE, 1)


def test_what_onset_means_may_be_said_elsewhere_and_none_is_nothing():
    assert parse("onset,ends", onset_ms=30) == RefineConfig(onset_ms=30, ends=True)
    assert parse("onset=40", onset_ms=30) == RefineConfig(onset_ms=40)
    assert parse(" none ") == parse("") == RefineConfig()


def word(start_s, end_s, text="la", clock=CLOCK, **more):
    times = (None, None) if start_s is None else (clock.ticks(start_s), clock.ticks(end_s))
    return Word(text, 0, *times, 0.7, clock, **more)


def starts(words):
    return np.array([w.start_s for w in words])


def sung(spans, seconds, seed=0):
    """Give a voice-like sound in each span [start, end) in seconds, over noise 50 dB below."""
    rng = np.random.default_rng(seed)
    samples = 1e-3 * rng.standard_normal(int(seconds * RATE))
    for start, end in spans:
        t = np.arange(int((end - start) * RATE)) / RATE
        pitch = rng.uniform(150, 300)
        tone = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 9))
        k = int(start * RATE)
        samples[k : k + len(t)] += 0.1 * tone * np.minimum(t / 0.01, 1) * np.minimum((t[-1] - t) / 0.02 + 1e-3, 1)
    return Waveform(samples.astype(np.float32), RATE)


@pytest.fixture(scope="module")
def phrase():
    """Forty words of 250 ms, gaps between them, their sound and their spans."""
    at = np.cumsum(np.random.default_rng(5).uniform(0.32, 0.6, 40))
    spans = [(float(a), float(a) + 0.25) for a in at]
    return spans, sung(spans, at[-1] + 1)


def test_starts_that_are_40_ms_off_come_back_to_the_onsets(phrase):
    spans, waveform = phrase
    off = 0.04 * np.random.default_rng(1).choice([-1, 1], len(spans))
    moved = tuple(word(s + d, e) for (s, e), d in zip(spans, off, strict=True))
    truth = np.array([s for s, _ in spans])
    refined = refine(moved, waveform, parse("onset"))
    assert np.median(np.abs(starts(moved) - truth)) == pytest.approx(0.04, abs=1e-3)
    assert np.median(np.abs(starts(refined) - truth)) <= 0.006
    assert np.quantile(np.abs(starts(refined) - truth), 0.9) <= 0.012


def test_an_onset_out_of_reach_moves_nothing(phrase):
    spans, waveform = phrase
    moved = tuple(word(s + 0.1, e) for s, e in spans)
    assert refine(moved, waveform, RefineConfig(onset_ms=80)) == moved
    back = refine(moved, waveform, RefineConfig(onset_ms=110))
    assert np.median(np.abs(starts(back) - [s for s, _ in spans])) <= 0.006


def test_words_that_touch_still_touch(phrase):
    spans, waveform = phrase
    late = [s + 0.03 for s, _ in spans]
    words = tuple(word(a, b) for a, b in zip(late, [*late[1:], late[-1] + 0.3], strict=True))
    refined = refine(words, waveform, parse("onset"))
    assert starts(refined)[5] < starts(words)[5]
    assert all(a.end == b.start for a, b in itertools.pairwise(refined))


def test_only_words_near_a_strong_beat_move_and_land_on_it():
    rng = np.random.default_rng(4)
    samples = 0.005 * rng.standard_normal(20 * RATE)
    t = np.arange(1600) / RATE
    beats = np.arange(0.3, 19.5, 0.5)
    for i, at in enumerate(beats):
        k = int(at * RATE)
        tick = 0.3 * np.sin(2 * np.pi * 900 * t) + (0.5 * np.sin(2 * np.pi * 80 * t) if i % 2 == 0 else 0)
        samples[k : k + 1600] += tick * np.exp(-35 * t)
    waveform = Waveform(samples.astype(np.float32), RATE)
    strong = track(flux(waveform))
    strong_s = strong.times_s[strong.strong]
    near, weak, far = 4.30 + 0.04, 4.80 + 0.04, 6.30 + 0.09
    words = (word(near, 4.6), word(weak, 5.1), word(far, 6.7))
    refined = refine(words, waveform, parse("beat"))
    assert refined[0].start_s == pytest.approx(4.30, abs=0.015)
    assert np.abs(strong_s - refined[0].start_s).min() < 1e-3
    assert refined[1:] == words[1:]


def test_ends_that_reach_into_silence_are_cut(phrase):
    spans, waveform = phrase
    long = tuple(word(s, e + 0.2) for s, e in spans[:-1:2])
    refined = refine(long, waveform, parse("ends"))
    wanted = np.array([e for _, e in spans[:-1:2]])
    found = np.array([w.end_s for w in refined])
    # The words between these sound too; those in a gap are cut to 30 ms after the sound.
    gaps = np.array([b[0] - a[1] for a, b in zip(spans[:-1:2], spans[1::2], strict=False)])
    free = gaps > 0.21
    assert free.sum() >= 5
    assert np.abs(found - wanted)[free].max() <= 0.05
    assert [w.start for w in refined] == [w.start for w in long]


def test_ends_in_sound_and_words_without_sound_stay(phrase):
    spans, waveform = phrase
    words = (word(*spans[3]), word(spans[3][1] + 0.01, spans[4][0] - 0.01))
    assert refine(words[:1], waveform, parse("ends")) == words[:1]
    silent = (word(waveform.duration_s - 0.4, waveform.duration_s),)
    assert refine(silent, Waveform(np.zeros(RATE, np.float32), RATE), parse("ends")) == silent


def test_where_no_voice_is_heard_an_end_is_cut_though_the_band_plays_on():
    waveform = Waveform((0.1 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.float32), RATE)
    vocal = np.zeros(134, np.float32)
    vocal[30:60] = 0.9  # 0.9 s to 1.8 s
    emission = Emission(np.zeros((134, 2), np.float32), ("", "a"), 0, Timebase(RATE, 480), 4 * RATE, vocal)
    words = (word(1.0, 3.0),)
    assert refine(words, waveform, parse("ends")) == words
    (cut,) = refine(words, waveform, parse("ends"), emission)
    assert cut.end_s == pytest.approx(1.83, abs=0.015)


@st.composite
def songs(draw):
    """Words of lead and backing, unsung ones, ones without a length and ones that touch, in lines."""
    clock = draw(st.sampled_from([CLOCK, MILLISECONDS, Timebase(RATE, 480)]))
    words, at = [], 0.0
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["sung", "sung", "sung", "touching", "empty", "unsung", "backing"]))
        if kind == "unsung":
            words.append(word(None, None, clock=clock))
        elif kind == "backing":
            start = draw(st.floats(0, 9))
            words.append(word(start, start + 0.4, clock=clock, voice=BACKING))
        else:
            at += 0.0 if kind != "sung" else draw(st.floats(0, 0.5))
            end = at if kind == "empty" else at + draw(st.floats(0, 0.6))
            words.append(word(min(at, 9.9), min(end, 9.9), clock=clock))
            at = end
    backing = [(w.start, i) for i, w in enumerate(words) if w.voice == BACKING]
    for (_, i), (start, _) in zip(backing, sorted(backing), strict=True):
        words[i] = replace(words[i], start=start, end=start + clock.ticks(0.4))
    return tuple(words)


@pytest.fixture(scope="module")
def busy():
    """Ten seconds in which something begins all the time, to a beat."""
    spans = [(0.05 + 0.25 * k, 0.2 + 0.25 * k) for k in range(39)]
    return sung(spans, 10)


@settings(max_examples=60, deadline=None)
@given(
    words=songs(), steps=st.sets(st.sampled_from(["onset=80", "onset=300", "beat=60", "beat=400", "ends"]), min_size=1)
)
def test_order_limits_and_everything_else_are_kept(words, steps, busy):
    by_name = {step.split("=")[0]: step for step in sorted(steps)}
    config = parse(",".join(by_name.values()))
    refined = refine(words, busy, config)
    assert len(refined) == len(words)
    limit = (config.onset_ms + config.beat_ms) / 1000
    for before, after in zip(words, refined, strict=True):
        assert replace(after, start=before.start, end=before.end) == before
        if before.unsung or before.voice == BACKING:
            assert after == before
            continue
        assert abs(after.start_s - before.start_s) <= limit + before.timebase.seconds(1)
        assert after.end >= after.start
        if config == RefineConfig(ends=True):
            assert (after.start, after.end <= before.end) == (before.start, True)
    if not words:
        return
    lead = sorted((w.start, i) for i, w in enumerate(words) if w.voice == LEAD and not w.unsung)
    order = [refined[i].start for _, i in lead]
    assert order == sorted(order)
    for (_, i), (_, k) in itertools.pairwise(lead):
        if words[i].end <= words[k].start:
            assert refined[i].end <= refined[k].start
    clock = words[0].timebase
    duration = max([clock.ticks(10.0), *(w.end for w in words if w.end is not None)])
    Alignment(refined, (Line(0, len(words)),), duration, clock).check()


def test_nothing_asked_is_nothing_done(phrase):
    words = (word(*phrase[0][0]),)
    assert refine(words, phrase[1], parse("")) is words
    assert parse("").flag == ""


def test_flags_tell_every_setting_apart():
    said = ["onset", "onset=40", "beat", "beat=40", "ends", "onset,ends", "onset,beat,ends"]
    flags = [parse(each).flag for each in said]
    assert len(set(flags)) == len(said)
    assert parse("ends, onset = 80").flag == parse("onset,ends").flag == "refine=1:onset=80,ends"


def test_an_unknown_step_lists_the_known_ones():
    with pytest.raises(UnknownName, match="no refinement is called 'snap'; there are: beat, ends, onset"):
        parse("onset,snap")


@pytest.mark.parametrize("said", ["onset=0", "onset=-3", "beat=many", "onset=nan", "beat=501", "onset=", "ends=30"])
def test_a_number_that_makes_no_sense_is_one_sentence(said):
    with pytest.raises(InputError, match=r"the refinement '(onset|beat)' takes milliseconds|'ends' takes no number"):
        parse(said)
