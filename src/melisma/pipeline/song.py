"""A recording and what is sung in it, read once however many engines listen."""

from __future__ import annotations

from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np

from melisma.audio import decode
from melisma.audio.decode import Decoded
from melisma.audio.separation import choose
from melisma.audio.separation.protocol import Separator
from melisma.core.errors import AudioError, InputError, MelismaError, UnknownName
from melisma.core.records import Lyrics, Waveform
from melisma.engines.protocol import EmittingEngine, Engine, EngineFacts, Task
from melisma.text import language as languages

Progress = Callable[[str, float], None]
# Below this a guessed language is said to be one.
_SURE_LANGUAGE = 0.5
GIVEN = "separate=given"  # what is listened to came as a waveform


def emits(engine: Engine) -> TypeGuard[EmittingEngine]:
    """Whether an engine emits; by what it says, for its labels may be in a model that is not loaded."""
    return engine.facts.task is Task.EMIT


@dataclass(frozen=True, slots=True)
class Listening:
    """What of a recording is listened to: a separator by name, and whether it has to be free for commercial use."""

    separate: str = choose.AUTO
    commercial: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """A language for one engine: `code` is None where the engine is to find it; `warning` says if it is a guess."""

    code: str | None
    warning: str = ""


class Song:
    """What every attempt begins with: the waveform at any engine's rate, the lyrics, the language.

    Parameters
    ----------
    audio : path or Waveform
        The recording; a waveform is at the rate of the engine that takes it.
    lyrics : Lyrics or None
        None where what is sung is to be heard.
    language : str or None
        ISO 639 code, if the caller knows it.
    listening : Listening
        What of the recording to listen to.
    tell : callable
        Hears of progress.
    """

    def __init__(
        self,
        audio: str | Path | Waveform,
        lyrics: Lyrics | None,
        *,
        language: str | None = None,
        listening: Listening | None = None,
        tell: Progress | None = None,
    ) -> None:
        self.audio, self.lyrics = audio, lyrics
        self.language = languages.normalise(language) if language else None
        self.tell: Progress = tell or (lambda stage, share: None)
        self._listening = listening or Listening()
        self._fell_back: set[str] = set()  # flags of separators that failed
        self.sound = ""  # which sound the recording is, once it is decoded
        self._waveforms: dict[tuple[str, int], tuple[Waveform, tuple[str, ...]]] = {}
        self._languages: dict[str, Language] = {}

    def prepare(self, engine: Engine) -> tuple[Waveform, Language]:
        """Return the recording at the engine's rate and the language to spell the lyrics in.

        Raises
        ------
        AudioError
            If the recording cannot be used.
        UnknownName
            If the engine cannot spell the language that the caller named.
        """
        with ThreadPoolExecutor(1, "melisma-language") as pool:
            # Guessing a language unpacks a large table: it does so while the recording is decoded.
            coming = pool.submit(self._language_once, engine)
            if self.language:
                coming.result()  # a language that does not exist is said before an hour of audio is decoded
            waveform = self.waveform(engine.facts)
            return waveform, coming.result()

    def waveform(self, facts: EngineFacts) -> Waveform:
        """Return the recording as an engine listens to it, separated and decoded once for all engines that do so."""
        return self._heard(facts)[0]

    def warnings(self, facts: EngineFacts) -> tuple[str, ...]:
        """Return what is to be said of the recording as an engine listens to it."""
        return self._heard(facts)[1]

    def flag(self, facts: EngineFacts) -> str:
        """Name what separates the voice for an engine, in one word for the key of a cache."""
        return GIVEN if isinstance(self.audio, Waveform) else self._separator(facts).facts.flag

    @property
    def fell_back(self) -> bool:
        """Whether a separator failed: it may not the next time."""
        return bool(self._fell_back)

    def _separator(self, facts: EngineFacts) -> Separator:
        chosen = choose.choose(self._listening.separate, facts.listens_to, commercial=self._listening.commercial)
        return choose.separator(choose.CENTRE) if chosen.facts.flag in self._fell_back else chosen

    def _heard(self, facts: EngineFacts) -> tuple[Waveform, tuple[str, ...]]:
        key = (self.flag(facts), facts.sample_rate)
        if key not in self._waveforms:
            read = self._read(facts)
            key = (self.flag(facts), facts.sample_rate)  # another one, if the separator has failed
            self._waveforms[key] = read
        return self._waveforms[key]

    def language_for(self, engine: Engine) -> Language:
        """Return the language of the lyrics; a guess is among those that the engine knows.

        Raises
        ------
        UnknownName
            If the engine does not know the language that the caller named, or that the lyrics are surely in.
        """
        if self.language:
            _refuse_unknown(engine, self.language)
            return Language(self.language)
        if self.lyrics is None:
            return Language(None)
        taught = engine.facts.languages
        if taught is not None:
            sure = languages.detect(self.lyrics.text)
            if sure.confidence >= _SURE_LANGUAGE:
                _refuse_unknown(engine, sure.code)
                return Language(sure.code)
        guess = languages.detect(self.lyrics.text, _Spoken(engine) if emits(engine) else taught)
        if guess.confidence >= _SURE_LANGUAGE:
            return Language(guess.code)
        said = f"the language looks like {guess.code!r}, but that is a guess: --language says it for sure"
        return Language(guess.code, said)

    def _language_once(self, engine: Engine) -> Language:
        name = engine.facts.name
        if name not in self._languages:
            self._languages[name] = self.language_for(engine)
        return self._languages[name]

    def _read(self, facts: EngineFacts) -> tuple[Waveform, tuple[str, ...]]:
        said: tuple[str, ...] = ()
        if isinstance(self.audio, Waveform):
            if self._listening.separate not in (choose.AUTO, choose.PLAIN, choose.CENTRE):
                raise InputError(f"--separate {self._listening.separate} needs a file: a waveform is mono already")
            waveform = _checked(self.audio, facts.sample_rate)
        else:
            got = self._separated(Path(self.audio), self._separator(facts), facts.sample_rate)
            waveform, said, self.sound = got.waveform, got.warnings, got.sound
        if decode.is_silent(waveform):
            raise AudioError("the recording is silent: there is nothing to place words on")
        return waveform, said

    def _separated(self, path: Path, separator: Separator, sample_rate: int) -> Decoded:
        """Separate the voice; where that was nobody's wish and fails, listen to the centre instead."""
        name = separator.facts.name
        stage = "decode" if name in (choose.PLAIN, choose.CENTRE) else "separate"
        try:
            return separator.separate(path, sample_rate, lambda share: self.tell(stage, share))
        except MelismaError as error:
            if isinstance(error, AudioError) or stage == "decode" or self._listening.separate != choose.AUTO:
                raise
            self._fell_back.add(separator.facts.flag)
            said = f"{name} failed, the centre of the recording was listened to: {error}"
            got = choose.separator(choose.CENTRE).separate(path, sample_rate)
            return replace(got, warnings=(*got.warnings, said))


class _Spoken(Container[str]):
    """The languages that an engine can spell."""

    def __init__(self, engine: EmittingEngine) -> None:
        self._engine = engine

    def __contains__(self, code: object) -> bool:
        try:
            self._engine.spell("a", str(code))
        except UnknownName:
            return False
        return True


def _refuse_unknown(engine: Engine, code: str) -> None:
    """Refuse a language that an engine does not know."""
    taught = engine.facts.languages
    if taught is not None and code not in taught and code.split("-")[0] not in taught:
        raise UnknownName(f"language of the model {engine.facts.model_id}", code, taught)
    if emits(engine):
        engine.spell("a", code)


def _checked(waveform: Waveform, sample_rate: int) -> Waveform:
    samples = waveform.samples
    if samples.ndim != 1:
        raise AudioError(f"a waveform is mono, [n_samples], not of shape {samples.shape}: mix it down first")
    if waveform.sample_rate != sample_rate:
        raise AudioError(f"the engine takes {sample_rate} Hz, not {waveform.sample_rate} Hz: resample it first")
    if not np.isfinite(samples).all():
        raise AudioError("the waveform holds values that are no numbers")
    return Waveform(samples.astype(np.float32, copy=False), waveform.sample_rate)
