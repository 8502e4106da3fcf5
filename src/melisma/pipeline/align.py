"""The walk: recording and lyrics in, alignment out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from melisma.aligner import words as placing
from melisma.aligner.decoder import DecoderConfig
from melisma.audio import decode
from melisma.core.errors import LyricsError
from melisma.core.records import Alignment, Lyrics, Waveform
from melisma.pipeline import log, router, tiers
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline.listen import Placed
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.pipeline.song import Progress, Song

# Averages of made-up songs with the lyrics of another were 0.60 at most; of those with their own that
# had less, under half of the words were right (`benchmarks/confidence.py`).
_LOW_CONFIDENCE = 0.6
# Share of words held for longer than anybody sings, from which on the lyrics look like a part of what is sung.
_MANY_LONG = 0.05


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """What a caller may turn."""

    language: str | None = None  # ISO code; None lets the text decide
    engine: str = AUTO
    fallback: bool = False  # whether the engines of "auto" follow one that is named
    wildcard: float | None = None  # nats a frame that unsung sound between lines costs; None for the decoder's own
    downmix: decode.DownmixName = "centre"
    track_id: str = ""  # what log lines call the song; the name of its file if not given
    settings: RouterSettings | None = None  # tiers, time-outs, gate …; None reads the environment


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
    sung = _sung(lyrics)
    song = Song(audio, sung, language=config.language, downmix=config.downmix, tell=progress)
    decoder = DecoderConfig() if config.wildcard is None else DecoderConfig(wildcard=config.wildcard)
    wanted = router.Route(config.engine, config.fallback, decoder, _track_id(audio, config))
    placed = router.route(song, wanted, settings)
    # Refinement of the words belongs here: it has the song's waveform.
    return _made(placed)


def _settled(language: str | None, engine: str, config: AlignConfig | None) -> AlignConfig:
    if config is None:
        return AlignConfig(language, engine)
    if language is not None or engine != AUTO:
        raise ValueError("give language and engine either by themselves or in the config, not both")
    return config


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
        warnings=(*placed.warnings, *_doubts(placed)),
        repeats=placed.repeats,
    )
    made.check()
    return made


def _doubts(placed: Placed) -> tuple[str, ...]:
    """Say what looks wrong with the whole: lyrics of another song, or of a part of this one."""
    said: list[str] = []
    known = [word.confidence for word in placed.words if word.confidence is not None]
    if known and sum(known) / len(known) < _LOW_CONFIDENCE:
        said.append("most words were hardly heard: are these the lyrics of this recording, in this language?")
    held = placing.LONGEST_HELD_S
    n_long = sum((word.end_s or 0.0) - (word.start_s or 0.0) >= held for word in placed.words)
    if n_long > _MANY_LONG * len(placed.words):
        said.append(f"{n_long} of {len(placed.words)} words seem to last {held} s: is more sung than written?")
    return tuple(said)
