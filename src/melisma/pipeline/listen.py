"""One engine, one song: from what the engine can do to words on the timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from melisma.aligner import words
from melisma.aligner.decoder import DecoderConfig, decode_words
from melisma.core.errors import EngineFailed, EngineOutOfMemory, EngineTimeout, LyricsError, MelismaError
from melisma.core.records import Emission, Line, Lyrics, Repeat, Waveform, Word
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EmittingEngine, Engine, EngineFacts
from melisma.pipeline.attempt import lent
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
        If the engine fails, whatever it raises.
    InputError
        If recording and lyrics cannot belong together, or the engine cannot spell the language.
    """
    if isinstance(engine, EmittingEngine):
        return _emit(engine, task, tell)
    raise EngineFailed(f"the engine {engine.facts.name} neither emits nor transcribes")


def _emit(engine: EmittingEngine, task: Task, tell: Tell) -> Placed:
    lyrics, language = task.lyrics, task.language
    if lyrics is None or language is None:
        raise LyricsError(f"the engine {engine.facts.name} needs lyrics: it does not know words")
    with calling(engine):
        tokens = tokenize(lyrics, lambda word: engine.spell(word, language), engine.labels)
    said = () if len(tokens.ids) else ("the lyrics hold no word that has a sound: all are marked unsung",)
    with calling(engine), lent(engine) as loaded, calling(engine):
        emission = loaded.emit(task.waveform, lambda share: tell("listen", share))
    tell("align", 0.0)
    decoded = decode_words(emission, tokens, lyrics, task.decoder)
    tell("align", 1.0)
    clock = Timebase(emission.timebase.sample_rate, 1)
    return Placed(
        words=decoded.words,
        lines=words.lines(lyrics),
        clock=clock,
        duration=emission.duration,
        language=language,
        facts=engine.facts,
        repeats=decoded.repeats,
        warnings=said,
        emission=emission,
    )


@contextmanager
def calling(engine: Engine) -> Iterator[None]:
    """Name the engine in whatever breaks inside it: a plug-in may raise anything, and none of it is lost."""
    try:
        yield
    except MelismaError:
        raise
    except MemoryError as error:
        raise EngineOutOfMemory(f"the engine {engine.facts.name} ran out of memory") from error
    except TimeoutError as error:
        raise EngineTimeout(f"the engine {engine.facts.name} took too long: {error}") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise EngineFailed(f"the engine {engine.facts.name} broke off: {said}") from error
