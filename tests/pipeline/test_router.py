"""The walk through the tiers, with real engines: what fails is passed over, what is wrong refused, nothing lost."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
from engine_faults import Listener, OtherPhone, SmallDevice

from melisma.aligner.gate import GateConfig
from melisma.core.errors import (
    AudioError,
    EngineFailed,
    EngineOutOfMemory,
    EngineTimeout,
    EngineUnavailable,
    LicenceError,
    LyricsError,
    MissingDependency,
    ModelError,
    NoEngine,
    OutputError,
    TooFewFrames,
    UnitsError,
    UnknownName,
    WrongLyrics,
)
from melisma.core.records import Heard, HeardWord, Waveform
from melisma.core.timebase import MILLISECONDS, SECONDS
from melisma.engines.protocol import Licence
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.breaker import Breaker, Kind, State
from melisma.pipeline.flags import flags_at
from melisma.pipeline.settings import BreakerSettings, LicenceMode, Timeouts
from melisma.text.lyrics import from_text


@pytest.fixture
def walk(sung, settings, caplog):
    """Align the song; returns the alignment, and the log lines as dictionaries."""
    caplog.set_level(logging.INFO, logger="melisma")

    def go(*tiers, lyrics=sung.lyrics, audio=sung.waveform, engine="auto", fallback=False, language="en", **changes):
        caplog.clear()
        now = replace(settings, tiers=tiers or None, **changes)
        config = AlignConfig(language, engine, fallback, track_id="the song", settings=now)
        made = align(audio, lyrics, config=config)
        made.check()
        return made

    return go


@pytest.fixture
def lines(caplog):
    """The router's log lines so far, as (event, tier, outcome, reason)."""

    def go():
        return [
            (r.message, r.tier_used, r.outcome, r.fallback_reason) for r in caplog.records if hasattr(r, "tier_used")
        ]

    return go


def near(made, sung):
    return float(np.mean(np.abs(np.array([w.start_s for w in made.words]) - sung.onsets_s) < 0.1))


def heard_words(sung, unit=SECONDS, scale=1.0):
    starts = [*sung.onsets_s, sung.waveform.duration_s]
    words = (
        HeardWord(text, scale * a, scale * min(b, a + 0.5), 0.9)
        for text, a, b in zip(sung.lyrics.words, starts, starts[1:], strict=False)
    )
    return Heard(tuple(words), unit, "en")


def test_auto_takes_the_first_engine_and_asks_no_other(walk, install, sung, lines):
    other = install(OtherPhone)
    made = walk()
    assert (made.engine, made.warnings) == ("phone", ())
    assert near(made, sung) > 0.8
    assert other.n_heard == 0
    assert lines() == [("attempt", "phone", "kept", None)]


def test_auto_and_the_engine_by_name_give_the_same_words(walk):
    assert walk().words == walk(engine="phone").words


def test_the_line_of_an_attempt_says_what_the_document_asks_for(walk, caplog):
    made = walk()
    line = caplog.records[-1]
    assert (line.track_id, line.tier_used, line.word_count) == ("the song", "phone", len(made.words))
    assert line.model_version == f"{made.model_id}@{made.model_revision}"
    assert line.confidence_avg == pytest.approx(made.confidence_avg, abs=1e-4)
    assert 0 <= line.low_conf_ratio <= 1
    assert line.duration_ms >= 0


@pytest.mark.parametrize(
    "error",
    [EngineFailed("a fault"), EngineOutOfMemory("no memory"), EngineTimeout("too long"), EngineUnavailable("no key"),
     UnitsError("frames as seconds"), ModelError("damaged weights"), UnknownName("language", "en", ["fr"]),
     RuntimeError("a stranger's bug"), MemoryError(), TimeoutError("a socket's"), MissingDependency("pip install it"),
     AudioError("too long for this engine"), LyricsError("too long for this engine"), OutputError("the disk is full")],
)  # fmt: skip
def test_whatever_an_engine_raises_the_next_tier_takes_over(walk, install, sung, lines, error):
    install(OtherPhone).error = error
    made = walk("other", "phone")
    assert made.engine == "phone"
    assert near(made, sung) > 0.8
    first, second = lines()
    assert first[:3] == ("attempt", "other", "failed")
    assert type(error).__name__ in first[3] or str(error) in first[3] or "ran out of memory" in first[3]
    assert second == ("attempt", "phone", "kept", None)


