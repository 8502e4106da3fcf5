"""The walk: recording and lyrics in, alignment out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.aligner import refine
from melisma.aligner.decoder import DecoderConfig
from melisma.audio.separation import choose
from melisma.core.errors import InputError, LyricsError, UnknownName
from melisma.core.records import Alignment, Lyrics, Waveform
from melisma.pipeline import kept, log, router, tiers
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline.asked import Asked
from melisma.pipeline.listen import Placed
from melisma.pipeline.settings import AUTO, LicenceMode, RouterSettings
from melisma.pipeline.song import Listening, Progress, Song

if TYPE_CHECKING:
    from melisma.store.cache import Cache


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """What a caller may turn."""

    language: str | None = None  # ISO code; None lets the text decide
    engine: str = AUTO
    fallback: bool = False  # whether the engines of "auto" follow one that is named
    wildcard: float | None = None  # nats a frame that unsung sound between lines costs; None for the decoder's own
    downmix: str | None = None  # the older spelling of `separate`: "mean" is "none"
    track_id: str = ""  # what log lines call the song; the name of its file if not given
    separate: str = choose.AUTO  # none, center, demucs, auto: what of the recording is listened to
    refine: str = ""  # onset, beat, ends, separated by commas, or none; empty for MELISMA_REFINE
    settings: RouterSettings | None = None  # tiers, time-outs, gate …; None reads the environment
    cache: Cache | None = None  # alignments of earlier runs; None to compute anew and keep nothing
    artist: str = ""  # what the cache calls the song
    title: str = ""


def align(
    audio: str | Path | Waveform,
    lyrics: str | Path | Lyrics | None = None,
    *,
    language: str | None = None,
    engine: str = AUTO,
    progress: Progress | None = None,
    config: AlignConfig | None = None,
) -> Alignment:
    """Time every word of the lyrics in the recording.

    Parameters
    ----------
    audio : path or Waveform
        A file that libsndfile or ffmpeg reads, or mono samples at the engine's rate.
    lyrics : path or Lyrics, optional
        Plain text, LRC, enhanced LRC or SRT; "-" reads standard input. Without lyrics the words are those that an
        engine hears.
    language : str, optional
        ISO 639 code of the lyrics; found from the text if not given.
    engine : str
        Name of an installed engine, which is then used alone; or "auto": the best that can be used here, and the
        next one where it fails or what it finds cannot be right (`melisma.pipeline.router`).
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
    NoEngine
        If no engine gave a result; the sentence says of each why.
    """
    config = _settled(language, engine, config)
    settings = config.settings or RouterSettings.from_env()
    log.set_up()
    tiers.check(config.engine, settings)
    listening = Listening(_separate(config), settings.licence_mode is LicenceMode.COMMERCIAL)
    refinement = refine.parse(config.refine, settings.onset_ms) if config.refine else settings.refinement
    song = Song(audio, _sung(lyrics), language=config.language, listening=listening, tell=progress)
    wanted = router.Route(config.engine, config.fallback, _decoder(config), _track_id(audio, config))
    shelf = kept.Shelf(config.cache, song, config, wanted, settings) if config.cache is not None else None
    if shelf is not None and (found := shelf.find()) is not None:
        return found
    if shelf is not None:
        log.missed(wanted.track_id)
    asked = Asked()
    placed = router.route(song, wanted, settings, asked)
    refined = refine.refine(placed.words, song.waveform(placed.facts), refinement, placed.emission)
    made = _made(replace(placed, words=refined))
    if shelf is not None:
        shelf.keep(made, placed.facts.task, asked)
    return made


def _settled(language: str | None, engine: str, config: AlignConfig | None) -> AlignConfig:
    if config is None:
        return AlignConfig(language, engine)
    if language is not None or engine != AUTO:
        raise ValueError("give language and engine either by themselves or in the config, not both")
    return config


def _separate(config: AlignConfig) -> str:
    """Return the name of what separates the voice, from either of its two options."""
    if config.downmix is None:
        return choose.check_name(config.separate)
    if config.downmix not in choose.OLDER_SPELLINGS:
        raise UnknownName("downmix", config.downmix, choose.OLDER_SPELLINGS)
    if config.separate != choose.AUTO:
        raise InputError("--downmix is the older spelling of --separate: give one of them")
    return choose.check_name(config.downmix)


def _decoder(config: AlignConfig) -> DecoderConfig:
    return DecoderConfig() if config.wildcard is None else DecoderConfig(wildcard=config.wildcard)


def _sung(lyrics: str | Path | Lyrics | None) -> Lyrics | None:
    if lyrics is None:
        return None
    sung = lyrics if isinstance(lyrics, Lyrics) else lyrics_files.read(lyrics)
    if not sung.words:
        raise LyricsError("the lyrics hold no sung word")
    return sung


def _track_id(audio: str | Path | Waveform, config: AlignConfig) -> str:
    return config.track_id or ("" if isinstance(audio, Waveform) else Path(audio).stem)


def _made(placed: Placed) -> Alignment:
    """Put the record together, and hold it to its promises."""
    made = Alignment(
        words=placed.words,
        lines=placed.lines,
        duration=placed.duration,
        timebase=placed.clock,
        language=placed.language,
        engine=placed.facts.name,
        engine_version=placed.facts.version,
        model_id=placed.facts.model_id,
        model_revision=placed.facts.model_revision,
        warnings=placed.warnings,
        repeats=placed.repeats,
    )
    made.check()
    return made
