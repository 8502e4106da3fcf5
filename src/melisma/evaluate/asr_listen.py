"""The utterances of a recording through one transcriber, and how they sound: stages of `melisma.scale`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from melisma.audio import decode
from melisma.core.errors import EngineFailed, InputError, MelismaError, MissingDependency
from melisma.core.records import Float32, Heard, Waveform
from melisma.data import by_recording, cuts, noise
from melisma.data.levels import HOP_S, levels
from melisma.data.manifest import Utterance, audio_path
from melisma.data.recordings import Recording
from melisma.engines.protocol import EngineFacts, TranscribingEngine
from melisma.engines.protocol import Task as Kind
from melisma.evaluate.asr_hypotheses import Hypothesis
from melisma.evaluate.asr_judge import Sound
from melisma.pipeline import tiers
from melisma.pipeline.attempt import lent
from melisma.pipeline.listen import calling
from melisma.pipeline.settings import RouterSettings
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Task
from melisma.text.language import normalise

Progress = Callable[[str, float], None]
_FEW = 200  # recordings that are heard sooner than a second process starts
_SILENT_DB = -60.0  # of the loudest 10 ms: what nobody can have been recorded with


@dataclass(frozen=True, slots=True)
class Hear:
    """Stage: a recording's utterances through a transcriber → a hypothesis of each, without its id, or its `error`.

    Parameters
    ----------
    engine : str
        By any of its names.
    revision : str
        Of its code and model, so that a journal of another one is not gone on with.
    """

    engine: str
    revision: str = ""

    @property
    def name(self) -> str:
        """What progress calls it."""
        return Path(self.engine).name if "/" in self.engine else self.engine

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return f"1\n{self.engine}\n{self.revision}"

    def __call__(self, item: tuple[str, list[str]]) -> list[dict[str, Any]]:
        """Take the path of a recording and the lines of its utterances."""
        path, utterances = by_recording.read_item(item)
        engine = transcriber(self.engine)
        rate = engine.facts.sample_rate
        try:
            whole = decode.load(path, sample_rate=rate, downmix="mean").samples
        except (MelismaError, OSError) as error:
            return [{"error": _sentence(error)} for _ in utterances]
        return [_one(engine, _part(whole, rate, each), each) for each in utterances]


def transcriber(name: str) -> TranscribingEngine:
    """Return the engine of a name, if it hears words.

    Raises
    ------
    InputError
        If it does something else, or there is no such engine.
    EngineUnavailable, LicenceError
        If it cannot or may not be used here.
    """
    engine = tiers.usable(name, RouterSettings.from_env(), chosen=True)
    if engine.facts.task is not Kind.TRANSCRIBE:
        raise InputError(f"{name} hears no words by itself: melisma eval ctc measures how it places known ones")
    return cast(TranscribingEngine, engine)


def _one(engine: TranscribingEngine, samples: Float32, utterance: Utterance) -> dict[str, Any]:
    """Hear one utterance; what cannot be heard is a sentence, and costs the others nothing."""
    if not len(samples):
        return {"error": "the utterance lies outside its recording"}
    waveform = Waveform(samples, engine.facts.sample_rate)
    begun = time.monotonic()
    try:
        with calling(engine), lent(engine) as loaded, calling(engine):
            heard = loaded.transcribe(waveform, language_for(engine.facts, utterance.language))
    except MissingDependency:
        raise
    except MelismaError as error:
        return {"error": _sentence(error)}
    return {**_said(heard), "seconds": round(time.monotonic() - begun, 4)}


def language_for(facts: EngineFacts, language: str) -> str | None:
    """Return what an engine is told of a language: nothing where it is not known, or not one of its own."""
    if language in ("", "und"):
        return None
    try:
        code = normalise(language)
    except InputError:
        return None
    plain = code.partition("-")[0]
    if facts.languages is None or code in facts.languages:
        return code
    return plain if plain in facts.languages else None


def _said(heard: Heard) -> dict[str, Any]:
    tick = heard.unit.stride / heard.unit.sample_rate
    words = []
    for word in heard.words:
        start = max(0.0, word.start * tick)
        sure = None if word.confidence is None else min(1.0, max(0.0, float(word.confidence)))
        end = max(start, word.end * tick)
        words.append({"text": word.text, "start": round(start, 4), "end": round(end, 4), "probability": sure})
    text = " ".join(word.text.strip() for word in heard.words)
    return {"text": text, "language": "" if heard.language == "und" else heard.language, "words": words}


def _part(whole: Float32, rate: int, utterance: Utterance) -> Float32:
    first = round(utterance.start * rate)
    return whole[first : first + round(utterance.duration * rate)]


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def heard_by(
    engine: str,
    manifest: Path,
    utterances: Sequence[Utterance],
    *,
    jobs: int = 1,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Hypothesis]:
    """Let a transcriber hear every utterance, each recording decoded once.

    Parameters
    ----------
    engine : str
        By any of its names.
    manifest : Path
        That the utterances are of.
    jobs : int
        Processes, each with a model of its own.
    journal : Path, optional
        File that keeps what was heard, for a run that goes on after it was interrupted; used only where the revision of
        the model is known before it is loaded.

    Returns
    -------
    dict of Hypothesis
        By id; one that failed has its `error`.

    Raises
    ------
    EngineFailed
        If it failed for all of them.
    """
    facts = transcriber(engine).facts
    stage = Hear(engine, f"{facts.version} {facts.model_revision}")
    parts = list(_parts(manifest, utterances))
    done = LocalExecutor(jobs).run(
        stage, [task for task, _ in parts], journal=journal if facts.model_revision else None, progress=progress
    )
    found: dict[str, Hypothesis] = {}
    for (_, told), outcome in zip(parts, done, strict=True):
        values = outcome.value or [{"error": outcome.error or "it broke off"}] * len(told)
        found |= {
            each.id: Hypothesis.model_validate({"id": each.id, **value})
            for each, value in zip(told, values, strict=True)
        }
    if found and all(each.error for each in found.values()):
        raise EngineFailed(f"{engine} heard none of the utterances: {next(iter(found.values())).error}")
    return found


def sounds_of(
    manifest: Path, utterances: Sequence[Utterance], *, jobs: int | None = None, progress: Progress | None = None
) -> dict[str, Sound]:
    """Measure the noise of every utterance whose recording can be read; what the manifest says is believed."""
    parts = [each for each in _parts(manifest, utterances) if Path(each[0].item[0]).is_file()]
    few = jobs is None and len(parts) < _FEW
    done = LocalExecutor(1 if few else jobs).run(Listen(), [task for task, _ in parts], progress=progress)
    return {
        each.id: Sound(*value)
        for (_, told), outcome in zip(parts, done, strict=True)
        for each, value in zip(told, outcome.value or (), strict=False)
    }


@dataclass(frozen=True, slots=True)
class Listen:
    """Stage: a recording's utterances → the ratio of sound to noise of each in dB, and whether it is silent."""

    @property
    def name(self) -> str:
        """What progress calls it."""
        return "noise"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, _SILENT_DB))

    def __call__(self, item: tuple[str, list[str]]) -> list[tuple[float | None, bool]]:
        """Take the path of a recording and the lines of its utterances."""
        path, utterances = by_recording.read_item(item)
        heard = levels(cuts.blocks_of(path))
        return [_sound(heard, each) for each in utterances]


def _sound(heard: Float32, utterance: Utterance) -> tuple[float | None, bool]:
    first, last = round(utterance.start / HOP_S), round((utterance.start + utterance.duration) / HOP_S)
    part = heard[first:last]
    if not len(part):
        return noise.said_snr(utterance), False
    said, found = noise.said_snr(utterance), noise.snr_db(part)
    ratio = said if said is not None or found is None else round(found, 1)
    return ratio, bool(part.max() < _SILENT_DB)


def _parts(manifest: Path, utterances: Sequence[Utterance]) -> Iterator[tuple[Task, list[Utterance]]]:
    """Return the utterances by recording, as tasks with what they hold."""
    by_audio: dict[str, list[Utterance]] = {}
    for each in utterances:
        by_audio.setdefault(each.audio, []).append(each)
    for told in by_audio.values():
        task = by_recording.task_of(Recording(audio_path(manifest, told[0]), tuple(told)))
        yield task, told