def test_why_another_engine_was_used_is_in_the_warnings(walk, install):
    install(OtherPhone).error = EngineFailed("it broke off")
    assert walk("other", "phone").warnings == ("phone was used because other failed: it broke off",)


def test_an_engine_that_cannot_run_here_is_passed_over(walk, install, lines):
    other = install(OtherPhone)
    other.lacking = "there is no device cpu_invalid"
    made = walk("other", "phone")
    assert (made.engine, made.warnings, other.n_heard) == ("phone", (), 0)
    assert lines()[0] == ("skipped", "other", "skipped", "there is no device cpu_invalid")


def test_a_named_engine_is_used_alone(walk, install):
    install(OtherPhone).error = EngineFailed("it broke off")
    with pytest.raises(EngineFailed, match="it broke off"):
        walk(engine="other")
    made = walk(engine="other", fallback=True)
    assert made.engine == "phone"


def test_an_engine_that_runs_too_long_is_given_up(walk, install, lines):
    class Endless(OtherPhone):
        name = "endless"
        go = threading.Event()

        def emit(self, waveform, progress=None):
            while not self.go.wait(0.01):
                progress(0.5)
            raise AssertionError("nobody gave it up")

    install(Endless)
    made = walk("endless", "phone", timeouts=Timeouts(0, 0, {"endless": 0.05}))
    assert made.engine == "phone"
    assert "EngineTimeout: the engine endless took longer than 0.05 s" in lines()[0][3]


def test_audio_that_cannot_be_used_is_no_engines_fault(walk, install, tmp_path):
    other = install(OtherPhone)
    with pytest.raises(AudioError):
        walk("phone", "other", audio=tmp_path / "none.mp3")
    assert other.n_heard == 0


def test_if_no_tier_gives_a_result_each_says_why(walk, install):
    one, two = install(OtherPhone, SmallDevice)
    one.lacking = "pip install 'melisma[ctc]'"
    with pytest.raises(NoEngine, match=r"other: pip install .*; small: the model needs 800 MB") as caught:
        walk("other", "small")
    assert (caught.value.exit_code, caught.value.lasting) == (3, False)  # there may be memory the next time
    assert two.n_heard == 2  # once more after idle models were unloaded
    with pytest.raises(NoEngine, match="other: pip install") as caught:
        walk("other", "groq")
    assert caught.value.lasting  # packages and keys do not come by themselves


def test_a_language_that_no_engine_knows_is_the_callers_fault(walk, install):
    with pytest.raises(UnknownName, match="no language is called 'xx'"):
        walk("phone", language="xx")


# The quality gate


def unsure_of(sung, *lines):
    """What an engine heard that is half a second late, and unsure, in these lines of the song."""
    owners = [i for i, each in enumerate(sung.lyrics.lines) for _ in each.words]
    heard = heard_words(sung)
    words = (
        HeardWord(w.text, w.start + 0.5, w.end + 0.5, 0.2) if owner in lines else w
        for w, owner in zip(heard.words, owners, strict=True)
    )
    return replace(heard, words=tuple(words))


@pytest.fixture
def unsure(install, sung):
    """Install an engine that is late, and unsure of all that it hears."""
    made = install(Listener)
    made.heard = unsure_of(sung, *range(len(sung.lyrics.lines)))
    return made


def test_a_result_that_the_gate_refuses_goes_to_the_next_tier(walk, unsure, sung, lines):
    made = walk("listener", "phone")
    assert made.engine == "phone"
    assert near(made, sung) > 0.8
    assert [line[1:3] for line in lines()] == [("listener", "refused"), ("phone", "kept")]


