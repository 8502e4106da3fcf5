"""The functional tests of the karaoke document, with the engines that are shipped.

A network with random weights, saved here, stands for one that hears nothing right; its loading, vocabulary and stride
are those of every checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melisma.pipeline import tiers
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.breaker import Breaker


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
    tiers.engine_named.cache_clear()
    yield
    tiers.engine_named.cache_clear()


def song_with(sung, settings, *names, lyrics=True):
    config = AlignConfig("en", settings=replace(settings, tiers=names))
    return align(sung.waveform, sung.lyrics if lyrics else None, config=config)


def share_right(made, sung):
    return np.mean(np.abs(np.array([w.start_s for w in made.words]) - sung.onsets_s) < 0.1)


def test_the_gate_refuses_a_network_that_has_learnt_nothing_and_the_next_tier_takes_over(first_tier, sung, settings):
    alone = song_with(sung, settings, "wav2vec2")
    assert alone.engine == "wav2vec2"
    assert share_right(alone, sung) < 0.3
    assert any(w.startswith("the quality gate refuses") for w in alone.warnings)
    made = song_with(sung, settings, "wav2vec2", "phone")
    assert (made.engine, made.warnings) == ("phone", ())
    assert share_right(made, sung) > 0.8
    assert Breaker(settings.breaker_file).health("wav2vec2").n_failures == 1


def test_a_device_that_is_not_there_sends_the_song_to_the_next_tier(first_tier, sung, settings, monkeypatch, caplog):
    monkeypatch.setenv("MELISMA_DEVICE", "cpu_invalid")
    tiers.engine_named.cache_clear()
    caplog.set_level("INFO", logger="melisma")
    made = song_with(sung, settings, "wav2vec2", "phone")
    assert made.engine == "phone"
    assert share_right(made, sung) > 0.8
    assert "'cpu_invalid' is no device" in caplog.records[0].fallback_reason
