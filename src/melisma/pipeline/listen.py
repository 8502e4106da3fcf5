"""One engine, one song: from what the engine can do to words on the timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from melisma.aligner import words
from melisma.aligner.decoder import Decoded, DecoderConfig, decode_words
from melisma.aligner.guided import decode_guided
from melisma.aligner.match import place_heard
from melisma.aligner.synced import LineWindow
from melisma.aligner.transcript import transcript
from melisma.core.errors import (
    EngineError,
    EngineFailed,
    EngineOutOfMemory,
    EngineTimeout,
    EngineUnavailable,
    LyricsError,
    MelismaError,
    MissingDependency,
    ModelError,
    TooFewFrames,
    UnknownName,
    WrongLyrics,
)
from melisma.core.records import Emission, Heard, Line, Lyrics, Repeat, Waveform, Word
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EmittingEngine, Engine, EngineFacts, PlacingEngine, TranscribingEngine
from melisma.engines.protocol import Task as Kind
from melisma.pipeline.attempt import lent
from melisma.pipeline.song import emits
from melisma.text.tokens import tokenize

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What an engine is given: a recording, the lyrics if they are known, and their language if that is."""

    waveform: Waveform
    lyrics: Lyrics | None
    language: str | None
    decoder: DecoderConfig = field(default_factory=DecoderConfig)


@dataclass(frozen=True, slots=True)
class Placed:
    """What an engine made of a song: its words in their lines, in ticks of the recording's samples."""

    words: tuple[Word, ...]
    lines: tuple[Line, ...]
    clock: Timebase
    duration: int
    language: str
    facts: EngineFacts
    repeats: tuple[Repeat, ...] = ()
    warnings: tuple[str, ...] = ()
    emission: Emission | None = None


def listen(engine: Engine, task: Task, tell: Tell) -> Placed:
    """Put the words of a song on the timeline with one engine.

    `tell` hears the name of a stage and the share of it that is done.

    Raises
    ------
    EngineError
        If the engine fails, whatever it raises, or its times cannot be what it says they are.
    InputError
        If recording and lyrics cannot belong together, or the engine cannot spell the language.
    """
    if emits(engine):
        return _emit(engine, task, tell)
    if engine.facts.task is Kind.PLACE:
        return _matched(engine, task, *_known(engine, task), _place(cast(PlacingEngine, engine), task, tell))
    heard = _transcribe(cast(TranscribingEngine, engine), task, tell)
    if task.lyrics is None:
        return _transcript(engine, task, heard)
    return _matched(engine, task, task.lyrics, task.language or heard.language, heard)


def _emit(engine: EmittingEngine, task: Task, tell: Tell) -> Placed:
    lyrics, language = _known(engine, task)
    with calling(engine):
        tokens = tokenize(lyrics, lambda word: engine.spell(word, language), engine.labels)
    said = () if len(tokens.ids) else ("the lyrics hold no word that has a sound: all are marked unsung",)
    with calling(engine), lent(engine) as loaded, calling(engine):
        emission = loaded.emit(task.waveform, lambda share: tell("listen", share))
    tell("align", 0.0)

    def decode(windows: Sequence[LineWindow]) -> Decoded:
        # Windows come of a search without them that has not refused the lyrics: they shall not be refused for those.
        config = replace(task.decoder, refuse=task.decoder.refuse and not windows)
        return decode_words(emission, tokens, lyrics, config, windows)

    found = decode_guided(decode, lyrics, task.waveform.duration_s)
    decoded = found.decoded
    tell("align", 1.0)
    return Placed(
        words=decoded.words,
        lines=words.lines(lyrics),
        clock=Timebase(emission.timebase.sample_rate, 1),
        duration=emission.duration,
        language=language,
        facts=engine.facts,
        repeats=decoded.repeats,
        warnings=(*said, *found.fit.warnings),
        emission=emission,
    )


def _place(engine: PlacingEngine, task: Task, tell: Tell) -> Heard:
    lyrics, language = _known(engine, task)
    with calling(engine), lent(engine) as loaded, calling(engine):
        return loaded.place(task.waveform, lyrics, language, lambda share: tell("listen", share))


def _transcribe(engine: TranscribingEngine, task: Task, tell: Tell) -> Heard:
    hint = task.lyrics.text if task.lyrics else ""
    with calling(engine), lent(engine) as loaded, calling(engine):
        return loaded.transcribe(task.waveform, task.language, hint, lambda share: tell("listen", share))


def _known(engine: Engine, task: Task) -> tuple[Lyrics, str]:
    if task.lyrics is None or task.language is None:
        raise LyricsError(f"the engine {engine.facts.name} needs lyrics: it does not hear words, it places them")
    return task.lyrics, task.language


def _matched(engine: Engine, task: Task, lyrics: Lyrics, language: str, heard: Heard) -> Placed:
    """Give the times of what was heard to the words of the lyrics."""
    clock, duration = Timebase(task.waveform.sample_rate, 1), len(task.waveform.samples)
    placed = place_heard(heard, lyrics, duration, clock, language)
    if not heard.words:
        raise EngineFailed(f"the engine {engine.facts.name} heard no word in the recording")
    if all(word.unsung for word in placed):
        said = f"{engine.facts.name} heard {len(heard.words)} words, and none of them is in the lyrics"
        raise WrongLyrics(f"these are not the lyrics of this recording: {said}")
    return Placed(placed, words.lines(lyrics), clock, duration, language, engine.facts)


def _transcript(engine: Engine, task: Task, heard: Heard) -> Placed:
    """Make lyrics of what was heard."""
    clock, duration = Timebase(task.waveform.sample_rate, 1), len(task.waveform.samples)
    lyrics, placed = transcript(heard, duration, clock)
    if not placed:
        raise EngineFailed(f"the engine {engine.facts.name} heard no word in the recording")
    return Placed(placed, words.lines(lyrics), clock, duration, task.language or heard.language, engine.facts)


@contextmanager
def calling(engine: Engine) -> Iterator[None]:
    """Name the engine in whatever breaks inside it: a plug-in may raise anything, and none of it is lost."""
    try:
        yield
    except (EngineError, ModelError, UnknownName, TooFewFrames, WrongLyrics):
        raise  # what the router understands
    except MissingDependency as error:
        raise EngineUnavailable(str(error)) from error
    except MemoryError as error:
        raise EngineOutOfMemory(f"the engine {engine.facts.name} ran out of memory") from error
    except TimeoutError as error:
        raise EngineTimeout(f"the engine {engine.facts.name} took too long: {error}") from error
    except Exception as error:
        said = str(error) if isinstance(error, MelismaError) else f"{type(error).__name__}: {error}"
        raise EngineFailed(f"the engine {engine.facts.name} broke off: {said}") from error