def test_the_best_of_what_the_gate_refuses_is_kept_and_says_so(walk, unsure, sung):
    strict = GateConfig(min_confidence_avg=0.9999)
    for order in (("listener", "phone"), ("phone", "listener")):
        made = walk(*order, gate=strict)
        assert made.engine == "phone"
        assert near(made, sung) > 0.8
        assert any(w.startswith("the quality gate refuses this alignment: ") for w in made.warnings)


def test_a_weak_stretch_is_repaired_by_the_next_engine_and_the_rest_stays(walk, install, sung, lines):
    install(Listener).heard = unsure_of(sung, 1)
    gate = GateConfig(min_confidence_avg=0.75)
    alone = walk("listener", gate=gate)
    assert any("quality gate refuses" in w for w in alone.warnings)
    made = walk("listener", "phone", gate=gate)
    assert made.engine == "listener"
    assert not any("quality gate refuses" in w for w in made.warnings)
    assert any(w == "line 2 placed by phone (phone-0.2)" for w in made.warnings)
    assert near(made, sung) > max(0.9, near(alone, sung))
    assert {a.line for a, b in zip(made.words, alone.words, strict=True) if a != b} == {1}
    assert [line[1:3] for line in lines()] == [("listener", "refused"), ("phone", "kept")]
    whole = walk("listener", "phone", gate=gate, repair=False)
    assert whole.engine == "phone"


def test_what_repairs_and_fails_leaves_the_rest_as_it_is(walk, install, sung, lines):
    one, two = install(Listener, OtherPhone)
    one.heard, two.error = unsure_of(sung, 1), EngineFailed("it broke off")
    made = walk("listener", "other", gate=GateConfig(min_confidence_avg=0.75))
    assert made.engine == "listener"
    assert any("quality gate refuses" in w for w in made.warnings)
    assert [line[1:3] for line in lines()] == [("listener", "refused"), ("other", "failed"), ("other", "failed")]


def test_the_gate_hears_a_second_engine_where_that_is_asked_for(walk, install, sung, monkeypatch):
    from melisma.pipeline import router

    asked = []
    judge = router.judge

    def listening(placed, emission=None, config=None, second=None):
        asked.append(second and tuple(word.text for word in second))
        return judge(placed, emission, config, second)

    monkeypatch.setattr(router, "judge", listening)
    other = install(OtherPhone)
    walk("phone", "other")
    assert (asked, other.n_heard) == ([None], 0)  # it costs time: off by default
    walk("phone", "other", second_opinion=True)
    assert asked[-1] == sung.lyrics.words
    assert other.n_heard == 1


def test_a_second_engine_that_fails_holds_up_nothing(walk, install, lines):
    install(OtherPhone).error = EngineFailed("it broke off")
    made = walk("phone", "other", second_opinion=True)
    assert (made.engine, made.warnings) == ("phone", ())
    assert [line[1:3] for line in lines()] == [("other", "failed"), ("phone", "kept")]


# The wrong song


class Doubting(OtherPhone):
    """Says of any song that the lyrics are another's."""

    name = "doubting"

    def emit(self, waveform, progress=None):
        type(self).n_heard += 1
        raise WrongLyrics("these lyrics are not sung in this recording")


class Doubting2(Doubting):
    name = "doubting2"


def test_two_engines_that_agree_that_the_song_is_wrong_decide(walk, install):
    one, two, listener, third = install(Doubting, Doubting2, Listener, OtherPhone)
    with pytest.raises(WrongLyrics, match="not sung"):
        walk("doubting", "listener", "doubting2", "other")  # the listener hears no word: that is no opinion
    assert (one.n_heard, listener.n_heard, two.n_heard, third.n_heard) == (1, 1, 1, 0)


