"""Fix the neighbours: words are placed anew between those that a person has set, which do not move."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from melisma.aligner import anchored
from melisma.core.errors import InputError, MelismaError
from melisma.core.records import Alignment, Emission, LyricLine, Lyrics, Waveform
from melisma.engines.protocol import EmittingEngine
from melisma.pipeline import packages, tiers
from melisma.pipeline.align import AlignConfig
from melisma.pipeline.attempt import lent
from melisma.pipeline.emissions import emissions, key
from melisma.pipeline.listen import calling
from melisma.pipeline.settings import AUTO, LicenceMode, RouterSettings
from melisma.pipeline.song import Listening, Progress, Song, emits
from melisma.text.tokens import tokenize

_SAME_RECORDING_S = 1.0  # by which decoders disagree about its end
_UNKNOWN = ("", "und")


def realign(
    audio: str | Path | Waveform,
    alignment: Alignment,
    corrected: Collection[int],
    *,
    words: tuple[int, int] | None = None,
    config: AlignConfig | None = None,
    progress: Progress | None = None,
) -> Alignment:
    """Place words anew between words that a person has set.

    Parameters
    ----------
    audio : path or Waveform
        The recording; a waveform is at the engine's rate.
    alignment : Alignment
        What is there; its text may be another than when it was made.
    corrected : collection of int
        Words that stay where they are, or unsung, whatever else moves.
    words : tuple of int, optional
        Only the words [first, stop) may move; if not given those from each corrected word to the next line that can
        be trusted, on both sides.
    config : AlignConfig, optional
        Language, engine, what is listened to and settings count here. Engine "auto" is the one that the alignment was
        made by, or the first that can be used if that one places no words by an emission.
    progress : callable, optional
        Called with the name of a stage and the share of it that is done.

    Returns
    -------
    Alignment
        On the same clock. Words that were not to move are as they were, to the tick.

    Raises
    ------
    InputError
        If a number is none of a word, the recording is another one or cannot be used, or the engine is unknown.
    NoEngine
        If no engine can be used.
    """
    config = config or AlignConfig()
    free = free_words(alignment, corrected, words)
    if not anchored.stretches(alignment, free):
        return alignment
    settings = config.settings or RouterSettings.from_env()
    listening = Listening(config.separate, settings.licence_mode is LicenceMode.COMMERCIAL)
    known = None if alignment.language in _UNKNOWN else alignment.language
    lyrics = lyrics_of(alignment)
    song = Song(audio, lyrics, language=config.language or known, listening=listening, tell=progress)
    engine, language = _engine(song, alignment, config, settings)
    emission = _emission(song, engine, alignment)
    song.tell("align", 0.0)
    wanted = {alignment.words[i].text for i in free}
    with calling(engine):
        tokens = tokenize(lyrics, lambda word: engine.spell(word, language) if word in wanted else (), engine.labels)
    made = anchored.realigned(alignment, free, emission, tokens)
    song.tell("align", 1.0)
    return made


def free_words(alignment: Alignment, corrected: Collection[int], words: tuple[int, int] | None) -> frozenset[int]:
    """Return the words that may move; see `realign`."""
    n_words = len(alignment.words)
    for index in corrected:
        if not 0 <= index < n_words:
            raise InputError(f"there is no word {index} to stay where it is: there are {n_words}, counted from 0")
    if words is None:
        if not corrected:
            raise InputError("no word has been corrected: say which words are to be placed anew")
        return anchored.around(alignment, corrected)
    first, stop = words
    if not 0 <= first < stop <= n_words:
        raise InputError(f"[{first}, {stop}) is no range of the {n_words} words")
    return frozenset(range(first, stop)) - frozenset(corrected)


def lyrics_of(alignment: Alignment) -> Lyrics:
    """Return the words of an alignment as lyrics, without times."""
    rows = ((line, alignment.words[line.first : line.stop]) for line in alignment.lines)
    return Lyrics(tuple(LyricLine(tuple(word.text for word in row), line.stanza) for line, row in rows))


def _engine(
    song: Song, alignment: Alignment, config: AlignConfig, settings: RouterSettings
) -> tuple[EmittingEngine, str]:
    """Return the engine to listen with, and the language to spell in."""
    named = tiers.wanted(config.engine, settings)
    if named != AUTO:
        tiers.check(named, settings)
        engine = tiers.usable(named, settings, chosen=True)
        if not emits(engine):
            raise InputError(f"the engine {named!r} places no words between others: name one that emits")
        return engine, song.language_for(engine).code or "und"
    reasons: dict[str, MelismaError] = {}
    for name in _candidates(alignment, song.lyrics, settings):
        try:
            engine = tiers.usable(name, settings, chosen=name == alignment.engine)
            if emits(engine):
                return engine, song.language_for(engine).code or "und"
        except MelismaError as error:
            reasons[name] = error
    raise tiers.nothing(song.lyrics, reasons)


def _candidates(alignment: Alignment, lyrics: Lyrics | None, settings: RouterSettings) -> Iterator[str]:
    names = tiers.order(lyrics, settings)
    yield from packages.named_like(alignment.model_id, alignment.model_revision)
    if alignment.engine in names:
        yield alignment.engine
    yield from (name for name in names if name != alignment.engine)


def _emission(song: Song, engine: EmittingEngine, alignment: Alignment) -> Emission:
    """Return what an engine hears in the recording, from memory if it has heard it of late."""

    def make() -> Emission:
        waveform = song.waveform(engine.facts)
        if abs(waveform.duration_s - alignment.timebase.seconds(alignment.duration)) > _SAME_RECORDING_S:
            given, own = waveform.duration_s, alignment.timebase.seconds(alignment.duration)
            raise InputError(
                f"this is not the recording of the alignment: it lasts {given:.1f} s, the alignment {own:.1f} s"
            )
        with calling(engine), lent(engine) as loaded, calling(engine):
            return loaded.emit(waveform, lambda share: song.tell("listen", share))

    return emissions.get(key(song.audio, engine.facts, song.flag(engine.facts)), make)
