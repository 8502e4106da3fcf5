"""From a song to the best that an engine here makes of it: one tier after the other until the gate is content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from melisma.aligner.decoder import DecoderConfig
from melisma.aligner.gate import Verdict, judge
from melisma.core.errors import (
    AudioError,
    EngineError,
    InputError,
    LyricsError,
    MelismaError,
    ModelError,
    TooFewFrames,
    WrongLyrics,
)
from melisma.core.records import Lyrics
from melisma.engines.protocol import REMOVED_DATA, Engine, EngineFacts
from melisma.pipeline import log, repair, tiers
from melisma.pipeline.asked import Asked
from melisma.pipeline.attempt import Limits, attempt
from melisma.pipeline.listen import Placed, Task, listen
from melisma.pipeline.roster import Roster
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.pipeline.song import Song

# Lyrics and recording do not belong together, or the engine cannot hear that they do: a second one decides.
_SONGS_FAULT = (WrongLyrics, TooFewFrames)
_MOSTLY = 0.5  # share of the words that one has to find sung that says that they do


@dataclass(frozen=True, slots=True)
class Route:
    """How a song is to be walked.

    Parameters
    ----------
    engine : str
        The one that is wanted, or AUTO.
    fallback : bool
        Whether other engines follow a named one.
    decoder : DecoderConfig
        What the search is told.
    track_id : str
        What log lines call the song.
    """

    engine: str = AUTO
    fallback: bool = False
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    track_id: str = ""


@dataclass(frozen=True, slots=True)
class _Result:
    placed: Placed
    verdict: Verdict

    def beats(self, other: _Result | None) -> bool:
        return other is None or self._worth() > other._worth()

    def _worth(self) -> tuple[bool, int, float]:
        return self.verdict.passed, -len(self.verdict.reasons), self.verdict.confidence_avg or 0.0


def route(song: Song, wanted: Route, settings: RouterSettings, asked: Asked | None = None) -> Placed:
    """Put the words of a song on the timeline; `asked` takes note of the engines that had a say.

    Raises
    ------
    NoEngine
        If no tier gave a result; the sentence says of each why.
    InputError
        If the recording cannot be used, or every engine that could listen refused it or the lyrics: what the first
        one said.
    """
    asked = asked or Asked()
    began, walk = log.Walk(wanted.track_id), _Walk(song, wanted, settings, asked)
    try:
        result = walk.go()
    except MelismaError as error:
        began.failed(error)
        raise
    began.ended(result.placed.facts, walk.tier(result.placed), result.verdict)
    asked.passed = result.verdict.passed
    said = list(walk.told_of(result.placed))
    if not result.verdict.passed:
        said.append(f"the quality gate refuses this alignment: {'; '.join(result.verdict.reasons)}")
    return replace(result.placed, warnings=(*result.placed.warnings, *said))


def alone(wanted: Route, settings: RouterSettings) -> bool:
    """Whether one engine is used, whatever comes of it."""
    return _roster(None, wanted, settings).alone


def plan(song: Song, wanted: Route, settings: RouterSettings) -> tuple[Engine, ...]:
    """Return the engines that would be tried now, in order, without asking any."""
    return _roster(song.lyrics, wanted, settings).plan()


def _roster(lyrics: Lyrics | None, wanted: Route, settings: RouterSettings) -> Roster:
    return Roster(wanted.engine, wanted.fallback, lyrics, settings, wanted.track_id)


def _removed(facts: EngineFacts) -> tuple[str, ...]:
    """Say of a model that data of it was removed: `melisma data remove` has left a REMOVED_DATA.json beside it."""
    if REMOVED_DATA not in facts.licence.tainted_by:
        return ()
    return (f"the model {facts.model_id!r} was trained on {REMOVED_DATA}: train it anew without (REMOVED_DATA.json)",)


def _sung(placed: Placed) -> float:
    """Return the share of words that are sung."""
    return sum(not word.unsung for word in placed.words) / max(1, len(placed.words))


class _Walk:
    """One song on its way through the tiers."""

    def __init__(self, song: Song, wanted: Route, settings: RouterSettings, asked: Asked) -> None:
        self._song, self._wanted, self._settings, self._asked = song, wanted, settings, asked
        self._roster = _roster(song.lyrics, wanted, settings)
        self._failures: dict[str, MelismaError] = {}  # what engines raised
        self._whole: dict[str, Placed] = {}  # what engines made of the whole song
        self._refused: list[str] = []  # engines whose result the gate refused, or that found none
        self._best: _Result | None = None
        self._fault: MelismaError | None = None  # an engine says that lyrics and recording do not belong together

    def go(self) -> _Result:
        """Try the tiers in turn; return the first result that passes, or the best there is."""
        for name, engine in self._roster.tiers():
            doubted = self._fault is not None
            result = self._try(name, engine)
            if result is None:
                continue
            if doubted and not (result.verdict.passed and _sung(result.placed) >= _MOSTLY):
                break
            if result.verdict.passed:
                self._roster.settled(name, self._refused)
                return result
            if result.beats(self._best):
                self._best = result
        if self._best is None:
            raise self._nothing()
        return self._best

    def tier(self, placed: Placed) -> int:
        """Return the how-manieth engine a result is of, of those that can run here, from 1."""
        return self._roster.tier(placed.facts.name)

    def told_of(self, placed: Placed) -> Iterator[str]:
        """Say of each engine that was tried before the one whose result is kept why it is not that one's."""
        for name, error in self._failures.items():
            if name != placed.facts.name:
                yield f"{placed.facts.name} was used because {name} failed: {error}"

    def _try(self, name: str, engine: Engine) -> _Result | None:
        """Let one engine work on the whole song; None, with the reason kept, if nothing came of it."""
        began = log.Attempt(self._wanted.track_id, engine.facts)
        try:
            placed, task = self._listen(engine)
        except (AudioError, LyricsError) as error:
            began.failed(error)
            raise  # the same for every engine
        except (EngineError, InputError, ModelError) as error:
            began.failed(error)
            self._roster.failed(name, error)
            if self._roster.alone or (self._fault and isinstance(error, _SONGS_FAULT)):
                raise
            self._failures[name] = error
            if isinstance(error, _SONGS_FAULT):
                self._refused.append(name)
                self._fault = error if self._best is None else None
            return None
        result = self._judged(name, placed)
        if result.verdict.passed:
            began.kept(result.placed, result.verdict)
            return result
        began.refused(result.placed, result.verdict)
        self._refused.append(name)
        return self._repaired(name, result, task)

    def _listen(self, engine: Engine) -> tuple[Placed, Task]:
        with self._asked.by(engine):
            waveform, language = self._song.prepare(engine)
            task = Task(waveform, self._song.lyrics, language.code, self._wanted.decoder)
            placed = self._in_time(engine, task)
        said = (*_removed(engine.facts), *self._song.warnings(engine.facts), language.warning)
        return replace(placed, warnings=(*filter(None, said), *placed.warnings)), task

    def _in_time(self, engine: Engine, task: Task) -> Placed:
        limit_s = self._settings.timeouts.limit_s(engine.facts.name, task.waveform.duration_s)
        limits = Limits(limit_s, self._settings.retries)
        return attempt(engine, lambda tell: listen(engine, task, tell), self._song.tell, limits)

    def _judged(self, name: str, placed: Placed) -> _Result:
        """Ask the gate, and a second engine if that is wanted and the gate alone is content."""
        verdict = judge(placed.words, placed.emission, self._settings.gate)
        if (
            verdict.passed
            and self._settings.second_opinion
            and self._song.lyrics is not None
            and not self._roster.alone
        ):
            second = self._second(name)
            if second is not None:
                verdict = judge(placed.words, placed.emission, self._settings.gate, second.words)
        self._whole[name] = placed
        return _Result(placed, verdict)

    def _second(self, name: str) -> Placed | None:
        """Return what another engine made of the song: one that was asked before, or else the next one."""
        if self._whole:
            return next(iter(self._whole.values()))
        for other, engine in self._roster.others(name):
            began = log.Attempt(self._wanted.track_id, engine.facts, scope="second opinion")
            try:
                placed, _ = self._listen(engine)
            except (EngineError, InputError, ModelError) as error:
                began.failed(error)
                self._roster.failed(other, error)
                continue
            began.kept(placed, judge(placed.words, placed.emission, self._settings.gate))
            return placed
        return None

    def _repaired(self, name: str, result: _Result, task: Task) -> _Result:
        """Let other engines place the weak stretches of a result that the gate refused; keep what is better."""
        if not self._settings.repair or self._roster.alone or self._song.lyrics is None:
            return result
        for other, engine in self._roster.others(name):
            for stretch in repair.stretches(result.placed):
                result = self._mended(other, engine, result, task, stretch)
            if result.verdict.passed:
                break
        return result

    def _mended(self, name: str, engine: Engine, result: _Result, task: Task, stretch: repair.Stretch) -> _Result:
        began = log.Attempt(self._wanted.track_id, engine.facts, scope=stretch.named)
        try:
            with self._asked.by(engine):
                whole, language = self._song.prepare(engine)
                part = repair.cut(replace(task, waveform=whole, language=language.code), stretch)
                local = self._in_time(engine, part)
        except (EngineError, InputError, ModelError) as error:
            began.failed(error)
            self._roster.failed(name, error)
            return result
        merged = repair.merge(result.placed, stretch, local)
        if merged is None:
            began.refused(local, reason="it is no surer of these lines")
            return result
        verdict = judge(merged.words, merged.emission, self._settings.gate)
        began.kept(local, verdict)
        return _Result(merged, verdict)

    def _nothing(self) -> MelismaError:
        if self._fault is not None:
            return self._fault
        tried = list(self._failures.values())
        if tried and all(isinstance(error, InputError) for error in tried):
            return tried[0]
        return tiers.nothing(self._song.lyrics, self._roster.skipped | self._failures)
