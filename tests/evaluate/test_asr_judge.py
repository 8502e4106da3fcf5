"""One utterance beside its hypothesis."""

from __future__ import annotations

import pytest

from melisma.data.manifest import TimedWord, Utterance
from melisma.evaluate.asr_hypotheses import HeardWord, Hypothesis
from melisma.evaluate.asr_judge import NOISES, Sound, bucket, buckets, judge, times_of
from melisma.metrics.transcription import Counts


def said(text, **more):
    return Utterance(id="a", audio="a.wav", duration=4.0, transcript=text, language="sr", **more)


def heard(text, **more):
    return Hypothesis(id="a", text=text, **more)


def timed(kind, *words):
    return [kind(text=text, start=start, end=start + 0.3) for text, start in words]


def test_the_three_views_see_what_they_should():
    found = judge(said("Добро јутро, Београде!"), heard("dobro jutro beograde"))
    assert {name: each.words for name, each in found.views.items()} == {
        "raw": Counts(substitutions=3),
        "normalised": Counts(substitutions=3),
        "folded": Counts(hits=3),
    }
    assert judge(said("Dobro jutro!"), heard("dobro jutro")).views["raw"].words == Counts(substitutions=2)


def test_without_a_hypothesis_all_is_deleted():
    for found in (judge(said("ja i ti"), None), judge(said("ja i ti"), heard("", error="it broke off"))):
        assert found.missing
        assert found.scores.words == Counts(deletions=3)
        assert found.scores.characters == Counts(deletions=7)
    assert not judge(said("ja i ti"), heard("")).missing


def test_words_where_nothing_was_said_are_insertions():
    found = judge(said(""), heard("ja i ti"), Sound(None, True))
    assert found.scores.words == Counts(insertions=3)
    assert found.flags == ("nothing_said", "silence")


def test_figures_are_written_out_on_request():
    pair = said("dvadeset jedna žena"), heard("21 žena")
    assert judge(*pair).scores.words.errors == 2
    assert judge(*pair, numbers=True).scores.words.errors == 0


def test_noise_is_what_the_manifest_says_where_nothing_was_measured():
    assert judge(said("ja", snr_db=12.5), None).noise == "10 to 20 dB"
    assert judge(said("ja", snr_db=12.5), None, Sound(3.0)).noise == "under 5 dB"
    assert judge(said("ja"), None).noise == "unknown"


def test_every_number_falls_into_one_group():
    names = buckets(NOISES, "dB")
    assert names == ["under 5 dB", "5 to 10 dB", "10 to 20 dB", "20 to 30 dB", "30 dB and more"]
    assert [bucket(value, NOISES, "dB") for value in (-3.0, 5.0, 10.0, 29.9, 60.0)] == names


def test_words_are_matched_over_scripts_case_and_marks():
    reference = timed(TimedWord, ("Добро", 0.0), ("јутро,", 0.5), ("—", 0.9), ("Београде!", 1.0))
    hypothesis = timed(HeardWord, ("dobro", 0.1), ("uh", 0.3), ("jutro", 0.45), ("Beogradu", 1.0))
    found = times_of(reference, hypothesis, "sr")
    assert (found.n_words, found.n_heard) == (3, 4)
    assert found.onsets == pytest.approx([0.1, -0.05])
    assert found.ends == pytest.approx([0.1, -0.05])
    assert found.offset == pytest.approx(0.075)


def test_a_word_that_comes_twice_is_matched_in_order():
    reference = timed(TimedWord, ("la", 0.0), ("la", 1.0), ("la", 2.0))
    hypothesis = timed(HeardWord, ("la", 0.02), ("la", 1.02), ("la", 2.02))
    assert times_of(reference, hypothesis, "sr").onsets == pytest.approx([0.02, 0.02, 0.02])


def test_without_times_nothing_is_matched():
    assert times_of(timed(TimedWord, ("la", 0.0)), [], "sr").offset is None
    assert times_of([], timed(HeardWord, ("la", 0.0)), "sr").n_heard == 1
