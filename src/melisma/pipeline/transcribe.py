"""A recording in, its words out: heard by a model that transcribes, then timed exactly by one that aligns.

What hears words says when they are said to a few tenths of a second. The words are known then, so an engine that emits
places them as it places lyrics. A word that it does not find keeps the time at which it was heard: nothing that was
heard is lost, and no word stands twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core.errors import EngineError, EngineUnavailable, InputError, NoEngine, TooFewFrames, WrongLyrics
from melisma.core.files import expanded
from melisma.core.records import Alignment, LyricLine, Lyrics, Word
from melisma.engines.protocol import Task
from melisma.pipeline import packages, tiers
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.pipeline.song import Progress
from melisma.text import language as languages

if TYPE_CHECKING:
    from melisma.store.cache import Cache

_FAR_S = 2.0  # from where a word was heard: the aligner has found another one like it
_TIMED_BY = ", timed by "  # in the version of what made an alignment
_NOT_FOUND = "an aligner does not find them there (are they what is said, in this language?)"
_DOUBTED = 0.3  # confidence of the aligner, below which the time at which a word was heard is as good
_SURE = 0.8  # from here on the aligner is believed however far off the word was heard: small models time words badly


@dataclass(frozen=True, slots=True)
class TranscribeConfig:
    """What a caller may turn.

    Parameters
    ----------
    model : str
        Name of an engine that hears words, of a model that was added, `path:FOLDER`, or empty for the default of the
        language, and else the first engine that can be used.
    language : str or None
        ISO 639 code; heard if not given.
    aligned : bool
        Whether an engine that emits times the words again.
    separate : str
        What of the recording is listened to.
    track_id, artist, title : str
        What log lines and the cache call it.
    settings : RouterSettings or None
        None reads the environment.
    cache : Cache or None
        Results of earlier runs.
    """

    model: str = ""
    language: str | None = None
    aligned: bool = True
    separate: str = AUTO
    track_id: str = ""
    artist: str = ""
    title: str = ""
    settings: RouterSettings | None = None
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was heard in a recording.

    Parameters
    ----------
    heard : Alignment
        Words with the times and confidences of what heard them.
    timed : Alignment
        The same words, one by one, with the same confidences and the best times that there are.
    """

    heard: Alignment
    timed: Alignment

    @property
    def aligner(self) -> str:
        """Engine and model that timed the words again; empty where none did."""
        return aligner_of(self.timed)

    @property
    def n_exact(self) -> int:
        """How many words have a time of the aligner."""
        return n_exact(self.timed)


def aligner_of(timed: Alignment) -> str:
    """Return engine and model that timed heard words again, as their alignment says it; empty where none did.

    Examples
    --------
    >>> aligner_of(Alignment((), (), 0, engine_version="1+x, timed by phone phone-0.2"))
    'phone phone-0.2'
    """
    return timed.engine_version.partition(_TIMED_BY)[2]


def n_exact(timed: Alignment) -> int:
    """Return how many words have a time of an aligner: it says how far off each may be."""
    return sum(word.expected_error_ms is not None for word in timed.words) if aligner_of(timed) else 0


def engine_for(model: str, language: str | None) -> str:
    """Return the name of the engine that hears with a model: as `tiers.engine_named` takes it.

    Raises
    ------
    InputError
        If it hears no words, or is no model.
    """
    chosen = model.strip() or packages.default_for(language) or AUTO
    if chosen != AUTO and tiers.split(chosen)[1] == "" and expanded(chosen).is_dir() and not tiers.is_known(chosen):
        chosen = f"{packages.PATH}:{chosen}"
    if chosen == AUTO:
        return AUTO
    tiers.check_name(chosen)
    if tiers.engine_named(chosen).facts.task is not Task.TRANSCRIBE:
        raise InputError(f"the model {chosen!r} hears no words, it times known ones: melisma align, with their text")
    return chosen


def check(config: TranscribeConfig) -> None:
    """Refuse, before any audio is read, a model that hears no words, and to hear where no engine can be used.

    Raises
    ------
    InputError
        As `engine_for` does.
    NoEngine, LicenceError, EngineUnavailable
        As `tiers.check_hears` does.
    """
    settings = config.settings or RouterSettings.from_env()
    language = languages.normalise(config.language) if config.language else None
    tiers.check_hears(tiers.wanted(engine_for(config.model, language), settings), settings)


