"""The walk: recording and lyrics in, alignment out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from melisma.aligner import viterbi, words
from melisma.audio import decode
from melisma.core import plugins
from melisma.core.errors import LyricsError
from melisma.core.records import Alignment, Lyrics, Waveform
from melisma.core.timebase import Timebase
from melisma.engines.protocol import Engine
from melisma.pipeline import lyrics as lyrics_files
from melisma.text import espeak
from melisma.text import language as languages
from melisma.text.tokens import tokenize

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """What a caller may turn."""

    language: str | None = None  # ISO code; None lets the text decide
    engine: str = "phone"
    wildcard: float | None = None  # nats a frame that unsung sound between lines costs; None for no wildcard
    downmix: str = "centre"


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
    config = config or AlignConfig(language, engine)
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
    wildcard = viterbi.Wildcard(config.wildcard) if config.wildcard is not None else None
    path = viterbi.viterbi(emission.log_probs, tokens, emission.blank, wildcard)
    placed = words.words(path, emission, tokens, sung)
    tell("align", 1.0)
    made = Alignment(
        words=placed,
        lines=words.lines(sung),
        duration=emission.duration,
        timebase=Timebase(emission.timebase.sample_rate, 1),
        language=code,
        engine=chosen.name,
        engine_version=chosen.version,
        model_id=chosen.model_id,
        model_revision=chosen.model_revision,
        warnings=tuple(warnings),
    )
    made.check()
    return made


def _gather(
    audio: str | Path | Waveform, sung: Lyrics, engine: Engine, tell: Progress, config: AlignConfig
) -> tuple[Waveform, str, list[str]]:
    """Return the recording, the language and what is to be said of both."""
    with ThreadPoolExecutor(1) as pool:
        # Guessing a language unpacks a large table: it does so while the recording is decoded.
        coming = pool.submit(_language, sung, config.language)
        if config.language:
            coming.result()  # a language that does not exist is said before an hour of audio is decoded
        waveform, said = _waveform(audio, engine, tell, config)
        code, warnings = coming.result()
    if decode.is_silent(waveform):
        said.append("the recording is silent: the times say nothing")
    return waveform, code, [*warnings, *said]


def _language(sung: Lyrics, wanted: str | None) -> tuple[str, list[str]]:
    if wanted:
        code = languages.normalise(wanted)
        espeak.voice_code(code)
        return code, []
    guess = languages.detect(sung.text)
    if guess.confidence < 0.5:
        return guess.code, [f"the language looks like {guess.code!r}, but that is a guess: --language says it for sure"]
    return guess.code, []


def _waveform(
    audio: str | Path | Waveform, engine: Engine, tell: Progress, config: AlignConfig
) -> tuple[Waveform, list[str]]:
    if isinstance(audio, Waveform):
        return audio, []
    got = decode.decode(
        audio,
        sample_rate=engine.sample_rate,
        downmix="mean" if config.downmix == "mean" else "centre",
        progress=lambda share: tell("decode", share),
    )
    return got.waveform, list(got.warnings)
