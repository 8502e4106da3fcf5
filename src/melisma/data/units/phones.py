"""Phones of a corpus with their times, from transcripts: what units are held against. JSON lines, one an utterance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from melisma.aligner.phone_times import align_phones
from melisma.core.errors import InputError, ManifestError, MelismaError
from melisma.core.records import Float32, Int64
from melisma.data import manifest
from melisma.data.lines import writing
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.data.report import Problem
from melisma.data.units import faults, shards
from melisma.data.units.faults import Fault
from melisma.data.units.shards import Item, Shards
from melisma.engines.phone import PhoneEngine
from melisma.models import features
from melisma.scale.again import again
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Task
from melisma.text import espeak
from melisma.units.clock import SAMPLE_RATE, STRIDE, WINDOW

SILENCE = "sil"  # of frames in which no phone sounds
MAX_PHONES = 4096  # kinds
_Span = tuple[Annotated[str, Field(min_length=1, max_length=64)], manifest.Seconds, manifest.Seconds]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=1000)]
    phones: list[_Span]


@dataclass(frozen=True, slots=True)
class PhoneSpans:
    """Phones of an utterance: `kind` int64 [n] among the names of `Phones`, float64 [n] seconds from its beginning."""

    kind: Int64
    start: Any
    end: Any

    def of_frames(self, n_frames: int) -> Int64:
        """Return the phone of every unit's frame, int64 [n_frames]: what sounds in the middle of its 25 ms, or 0.

        0 is `SILENCE`. Where spans overlap, it is the later one.
        """
        middle = (np.arange(n_frames) * STRIDE + WINDOW / 2) / SAMPLE_RATE
        at = np.searchsorted(self.start, middle, side="right") - 1
        if not len(self.start):
            return np.zeros(n_frames, np.int64)
        sounding = (at >= 0) & (middle < self.end[at])
        return np.where(sounding, self.kind[at], 0)


@dataclass(frozen=True, slots=True)
class Phones:
    """Phones of a corpus, in memory: 24 bytes each.

    Parameters
    ----------
    names : tuple of str
        `SILENCE`, and every phone there is.
    spans : mapping
        Of each utterance, by its id.
    """

    names: tuple[str, ...]
    spans: dict[str, PhoneSpans]


def read(path: Path) -> Phones:
    """Read phones: lines with `id` and `phones`, a list of [phone, start, end] in seconds; other fields are ignored.

    Raises
    ------
    ManifestError
        If it cannot be read, or a line is wrong.
    InputError
        If it holds no phone, or more than 4,096 kinds.
    """
    names: dict[str, int] = {SILENCE: 0}
    spans: dict[str, PhoneSpans] = {}
    for line in manifest.lines(path):
        try:
            said = _Line.model_validate_json(line.data)
        except ValidationError as error:
            raise ManifestError(path, line.number, manifest.fault(error)) from error
        rows = sorted(said.phones, key=lambda row: (row[1], row[2]))
        kind = np.array([names.setdefault(name, len(names)) for name, _, _ in rows], np.int64)
        times = np.array([row[1:] for row in rows], np.float64).reshape(-1, 2)
        spans[said.id] = PhoneSpans(kind, times[:, 0].copy(), times[:, 1].copy())
        if len(names) > MAX_PHONES:
            raise InputError(f"{path} has more than {MAX_PHONES:,} kinds of phones: are these words?")
    if len(names) == 1:
        raise InputError(f"{path} holds no phone with its times")
    return Phones(tuple(names), spans)


@dataclass(frozen=True, slots=True)
class AlignPhones:
    """Stage: a recording and its utterances → when each phone of their transcripts sounds.

    Parameters
    ----------
    scratch : str
        Folder where long parts of recordings are kept while they are decoded.
    language : str, optional
        Of all utterances; what each says of itself without.
    """

    scratch: str
    language: str | None = None

    @property
    def name(self) -> str:
        """Of the stage."""
        return "phones"

    def configuration(self) -> str:
        """Return what decides the outcome: the network, too."""
        return repr((1, _engine().facts.model_revision, self.language))

    def __call__(self, item: Item) -> list[list[dict[str, Any]]]:
        """Align a shard of recordings."""
        return [self._recording(path, utterances) for path, utterances in shards.read_item(item)]

    def _recording(self, path: Path, utterances: list[Utterance]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [{"error": "it has no transcript"}] * len(utterances)
        asked = [i for i, each in enumerate(utterances) if each.transcript.split()]
        for k, heard in shards.hear(path, [utterances[i] for i in asked], Path(self.scratch)):
            if isinstance(heard, Fault):
                made[asked[k]] = heard.facts()
                continue
            try:
                made[asked[k]] = {"phones": _phones(heard, utterances[asked[k]], self.language)}
            except MelismaError as error:
                made[asked[k]] = faults.of_error(error).facts()
        return made


@lru_cache(maxsize=1)
def _engine() -> PhoneEngine:
    return PhoneEngine()


def _phones(samples: Float32, utterance: Utterance, language: str | None) -> list[list[Any]]:
    """Return [phone, start, end] of a transcript, seconds to 10 ms."""
    engine = _engine()
    said = language or utterance.language
    if said in ("", "und", "mul"):
        raise InputError(f"{utterance.id} does not say its language: say it with --language")
    phones = [phone for word in utterance.transcript.split() for phone in engine.spell(word, said)]
    if not phones:
        raise InputError(f"the transcript of {utterance.id} has no phone")
    index = {label: i for i, label in enumerate(engine.labels)}
    labels = np.array([index[phone] for phone in phones], np.int64)
    log_power = features.log_mel(samples)
    times = align_phones(log_power, labels, lambda normal: engine.hear(normal)[0], engine.card.hops)
    second = SAMPLE_RATE / features.HOP
    spans = zip(phones, times.start.tolist(), times.stop.tolist(), strict=True)
    return [[phone, start / second, stop / second] for phone, start, stop in spans]


@dataclass(slots=True)
class Made:
    """What a run has done."""

    n_aligned: int = 0
    n_reused: int = 0
    n_without_transcript: int = 0
    n_phones: int = 0
    problems: list[Problem] = field(default_factory=list)


def write(
    found: Recordings,
    path: Path,
    *,
    language: str | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Made:
    """Align the phones of every utterance of a manifest that has a transcript, and write them as JSON lines.

    Parameters
    ----------
    found : Recordings
        The manifest.
    path : Path
        File to write; `.<name>.journal` beside it keeps what is done.
    language : str, optional
        Of all utterances.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    UnknownName
        If no voice speaks the language that is said of all.
    OutputError
        If the file cannot be written, or another run writes it.
    """
    if language is not None:
        espeak.voice_code(language)  # once, and before anything is written: each utterance would fail by it
    made = Made()
    tasks = Shards(found, 0.0)
    stage = AlignPhones(str(path.parent), language)
    with writing(path) as add:
        journal = path.with_name(f".{path.name}.journal")
        done = (executor or LocalExecutor()).run(stage, tasks, journal=journal, progress=progress)
        anew: list[tuple[Task, Outcome]] = []
        for shard, outcome in zip(tasks.shards(), done, strict=True):
            if outcome.reused and faults.may_pass(outcome.value[0]):
                task = shards.task_of(shard)
                outcome = again(executor, stage, task)
                anew.append((task, outcome))
            for line in _told(shard[0], outcome, made):
                add(line)
        faults.keep(journal, stage, anew)
    return made


def _told(recording: Recording, outcome: Outcome, made: Made) -> Iterator[str]:
    values = [{"error": outcome.error}] * len(recording.utterances) if outcome.error else outcome.value[0]
    for utterance, facts in zip(recording.utterances, values, strict=True):
        if not utterance.transcript.split():
            made.n_without_transcript += 1
        elif "error" in facts:
            made.problems.append(Problem(utterance.id, "failed", facts["error"]))
        else:
            made.n_aligned += 1
            made.n_reused += outcome.reused
            made.n_phones += len(facts["phones"])
            yield _Line(id=utterance.id, phones=facts["phones"]).model_dump_json()