def test_a_few_words_that_are_heard_do_not_make_the_song_the_right_one(walk, install, sung):
    _, listener, third = install(Doubting, Listener, OtherPhone)
    listener.heard = replace(heard_words(sung), words=heard_words(sung).words[:5])
    with pytest.raises(WrongLyrics, match="not sung"):
        walk("doubting", "listener", "other")
    assert third.n_heard == 0


def test_an_engine_that_cannot_hear_the_song_takes_nothing_from_the_one_before_it(walk, install, unsure):
    install(Doubting)
    made = walk("listener", "doubting")
    assert made.engine == "listener"
    assert any("quality gate refuses" in w for w in made.warnings)


def test_an_engine_that_finds_the_words_overrules_one_that_does_not(walk, install, settings):
    install(Doubting)
    for _ in range(3):
        assert walk("doubting", "phone").engine == "phone"
    assert Breaker(settings.breaker_file).health("doubting").kind is Kind.GATE


def test_a_song_that_is_wrong_for_the_only_engine_is_said(walk, install, settings):
    install(Doubting, Listener)
    for _ in range(5):
        with pytest.raises(WrongLyrics):
            walk("doubting", "listener")
    assert Breaker(settings.breaker_file).health("doubting").state is State.CLOSED


def test_a_recording_too_short_for_the_lyrics_says_so(walk, install, sung):
    install(OtherPhone)
    with pytest.raises(TooFewFrames, match="is this the right song"):
        walk("phone", "other", audio=Waveform(sung.waveform.samples[:4000], 16000))


# Breakers, flags, licences


def test_a_breaker_opens_after_repeated_failures_and_the_engine_is_left_alone(walk, install, settings, lines):
    small = install(SmallDevice)
    for _ in range(3):
        assert walk("small", "phone", retries=0).engine == "phone"
    assert small.n_heard == 3
    assert [line[:3] for line in lines() if line[0] == "breaker"] == [("breaker", "small", "opened")]
    assert Breaker(settings.breaker_file).health("small").kind is Kind.OUT_OF_MEMORY
    assert walk("small", "phone").engine == "phone"
    assert small.n_heard == 3
    assert "its circuit breaker is open (out of memory" in lines()[0][3]
    small.error = None
    cooled = BreakerSettings(cool_down_s=0)
    assert walk("small", "phone", breaker=cooled).engine == "small"
    assert Breaker(settings.breaker_file).health("small").state is State.CLOSED


def test_an_engine_that_only_others_correct_comes_last_and_is_still_there(walk, unsure, settings):
    for _ in range(3):
        assert walk("listener", "phone").engine == "phone"
    assert Breaker(settings.breaker_file).health("listener").kind is Kind.GATE
    assert unsure.n_heard == 3
    assert walk("listener", "phone").engine == "phone"
    assert unsure.n_heard == 3  # phone was asked first
    assert walk("listener").engine == "listener"  # the best there is


def test_songs_that_no_engine_can_place_open_no_breaker(walk, unsure, settings):
    for _ in range(4):
        walk("listener")
    assert Breaker(settings.breaker_file).health("listener").state is State.CLOSED


def test_a_named_engine_is_asked_whatever_its_breaker_says(walk, install, settings):
    small = install(SmallDevice)
    for _ in range(3):
        walk("small", "phone", retries=0)
    with pytest.raises(EngineOutOfMemory):
        walk(engine="small", retries=0)
    assert small.n_heard == 4


def test_an_engine_is_switched_off_and_on_without_a_restart(walk, install, settings):
    install(OtherPhone)
    assert walk("other", "phone").engine == "other"
    flags_at(settings.flags).switch("other", False)
    assert walk("other", "phone").engine == "phone"
    with pytest.raises(EngineUnavailable, match="switched off"):
        walk(engine="other")
    flags_at(settings.flags).switch("other", True)
    assert walk("other", "phone").engine == "other"


