"""A recording and what is sung in it, read once however many engines listen."""

from __future__ import annotations

from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np

from melisma.audio import decode
from melisma.core.errors import AudioError, UnknownName
from melisma.core.records import Lyrics, Waveform
from melisma.engines.protocol import EmittingEngine, Engine, Task
from melisma.text import language as languages

Progress = Callable[[str, float], None]
# Below this a guessed language is said to be one.
_SURE_LANGUAGE = 0.5


def emits(engine: Engine) -> TypeGuard[EmittingEngine]:
    """Whether an engine emits; by what it says, for its labels may be in a model that is not loaded."""
    return engine.facts.task is Task.EMIT


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
    downmix : str
        What of a stereo recording to listen to.
    tell : callable
        Hears of progress.
    """

    def __init__(
        self,
        audio: str | Path | Waveform,
        lyrics: Lyrics | None,
        *,
        language: str | None = None,
        downmix: decode.DownmixName = "centre",
        tell: Progress | None = None,
    ) -> None:
        self.audio, self.lyrics = audio, lyrics
        self.language = languages.normalise(language) if language else None
        self.tell: Progress = tell or (lambda stage, share: None)
        self._downmix = downmix
        self._waveforms: dict[int, tuple[Waveform, tuple[str, ...]]] = {}

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
            coming = pool.submit(self.language_for, engine)
            if self.language:
                coming.result()  # a language that does not exist is said before an hour of audio is decoded
            waveform = self.waveform(engine.facts.sample_rate)
            return waveform, coming.result()

    def waveform(self, sample_rate: int) -> Waveform:
        """Return the recording at a rate, decoded once for each rate."""
        if sample_rate not in self._waveforms:
            self._waveforms[sample_rate] = self._read(sample_rate)
        return self._waveforms[sample_rate][0]

    def warnings(self, sample_rate: int) -> tuple[str, ...]:
        """Return what is to be said of the recording at a rate."""
        return self._waveforms[sample_rate][1] if sample_rate in self._waveforms else ()

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

    def _read(self, sample_rate: int) -> tuple[Waveform, tuple[str, ...]]:
        said: tuple[str, ...] = ()
        if isinstance(self.audio, Waveform):
            waveform = _checked(self.audio, sample_rate)
        else:
            got = decode.decode(
                self.audio,
                sample_rate=sample_rate,
                downmix=self._downmix,
                progress=lambda share: self.tell("decode", share),
            )
            waveform, said = got.waveform, got.warnings
        # Separation of the voice from the rest belongs here: what every engine listens to.
        if decode.is_silent(waveform):
            said = (*said, "the recording is silent: the times say nothing")
        return waveform, said


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
        raise UnknownName("language", code, taught)
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
