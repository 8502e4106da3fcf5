"""The walk: recording and lyrics in, alignment out."""

from __future__ import annotations

from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from melisma.aligner import words
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.audio import decode
from melisma.core import plugins
from melisma.core.errors import AudioError, LyricsError, UnknownName
from melisma.core.records import Alignment, Emission, Lyrics, Waveform, Word
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EmittingEngine as Engine
from melisma.pipeline import lyrics as lyrics_files
from melisma.text import language as languages
from melisma.text.tokens import tokenize

Progress = Callable[[str, float], None]
# Averages of made-up songs with the lyrics of another were 0.60 at most; of those with their own that
# had less, under half of the words were right (`benchmarks/confidence.py`).
_LOW_CONFIDENCE = 0.6
# Share of words held for longer than anybody sings, from which on the lyrics look like a part of what is sung.
_MANY_LONG = 0.05
# Below this a guessed language is said to be one.
_SURE_LANGUAGE = 0.5


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """What a caller may turn."""

    language: str | None = None  # ISO code; None lets the text decide
    engine: str = "phone"
    wildcard: float | None = None  # nats a frame that unsung sound between lines costs; None for no wildcard
    downmix: decode.DownmixName = "centre"


@lru_cache(maxsize=2)
def _engine(name: str) -> Engine:
    made: Engine = plugins.load(plugins.ENGINES, name)()
    return made


def align(
    audio: str | Path | Waveform,
    lyrics: str | Path | Lyrics,
    *,
    language: str | None = None,
    engine: str = "phone",
    progress: Progress | None = None,
    config: AlignConfig | None = None,
) -> Alignment:
    """Time every word of the lyrics in the recording.

    Parameters
    ----------
    audio : path or Waveform
        A file that libsndfile or ffmpeg reads, or mono samples at the engine's rate.
    lyrics : path or Lyrics
        Plain text, LRC, enhanced LRC or SRT; "-" reads standard input.
    language : str, optional
        ISO 639 code of the lyrics; found from the text if not given.
    engine : str
        Name of an installed engine.
    config : AlignConfig, optional
        More to turn; then language and engine stand in it.
    progress : callable, optional
        Called with the name of a stage and the share of it that is done.

    Returns
    -------
    Alignment
        Every word once, in order; `warnings` says what to doubt.

    Raises
    ------
    InputError
        If recording, lyrics, language or engine cannot be used; the sentence says which and why.
    """
    config = _settled(language, engine, config)
    tell = progress or (lambda stage, share: None)
    sung = lyrics if isinstance(lyrics, Lyrics) else lyrics_files.read(lyrics)
    if not sung.words:
        raise LyricsError("the lyrics hold no sung word")
    chosen = _engine(config.engine)
    waveform, code, warnings = _gather(audio, sung, chosen, tell, config)
    tokens = tokenize(sung, lambda word: chosen.spell(word, code), chosen.labels)
    if not len(tokens.ids):
        warnings.append("the lyrics hold no word that has a sound: all are marked unsung")
    emission = chosen.emit(waveform, lambda share: tell("listen", share))
    tell("align", 0.0)
    placed = decode_words(emission, tokens, sung, DecoderConfig(wildcard=config.wildcard)).words
    warnings += _doubts(placed)
    tell("align", 1.0)
    return _made(placed, sung, emission, chosen, code, warnings)


def _settled(language: str | None, engine: str, config: AlignConfig | None) -> AlignConfig:
    if config is None:
        return AlignConfig(language, engine)
    if language is not None or engine != "phone":
        raise ValueError("give language and engine either by themselves or in the config, not both")
    return config


def _made(
    placed: tuple[Word, ...], sung: Lyrics, emission: Emission, engine: Engine, code: str, warnings: list[str]
) -> Alignment:
    """Put the record together, and hold it to its promises."""
    made = Alignment(
        words=placed,
        lines=words.lines(sung),
        duration=emission.duration,
        timebase=Timebase(emission.timebase.sample_rate, 1),
        language=code,
        engine=engine.facts.name,
        engine_version=engine.facts.version,
        model_id=engine.facts.model_id,
        model_revision=engine.facts.model_revision,
        warnings=tuple(warnings),
    )
    made.check()
    return made


def _doubts(placed: tuple[Word, ...]) -> list[str]:
    """Say what looks wrong with the whole: lyrics of another song, or of a part of this one."""
    said: list[str] = []
    known = [word.confidence for word in placed if word.confidence is not None]
    if known and sum(known) / len(known) < _LOW_CONFIDENCE:
        said.append("most words were hardly heard: are these the lyrics of this recording, in this language?")
    held = words.LONGEST_HELD_S
    n_long = sum((word.end_s or 0.0) - (word.start_s or 0.0) >= held for word in placed)
    if n_long > _MANY_LONG * len(placed):
        said.append(f"{n_long} of {len(placed)} words seem to last {held} s: is more sung than written?")
    return said


def _gather(
    audio: str | Path | Waveform, sung: Lyrics, engine: Engine, tell: Progress, config: AlignConfig
) -> tuple[Waveform, str, list[str]]:
    """Return the recording, the language and what is to be said of both."""
    with ThreadPoolExecutor(1) as pool:
        # Guessing a language unpacks a large table: it does so while the recording is decoded.
        coming = pool.submit(_language, sung, config.language, engine)
        if config.language:
            coming.result()  # a language that does not exist is said before an hour of audio is decoded
        waveform, said = _waveform(audio, engine, tell, config)
        code, warnings = coming.result()
    if decode.is_silent(waveform):
        said.append("the recording is silent: the times say nothing")
    return waveform, code, [*warnings, *said]


class _Spoken(Container[str]):
    """The languages that an engine can spell."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __contains__(self, code: object) -> bool:
        try:
            self._engine.spell("a", str(code))
        except UnknownName:
            return False
        return True


def _language(sung: Lyrics, wanted: str | None, engine: Engine) -> tuple[str, list[str]]:
    if wanted:
        code = languages.normalise(wanted)
        engine.spell("a", code)  # refuses a language that it cannot spell
        return code, []
    guess = languages.detect(sung.text, _Spoken(engine))
    if guess.confidence < _SURE_LANGUAGE:
        return guess.code, [f"the language looks like {guess.code!r}, but that is a guess: --language says it for sure"]
    return guess.code, []


def _checked(waveform: Waveform, engine: Engine) -> Waveform:
    samples = waveform.samples
    if samples.ndim != 1:
        raise AudioError(f"a waveform is mono, [n_samples], not of shape {samples.shape}: mix it down first")
    if waveform.sample_rate != engine.facts.sample_rate:
        raise AudioError(
            f"the engine takes {engine.facts.sample_rate} Hz, not {waveform.sample_rate} Hz: resample it first"
        )
    if not np.isfinite(samples).all():
        raise AudioError("the waveform holds values that are no numbers")
    return Waveform(samples.astype(np.float32, copy=False), waveform.sample_rate)


def _waveform(
    audio: str | Path | Waveform, engine: Engine, tell: Progress, config: AlignConfig
) -> tuple[Waveform, list[str]]:
    if isinstance(audio, Waveform):
        return _checked(audio, engine), []
    got = decode.decode(
        audio,
        sample_rate=engine.facts.sample_rate,
        downmix=config.downmix,
        progress=lambda share: tell("decode", share),
    )
    return got.waveform, list(got.warnings)