def test_commercial_mode_leaves_out_what_forbids_it_and_says_so_in_the_log(walk, install, lines, tmp_path):
    other = install(OtherPhone)
    other.changes = {"licence": Licence("CC-BY-NC-4.0", commercial=False)}
    made = walk("other", "phone", licence_mode=LicenceMode.COMMERCIAL)
    assert (made.engine, made.warnings, other.n_heard) == ("phone", (), 0)
    assert "forbids commercial use" in lines()[0][3]
    with pytest.raises(LicenceError, match="forbids commercial use"):  # before the audio, which is not there
        walk(engine="other", licence_mode=LicenceMode.COMMERCIAL, audio=tmp_path / "none.mp3")


# Words that are heard


def test_without_lyrics_the_words_are_those_that_are_heard(walk, install, sung):
    install(Listener).heard = heard_words(sung)
    made = walk("phone", "listener", lyrics=None, language=None)
    assert (made.engine, made.language) == ("listener", "en")
    assert tuple(w.text for w in made.words) == sung.lyrics.words
    assert near(made, sung) == 1


def test_without_lyrics_and_without_ears_the_sentence_says_what_to_install(walk, tmp_path):
    with pytest.raises(NoEngine, match=r"pip install 'melisma\[whisper\]'") as caught:
        walk("phone", lyrics=None, audio=tmp_path / "none.mp3")
    assert caught.value.exit_code == 3


def test_known_words_are_placed_by_an_engine_that_hears(walk, install, sung):
    install(Listener).heard = heard_words(sung)
    made = walk("listener")
    assert tuple(w.text for w in made.words) == sung.lyrics.words
    assert near(made, sung) > 0.9


def test_few_known_words_are_still_placed_where_nobody_hears_words(walk, sung):
    first = sung.lyrics.words[:3]
    assert len(" ".join(first)) < 20
    made = walk(lyrics=from_text(" ".join(first)))
    assert tuple(w.text for w in made.words) == first
    assert made.engine == "phone"


@pytest.mark.parametrize(("unit", "scale"), [(SECONDS, 1000.0), (MILLISECONDS, 1.0), (SECONDS, 50.0)])
def test_times_in_the_wrong_unit_are_logged_and_go_to_the_next_tier(walk, install, sung, lines, unit, scale):
    install(Listener).heard = heard_words(sung, unit, scale)
    assert walk("listener", "phone").engine == "phone"
    assert lines()[0][:3] == ("attempt", "listener", "failed")
    assert lines()[0][3].startswith("UnitsError: ")


def test_words_of_another_song_that_are_heard_are_no_result(walk, install, lines):
    install(Listener).heard = Heard((HeardWord("zebra", 1, 2), HeardWord("xylophone", 3, 4)), SECONDS, "en")
    assert walk("listener", "phone").engine == "phone"
    assert "heard 2 words, and none of them is in the lyrics" in lines()[0][3]
    with pytest.raises(WrongLyrics, match="not the lyrics of this recording"):
        walk("listener")


def test_silence_without_lyrics_is_no_result(walk, install):
    install(Listener)
    with pytest.raises(NoEngine, match="listener heard no word"):
        walk("listener", lyrics=None)


def test_a_line_for_whoever_counts_says_how_manieth_engine_it_was(walk, install, caplog):
    """Tiers that cannot run here do not count, one whose breaker is open does."""
    install(OtherPhone)
    caplog.set_level(logging.DEBUG, logger="melisma.router")

    def routed():
        (line,) = [r for r in caplog.records if r.message == "routed"]
        return line.tier_used, line.tier, line.outcome, line.confidence_avg is not None

    walk("phone", "other")
    assert routed() == ("phone", 1, "kept", True)
    walk("groq", "phone")
    assert routed() == ("phone", 1, "kept", True)
    walk("phone", "other", timeouts=Timeouts(by_engine={"phone": 0.001}))
    assert routed() == ("other", 2, "kept", True)
    walk("other", gate=GateConfig(min_confidence_avg=1.0))
    assert routed() == ("other", 1, "refused", True)
    with pytest.raises(NoEngine):
        walk("phone", timeouts=Timeouts(by_engine={"phone": 0.001}))
    assert routed() == ("none", 0, "failed", False)
