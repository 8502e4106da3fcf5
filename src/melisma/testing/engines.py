"""The contract of engines: what `melisma` counts on, as functions that a plug-in's own tests call.

    from melisma.testing.engines import check_engine

    def test_it_keeps_the_contract():
        check_engine(MyEngine, "my_engine")

Every check raises `ContractBroken`, an AssertionError, with a sentence that names the promise. Where an engine says
that it is missing something, what needs its model is left out, and it is held to refusing to load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import cast

import numpy as np

from melisma.core.errors import EngineUnavailable, MelismaError, UnitsError, UnknownName
from melisma.core.records import Emission, Heard, LyricLine, Lyrics, Waveform
from melisma.core.timebase import Timebase
from melisma.core.units import to_clock
from melisma.engines.protocol import (
    EmittingEngine,
    Engine,
    EngineFacts,
    PlacingEngine,
    Task,
    TranscribingEngine,
)

Make = Callable[[], Engine]
NO_LANGUAGE = "qq"  # no code of ISO 639-1
_SHARED = ("facts", "missing", "load", "unload")
_MEMBERS = {
    Task.EMIT: (*_SHARED, "labels", "blank", "spell", "emit"),
    Task.PLACE: (*_SHARED, "place"),
    Task.TRANSCRIBE: (*_SHARED, "transcribe"),
}
_DEVICES = re.compile(r"cpu|cuda(?::\d+)?|mps|http")
_LONGEST_SENTENCE = 400
# Samples at 16 kHz, scaled to the engine's rate: nothing, a scrap, a tail of every kind around a frame of 20 ms.
_LENGTHS = (0, 1, 399, 400, 401, 16000, 16159, 16319, 16320, 16321, 24007)
_SUM = 1e-3  # of the probabilities of a frame may be off, in nats: half floats are that coarse


class ContractBroken(AssertionError):
    """An engine does not do what `melisma.engines.protocol` promises."""


def check_engine(make: Make, name: str, waveform: Waveform | None = None) -> None:
    """Hold an engine to the whole contract.

    Parameters
    ----------
    make : callable
        Makes one, without arguments, as its entry point does.
    name : str
        Of its entry point.
    waveform : Waveform, optional
        Something with words in it, for engines that time words; two seconds of noise without one.
    """
    check_facts(make, name)
    check_missing(make)
    engine = make()
    if engine.missing() is not None:
        return
    check_loading(engine)
    task = engine.facts.task
    if task is Task.EMIT:
        check_spelling(cast(EmittingEngine, engine))
        check_emissions(cast(EmittingEngine, engine))
    elif task is Task.PLACE:
        check_placing(cast(PlacingEngine, engine), waveform)
    else:
        check_transcribing(cast(TranscribingEngine, engine), waveform)


def check_facts(make: Make, name: str) -> None:
    """Facts are whole, cost no model, and are the same whenever and of whichever object they are asked."""
    engine = make()
    facts = engine.facts
    _hold(facts == engine.facts == make().facts, "facts are the same each time")
    _hold(facts.name == name, f"facts.name is the name of the entry point, {name!r}, not {facts.name!r}")
    for field in ("version", "model_id"):
        _hold(bool(getattr(facts, field)), f"facts.{field} is not empty")
    _hold(isinstance(facts.model_revision, str), "facts.model_revision is a text, empty while it is not known")
    spdx = facts.licence.spdx
    _hold(bool(spdx) and spdx == spdx.strip(), "facts.licence.spdx names a licence")
    _hold(facts.sample_rate > 0, "facts.sample_rate is in Hz")
    _hold(facts.memory_mb >= 0, "facts.memory_mb is not negative")
    _hold(bool(_DEVICES.fullmatch(facts.device)), f"facts.device {facts.device!r} is cpu, cuda, cuda:1, mps or http")
    if facts.languages is not None:
        _hold(len(facts.languages) > 0, "facts.languages is None for any, and never empty")
        _hold(all(re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]+)*", code) for code in facts.languages), "codes are of ISO 639")
    # Not isinstance: it would read `labels`, which an engine without its model need not know.
    lacking = sorted(set(_MEMBERS[facts.task]) - set(dir(engine)))
    _hold(not lacking, f"an engine whose task is {facts.task.value!r} has {', '.join(lacking)}")


def check_missing(make: Make) -> None:
    """`missing` is None or one sentence, and an engine that is missing something refuses to load."""
    engine = make()
    lacking = engine.missing()
    if lacking is None:
        return
    _hold(isinstance(lacking, str) and bool(lacking.strip()), "missing() is None or a sentence")
    _hold("\n" not in lacking and len(lacking) <= _LONGEST_SENTENCE, "missing() is one sentence, on one line")
    with _refuses(EngineUnavailable, "load() of an engine that is missing something"):
        engine.load()
    engine.unload()


def check_loading(engine: Engine) -> None:
    """Load and unload twice, which is doing so once; only an empty revision may be filled by it."""
    before = engine.facts
    for step in (engine.unload, engine.load, engine.load, engine.unload, engine.unload, engine.load):
        step()
    after = engine.facts
    known = replace(after, model_revision="") if not before.model_revision else after
    changed = [field.name for field in fields(EngineFacts) if getattr(known, field.name) != getattr(before, field.name)]
    _hold(not changed, f"loading does not change facts.{', facts.'.join(changed)}")


def check_spelling(engine: EmittingEngine) -> None:
    """`spell` gives labels of the engine, never its blank, nothing for what has no sound, and knows its languages."""
    labels = engine.labels
    _hold(len(set(labels)) == len(labels) >= 2, "labels differ from each other")
    _hold(0 <= engine.blank < len(labels), "blank is the id of a label")
    for language in _languages(engine.facts):
        for word in ("la", "Été", "l’amour", "21", "don't,", "…", "♪", "x" * 60):
            spelt = list(engine.spell(word, language))
            strange = [label for label in spelt if label not in labels]
            _hold(not strange, f"spell({word!r}, {language!r}) gives labels, not {strange[:3]}")
            _hold(labels[engine.blank] not in spelt, "spell never gives the blank")
        _hold(bool(engine.spell("la", language)), f"spell('la', {language!r}) gives something")
        _hold(not engine.spell("♪", language), "a note has no sound of its own")
    with _refuses(UnknownName, f"spell('la', {NO_LANGUAGE!r})"):
        engine.spell("la", NO_LANGUAGE)


def check_emissions(engine: EmittingEngine) -> None:
    """Emissions are probabilities of the labels, cover the recording, and do not change when the model comes again."""
    rate = engine.facts.sample_rate
    for n_samples in _LENGTHS:
        waveform = _noise(rate, n_samples * rate // 16000)
        _check_emission(engine.emit(waveform), engine, waveform)
    waveform = _noise(rate, 2 * rate)
    told: list[float] = []
    first = engine.emit(waveform, told.append)
    check_progress(told)
    engine.unload()
    again = engine.emit(waveform)
    same = np.allclose(np.exp(first.log_probs), np.exp(again.log_probs), atol=1e-3)
    _hold(same, "an engine that was unloaded hears the same again")
    with _refuses(ValueError, "emit() of a waveform at another rate"):
        engine.emit(replace(waveform, sample_rate=rate + 1))


def _check_emission(emission: Emission, engine: EmittingEngine, waveform: Waveform) -> None:
    n_samples, clock, log_probs = len(waveform.samples), emission.timebase, emission.log_probs
    where = f"of {n_samples} samples"
    _hold(emission.labels == tuple(engine.labels), "an emission has the labels of its engine")
    _hold(emission.blank == engine.blank, "an emission has the blank of its engine")
    _hold(clock.sample_rate == waveform.sample_rate, "the clock of an emission counts the samples of the waveform")
    _hold(emission.duration == n_samples, f"the duration {where} is that of the waveform")
    wanted = (-(-n_samples // clock.stride), len(emission.labels))
    _hold(log_probs.shape == wanted, f"an emission {where} is of shape {wanted}, not {log_probs.shape}")
    _hold(log_probs.dtype == np.float32, f"an emission is of float32, not {log_probs.dtype}")
    _hold(not np.isnan(log_probs).any(), f"an emission {where} holds numbers only")
    total = np.logaddexp.reduce(log_probs.astype(np.float64), axis=1)
    _hold(bool((np.abs(total) < _SUM).all()), f"the probabilities of each frame {where} add up to 1")
    if emission.vocal is not None:
        vocal = emission.vocal
        _hold(vocal.shape == wanted[:1] and vocal.dtype == np.float32, "vocal is float32 [n_frames]")
        _hold(bool(((vocal >= 0) & (vocal <= 1)).all()), "vocal is a probability")
    if emission.onset_shifts_s is not None:
        shifts = emission.onset_shifts_s
        _hold(shifts.shape == wanted[1:] and bool(np.isfinite(shifts).all()), "onset_shifts_s is finite, [n_labels]")


def check_placing(engine: PlacingEngine, waveform: Waveform | None = None) -> None:
    """Words come back with their places in the lyrics, each once and in order, on a clock, inside the recording."""
    waveform = waveform or _noise(engine.facts.sample_rate, 2 * engine.facts.sample_rate)
    lyrics = Lyrics((LyricLine(("la", "la", "love")), LyricLine(("♪", "yes"))))
    language = _languages(engine.facts)[0]
    told: list[float] = []
    heard = engine.place(waveform, lyrics, language, told.append)
    check_progress(told)
    check_heard(heard, waveform)
    places = [word.index for word in heard.words]
    known = all(place is not None and 0 <= place < len(lyrics.words) for place in places)
    _hold(known, "every word that is placed has its index in the lyrics")
    _hold(len(set(places)) == len(places), "no word of the lyrics is placed twice")
    _refuses_strangers(engine, lambda w, code: engine.place(w, lyrics, code), waveform, language)


def check_transcribing(engine: TranscribingEngine, waveform: Waveform | None = None) -> None:
    """Words come back on a clock, inside the recording, in order; without a language as with one."""
    waveform = waveform or _noise(engine.facts.sample_rate, 2 * engine.facts.sample_rate)
    language = _languages(engine.facts)[0]
    told: list[float] = []
    check_heard(engine.transcribe(waveform, language, "la la la", told.append), waveform)
    check_progress(told)
    check_heard(engine.transcribe(waveform), waveform)
    _refuses_strangers(engine, lambda w, code: engine.transcribe(w, code), waveform, language)


def check_heard(heard: Heard, waveform: Waveform) -> None:
    """Words that were heard have times that are what `heard.unit` says; see `melisma.core.units`."""
    _hold(isinstance(heard.unit, Timebase), "heard.unit is a Timebase")
    samples = Timebase(waveform.sample_rate)
    try:
        to_clock(heard, len(waveform.samples), samples)
    except UnitsError as error:
        raise ContractBroken(f"broken: times are what heard.unit says ({error})") from error
    for word in heard.words:
        _hold(bool(word.text.strip()), "every word that is heard has a text")
    inside = all(0 <= at < max(1, len(heard.words)) for at in heard.breaks)
    _hold(inside and list(heard.breaks) == sorted(set(heard.breaks)), "breaks are words, ascending")


def check_progress(told: list[float]) -> None:
    """Progress is told as shares that never fall and end at 1."""
    _hold(bool(told), "progress is told at least once")
    _hold(told == sorted(told) and told[0] >= 0, "progress never falls")
    _hold(told[-1] == 1, f"progress ends at 1, not at {told[-1]}")


def _refuses_strangers(
    engine: Engine, listen: Callable[[Waveform, str], object], waveform: Waveform, language: str
) -> None:
    with _refuses(UnknownName, f"the language {NO_LANGUAGE!r}"):
        listen(waveform, NO_LANGUAGE)
    with _refuses(ValueError, "a waveform at another rate"):
        listen(replace(waveform, sample_rate=engine.facts.sample_rate + 1), language)


def _languages(facts: EngineFacts) -> list[str]:
    """Return some languages of an engine, those first that the words of these checks are in."""
    wanted = ["en", "fr", "de"]
    if facts.languages is None:
        return wanted
    return [code for code in wanted if code in facts.languages] or sorted(facts.languages)[:1]


def _noise(sample_rate: int, n_samples: int) -> Waveform:
    generator = np.random.default_rng(n_samples)
    return Waveform(generator.normal(0, 0.05, n_samples).astype(np.float32), sample_rate)


def _hold(kept: bool, promise: str) -> None:
    if not kept:
        raise ContractBroken(f"broken: {promise}")


@contextmanager
def _refuses(error: type[Exception], what: str) -> Iterator[None]:
    """Hold a block to raising an error of a kind, and none of another."""
    try:
        yield
    except error:
        return
    except (MelismaError, ValueError, TypeError, LookupError, RuntimeError, OSError) as other:
        raise ContractBroken(f"broken: {what} is refused with {error.__name__}, not {type(other).__name__}") from other
    raise ContractBroken(f"broken: {what} is refused with {error.__name__}")
