"""From a song to the best that an engine here makes of it: one tier after the other until the gate is content."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from melisma.aligner.decoder import DecoderConfig
from melisma.aligner.gate import Verdict, judge
from melisma.core.errors import EngineError, EngineUnavailable, InputError, MelismaError, NoEngine
from melisma.pipeline import tiers
from melisma.pipeline.listen import Placed, Task, listen
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.pipeline.song import Song


@dataclass(frozen=True, slots=True)
class Route:
    """How a song is to be walked: by which engine, or by AUTO, with which decoder."""

    engine: str = AUTO
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    track_id: str = ""


def route(song: Song, wanted: Route, settings: RouterSettings) -> Placed:
    """Put the words of a song on the timeline.

    Raises
    ------
    NoEngine
        If no tier gave a result; the sentence says of each why.
    InputError
        If every engine that could listen refused recording or lyrics: what the first one said.
    """
    named = tiers.wanted(wanted.engine, settings)
    automatic = named == AUTO
    names = tiers.order(song.lyrics, settings) if automatic else (named,)
    kept: tuple[Placed, Verdict] | None = None
    failures: dict[str, MelismaError] = {}
    for name in names:
        try:
            engine = tiers.engine_named(name)
            lacking = tiers.unavailable(engine, settings, automatic=automatic)
            if lacking:
                raise lacking
            waveform, language = song.prepare(engine)
            task = Task(waveform, song.lyrics, language.code, wanted.decoder)
            placed = listen(engine, task, song.tell)
        except (EngineError, InputError) as error:
            if not automatic:
                raise
            failures[name] = error
            continue
        said = (*song.warnings(waveform.sample_rate), *((language.warning,) if language.warning else ()))
        placed = replace(placed, warnings=(*said, *placed.warnings))
        verdict = judge(placed.words, placed.emission, settings.gate)
        if kept is None or verdict.passed:
            kept = placed, verdict
        if verdict.passed:
            break
    if kept is None:
        raise _nothing(failures)
    return kept[0]


def _nothing(failures: dict[str, MelismaError]) -> MelismaError:
    tried = [error for error in failures.values() if not isinstance(error, EngineUnavailable)]
    if tried and all(isinstance(error, InputError) for error in tried):
        return tried[0]
    listed = "; ".join(f"{name}: {error}" for name, error in failures.items())
    return NoEngine(f"no engine gave a result ({listed})")
