"""From a song that is aligned to the numbers that Prometheus reads."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

pytest.importorskip("prometheus_client")

from melisma.aligner.gate import GateConfig
from melisma.core.errors import NoEngine
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.settings import BreakerSettings, RouterSettings, Timeouts
from melisma.server.observe.hearing import hearing
from melisma.server.observe.metrics import Metrics
from melisma.store.cache import Cache
from melisma.store.settings import CacheSettings
from melisma.synth import write
from melisma.synth.score import score_of_length


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    folder = tmp_path_factory.mktemp("song")
    write.save(score_of_length(12, "en", seed=3), folder, title="Test")
    return folder


@pytest.fixture
def run(song, tmp_path):
    """Align the song with its lyrics."""
    with Cache(CacheSettings(f"sqlite:///{tmp_path}/alignments.sqlite")) as cache:

        def go(**changes):
            settings = replace(RouterSettings(tiers=("phone",), state=tmp_path / "state"), **changes)
            config = AlignConfig("en", settings=settings, cache=cache)
            return align(song / "audio.wav", song / "lyrics.txt", config=config)

        yield go


def test_a_song_is_counted_by_engine_tier_and_outcome(run):
    metrics = Metrics()
    get = metrics.registry.get_sample_value
    with hearing(metrics):
        made = run()
    first = {"engine": "phone", "tier": "1"}
    assert get("melisma_alignments_total", {**first, "outcome": "kept"}) == 1
    assert get("melisma_alignment_seconds_count", first) == 1
    assert get("melisma_alignment_seconds_sum", first) > 0
    assert get("melisma_alignment_confidence_sum", {"engine": "phone"}) == pytest.approx(made.confidence_avg, abs=1e-4)
    assert get("melisma_attempts_total", {"engine": "phone", "scope": "song", "outcome": "kept"}) == 1
    assert get("melisma_cache_lookups_total", {"outcome": "miss"}) == 1


def test_one_that_was_kept_earlier_is_a_hit_and_no_alignment(run):
    run()
    metrics = Metrics()
    with hearing(metrics):
        run()
    get = metrics.registry.get_sample_value
    assert get("melisma_cache_lookups_total", {"outcome": "hit"}) == 1
    assert get("melisma_cache_lookups_total", {"outcome": "miss"}) is None
    assert get("melisma_alignments_total", {"engine": "phone", "tier": "1", "outcome": "kept"}) is None


def test_refused_and_failed_songs_are_counted_and_so_is_a_breaker_that_opens(run):
    metrics = Metrics()
    with hearing(metrics):
        run(gate=GateConfig(min_confidence_avg=1.0))
        for _ in range(2):
            with pytest.raises(NoEngine):
                run(timeouts=Timeouts(by_engine={"phone": 0.001}), breaker=BreakerSettings(failures=1), retries=0)
    get = metrics.registry.get_sample_value
    assert get("melisma_alignments_total", {"engine": "phone", "tier": "1", "outcome": "refused"}) == 1
    assert get("melisma_alignments_total", {"engine": "none", "tier": "none", "outcome": "failed"}) == 2
    assert get("melisma_attempts_total", {"engine": "phone", "scope": "song", "outcome": "failed"}) == 1
    assert get("melisma_breaker_opened_total", {"engine": "phone"}) == 1


def test_nothing_is_heard_before_or_after(run):
    metrics = Metrics()
    level = logging.getLogger("melisma.router").level
    with hearing(metrics):
        pass
    run()
    assert metrics.registry.get_sample_value("melisma_cache_lookups_total", {"outcome": "miss"}) is None
    assert logging.getLogger("melisma.router").level == level


def test_the_lines_of_a_song_are_one_label():
    """However many verses are repaired, there is no label for each."""
    metrics = Metrics()
    with hearing(metrics):
        for k in range(5):
            extra = {"tier_used": "phone", "scope": f"lines {k}-{k + 1}", "outcome": "kept", "duration_ms": 1500}
            logging.getLogger("melisma.router").info("attempt", extra=extra)
    get = metrics.registry.get_sample_value
    assert get("melisma_attempts_total", {"engine": "phone", "scope": "lines", "outcome": "kept"}) == 5
    assert get("melisma_attempt_seconds_sum", {"engine": "phone"}) == 7.5
