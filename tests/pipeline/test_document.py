"""The functional tests of the karaoke document, with the engines that are shipped.

A network with random weights, saved here, stands for one that hears nothing right; its loading, vocabulary and stride
are those of every checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_faults import Listener

import transcription_server as tones
from melisma.aligner.gate import GateConfig
from melisma.core.records import Heard, HeardWord
from melisma.core.timebase import SECONDS
from melisma.pipeline import tiers
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.breaker import Breaker
from melisma.text.lyrics import from_text


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """Save a small CTC network of wav2vec 2.0's kind that has learnt nothing; returns its folder."""
    pytest.importorskip("transformers")
    from melisma.testing.checkpoints import save_random_ctc

    folder = save_random_ctc(tmp_path_factory.mktemp("models") / "random")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: en\n---\n", encoding="utf-8")
    return folder


@pytest.fixture
def first_tier(random_weights, monkeypatch):
    """Let the network with random weights be the first tier."""
    monkeypatch.setenv("MELISMA_WAV2VEC2_MODEL", str(random_weights))
    monkeypatch.setenv("MELISMA_DEVICE", "cpu")
    tiers.forget()
    yield
    tiers.forget()


def song_with(sung, settings, *names, lyrics=True):
    config = AlignConfig("en", settings=replace(settings, tiers=names))
    return align(sung.waveform, sung.lyrics if lyrics else None, config=config)


def share_right(made, sung):
    return np.mean(np.abs(np.array([w.start_s for w in made.words]) - sung.onsets_s) < 0.1)


def test_a_network_that_has_learnt_nothing_is_refused_and_the_next_tier_takes_over(first_tier, sung, settings, caplog):
    caplog.set_level("INFO", logger="melisma")
    made = song_with(sung, settings, "wav2vec2", "phone")
    assert made.engine == "phone"
    assert share_right(made, sung) > 0.8
    first, last = caplog.records[0], caplog.records[-1]
    assert (first.tier_used, last.tier_used, last.outcome) == ("wav2vec2", "phone", "kept")
    assert first.outcome in ("refused", "failed")  # by the gate, or by the decoder that finds no song in what it heard
    assert Breaker(settings.breaker_file).health("wav2vec2").n_failures == 1


def test_a_device_that_is_not_there_sends_the_song_to_the_next_tier(first_tier, sung, settings, monkeypatch, caplog):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu_invalid")
    tiers.forget()
    caplog.set_level("INFO", logger="melisma")
    made = song_with(sung, settings, "wav2vec2", "phone")
    assert made.engine == "phone"
    assert share_right(made, sung) > 0.8
    assert "'cpu_invalid' is no device" in caplog.records[0].fallback_reason


# No lyrics, or no tier 1: a server that really listens, on the loopback, where every word is a tone.


def heard_right(made, truth):
    assert [w.text for w in made.words] == [tone.text for tone in truth]
    return np.mean([abs(w.start_s - tone.start_s) < 0.05 for w, tone in zip(made.words, truth, strict=True)])


def test_without_lyrics_the_second_tier_hears_the_words(tone_server, settings):
    recording, truth = tones.recording(20, seed=3)
    made = align(recording, config=AlignConfig(settings=settings))
    assert (made.engine, made.language) == ("openai_http", "fr")
    assert heard_right(made, truth) > 0.9
    assert len(tone_server.asked) == 1


def test_where_the_second_tier_is_down_the_third_takes_over(tone_server, settings, monkeypatch):
    recording, truth = tones.recording(20, seed=3)
    tone_server.script.append(lambda handler, asked: handler.send(401, b'{"error": {"message": "who are you?"}}'))
    with tones.running() as third:
        monkeypatch.setenv("MELISMA_GROQ_URL", third.url)
        monkeypatch.setenv("MELISMA_GROQ_API_KEY", "a key")
        tiers.forget()
        made = align(recording, config=AlignConfig(settings=settings))
        assert (len(tone_server.asked), len(third.asked)) == (1, 1)
    assert made.engine == "groq"
    assert heard_right(made, truth) > 0.9
    assert any(w.startswith("groq was used because openai_http failed: ") for w in made.warnings)


def test_few_known_words_are_placed_by_who_hears_them(tone_server, settings):
    recording, truth = tones.recording(6, seed=3)
    known = [tone.text for tone in truth][:3]
    assert len(" ".join(known)) < tiers.ENOUGH_LYRICS
    made = align(recording, from_text(" ".join(known)), config=AlignConfig("fr", settings=settings))
    assert made.engine == "openai_http"
    assert heard_right(made, truth[:3]) == 1


def test_known_words_that_tier_one_cannot_place_are_placed_by_who_hears_them(first_tier, tone_server, settings, caplog):
    caplog.set_level("INFO", logger="melisma")
    recording, truth = tones.recording(20, seed=4)
    lyrics = from_text(" ".join(tone.text for tone in truth))
    order = replace(settings, tiers=("wav2vec2", "openai_http"))
    made = align(recording, lyrics, config=AlignConfig("fr", settings=order))  # which wav2vec2 was not taught
    assert made.engine == "openai_http"
    assert heard_right(made, truth) > 0.9
    assert caplog.records[0].fallback_reason.startswith("UnknownName: no language of the model random is called 'fr'")


def test_a_stretch_that_one_tier_is_unsure_of_is_sent_to_the_next_alone(tone_server, settings, install):
    recording, truth = tones.recording(20, seed=5)
    third = len(truth) // 3
    lyrics = from_text("\n".join(" ".join(t.text for t in truth[i : i + third]) for i in range(0, len(truth), third)))
    unsure = range(third, 2 * third)
    install(Listener).heard = Heard(
        tuple(HeardWord(t.text, t.start_s, t.end_s, 0.1 if i in unsure else 0.9) for i, t in enumerate(truth)), SECONDS
    )
    order = replace(settings, tiers=("listener", "openai_http"), gate=GateConfig(min_confidence_avg=0.75))
    made = align(recording, lyrics, config=AlignConfig("fr", settings=order))
    assert made.engine == "listener"
    assert any(w == "line 2 placed by openai_http (whisper-1)" for w in made.warnings)
    assert heard_right(made, truth) > 0.9
    (asked,) = tone_server.asked
    cut_s = truth[2 * third].start_s - truth[third - 1].end_s + 1.0
    assert len(asked.samples) / tones.RATE == pytest.approx(cut_s, abs=0.1)