def transcribe(
    audio: str | Path, config: TranscribeConfig | None = None, progress: Progress | None = None
) -> Transcription:
    """Hear the words of a recording, and time them.

    Parameters
    ----------
    audio : path
        A file that libsndfile or ffmpeg reads.
    config : TranscribeConfig, optional
        By which model, in which language.
    progress : callable, optional
        Called with the name of a stage and the share of it that is done.

    Raises
    ------
    InputError
        If recording, model or language cannot be used.
    NoEngine, EngineError
        If nothing that hears words can be used, or it fails.
    """
    config = config or TranscribeConfig()
    settings = config.settings or RouterSettings.from_env()
    language = languages.normalise(config.language) if config.language else None
    plain = AlignConfig(
        language=language,
        engine=engine_for(config.model, language),
        separate=config.separate,
        track_id=config.track_id,
        artist=config.artist,
        title=config.title,
        settings=settings,
        cache=config.cache,
    )
    heard = align(audio, None, config=plain, progress=progress)
    if not config.aligned:
        return Transcription(heard, heard)
    return exact(audio, heard, plain, progress)


def exact(audio: str | Path, heard: Alignment, plain: AlignConfig, progress: Progress | None = None) -> Transcription:
    """Time words that were heard by an engine that emits; where none can, the times stay, and a warning says so."""
    settings = plain.settings or RouterSettings.from_env()
    placing = replace(settings, engine=AUTO, tiers=tiers.emitting(settings))
    config = replace(
        plain,
        engine=AUTO,
        language=heard.language if heard.language != "und" else plain.language,
        settings=placing,
    )
    try:
        if not placing.tiers:
            raise EngineUnavailable("no engine that times known words is installed")
        placed = align(audio, lyrics_of(heard), config=config, progress=progress)
    except (InputError, EngineError, NoEngine) as error:
        why = (
            _NOT_FOUND if isinstance(error, (WrongLyrics, TooFewFrames)) else str(error)
        )  # which speaks of lyrics, and none were given
        said = f"the words have the times at which they were heard: {why}"
        told = replace(heard, warnings=(*heard.warnings, said))
        return Transcription(heard, told)
    return Transcription(heard, merged(heard, placed))


def lyrics_of(heard: Alignment) -> Lyrics:
    """Return what was heard as lyrics whose lines say when they were."""
    lines = []
    for i, line in enumerate(heard.lines):
        words = heard.words[line.first : line.stop]
        span = heard.line_ms(i)
        start_ms, end_ms = span if span else (None, None)
        lines.append(LyricLine(tuple(word.text for word in words), line.stanza, start_ms, end_ms))
    return Lyrics(tuple(lines))


def merged(heard: Alignment, placed: Alignment) -> Alignment:
    """Give each word that was heard the time that the aligner has found, where it is no other word's.

    Parameters
    ----------
    heard, placed : Alignment
        Of the same words, one by one.

    Raises
    ------
    ValueError
        If they are of other words.
    """
    if [word.text for word in heard.words] != [word.text for word in placed.words]:
        raise ValueError("the aligner was given other words")
    clock = placed.timebase
    far = clock.ticks(_FAR_S)
    words = [_chosen(a, b, placed, far) for a, b in zip(heard.words, placed.words, strict=True)]
    by = " ".join(filter(None, (placed.engine, placed.model_id)))
    made = replace(
        heard,
        engine_version=f"{heard.engine_version}{_TIMED_BY}{by}" if by else heard.engine_version,
        words=tuple(_in_order(words)),
        duration=placed.duration,
        timebase=clock,
        warnings=tuple(dict.fromkeys((*heard.warnings, *placed.warnings))),
        repeats=(),
    )
    made.check()
    return made


def _chosen(heard: Word, placed: Word, whole: Alignment, far: int) -> Word:
    """Return the word as the aligner places it, or as it was heard where that is doubtful, or far away."""
    if heard.start_s is None or heard.end_s is None:
        return placed
    start, end = (min(whole.duration, whole.timebase.ticks(each)) for each in (heard.start_s, heard.end_s))
    sure = 1.0 if placed.confidence is None else placed.confidence
    if placed.start is not None and (sure >= _SURE or (sure >= _DOUBTED and abs(placed.start - start) <= far)):
        return replace(placed, confidence=heard.confidence if heard.confidence is not None else placed.confidence)
    return replace(placed, line=heard.line, start=start, end=end, confidence=heard.confidence, expected_error_ms=None)


def _in_order(words: Sequence[Word]) -> list[Word]:
    """Hold the words to go forward where times of two origins meet: none starts before the one in front of it."""
    kept: list[Word] = []
    for word in words:
        before = kept[-1] if kept else None
        if before is not None and word.start is not None and before.start is not None and before.end is not None:
            if word.start < before.start:
                word = replace(word, start=before.start, end=max(before.start, word.end or 0))
            if word.start is not None and before.end > word.start:
                kept[-1] = replace(before, end=max(before.start, word.start))
        kept.append(word)
    return kept
