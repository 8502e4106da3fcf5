"""A corpus of units: every utterance of a manifest encoded, over any executor, and not again what is done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from melisma.core.errors import EngineUnavailable, InputError
from melisma.core.records import Float32, Int64
from melisma.data import manifest
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recording, Recordings
from melisma.data.report import Problem
from melisma.data.units import corpus_files, faults, features, shards
from melisma.data.units.corpus_files import CorpusFiles, Layout
from melisma.data.units.faults import Facts, Fault
from melisma.data.units.shards import Item, Shard, Shards
from melisma.scale.again import again
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Task
from melisma.units import codebook_file
from melisma.units.clock import SAMPLE_RATE
from melisma.units.encode import UnitEncoder, open_unit_encoder
from melisma.units.encoder import EncoderConfig
from melisma.units.line import UnitLine, joined

JOURNAL = ".encode.journal"
ALONE = ".encode.alone.journal"  # of recordings that are done by themselves because their shard failed
_BATCHES = "hub"  # the kind of encoders for which recordings are put together; others take them one by one


@dataclass(frozen=True, slots=True)
class Encode:
    """Stage: recordings with their utterances → the units of each, or what is wrong with it.

    Parameters
    ----------
    codebook : str
        Its `.npz`, or its folder, as the processes of the executor see it.
    sha256, fingerprint : str
        Of its centres and of its encoder.
    config : EncoderConfig
        Its encoder, and how it works.
    scratch : str
        Folder where long parts of recordings are kept while they are decoded.
    """

    codebook: str
    sha256: str
    fingerprint: str
    config: EncoderConfig
    scratch: str

    @property
    def name(self) -> str:
        """Of the stage."""
        return "encode"

    def configuration(self) -> str:
        """Return what decides the outcome: centres, encoder, and in which parts and how exactly it works."""
        return repr((1, self.sha256, self.fingerprint, self.config.half, self.config.longest_s))

    def __call__(self, item: Item) -> list[list[Facts]]:
        """Encode a shard: of each recording its path, and the lines of its utterances."""
        encoder = _opened(self.codebook, self.sha256, self.config)
        recordings = shards.read_item(item)
        made: list[list[Facts]] = [[{}] * len(utterances) for _, utterances in recordings]
        for batch in _batches(self._heard(recordings, made), self.config.batch_s):
            for (r, i, samples), facts in zip(batch, _encoded(encoder, [each[2] for each in batch]), strict=True):
                made[r][i] = facts | {"n_samples": len(samples)}
        if sum(map(len, made)) == 1 and "error" in made[0][0]:
            raise InputError(made[0][0]["error"])  # as an error it is not kept, and tried again by the next run
        return made

    def _heard(
        self, recordings: list[tuple[Path, list[Utterance]]], made: list[list[Facts]]
    ) -> Iterator[tuple[int, int, Float32]]:
        for r, (path, utterances) in enumerate(recordings):
            for i, heard in shards.hear(path, utterances, Path(self.scratch)):
                if isinstance(heard, Fault):
                    made[r][i] = heard.facts()
                else:
                    yield r, i, heard


@lru_cache(maxsize=1)
def _opened(codebook: str, sha256: str, config: EncoderConfig) -> UnitEncoder:
    encoder = open_unit_encoder(Path(codebook), config)
    if encoder.codebook.sha256 != sha256:
        raise EngineUnavailable(f"{codebook} is not the codebook that the run began with", lasting=True)
    return encoder


def _batches(heard: Iterable[tuple[int, int, Float32]], seconds: float) -> Iterator[list[tuple[int, int, Float32]]]:
    batch: list[tuple[int, int, Float32]] = []
    n_samples = 0
    for each in heard:
        batch.append(each)
        n_samples += len(each[2])
        if n_samples >= seconds * SAMPLE_RATE:
            yield batch
            batch, n_samples = [], 0
    if batch:
        yield batch


def _encoded(encoder: UnitEncoder, waveforms: Sequence[Float32]) -> list[Facts]:
    """Return units and runs of recordings; one that cannot be encoded costs no other."""
    found = faults.each(encoder.units, waveforms)
    return [units.facts() if isinstance(units, Fault) else _units(units) for units in found]


def _units(frames: Int64) -> Facts:
    units, runs = joined(frames.tolist())
    return {"units": units, "runs": runs}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a corpus is encoded.

    Parameters
    ----------
    codebook : Path
        Its `.npz`, or its folder.
    config : EncoderConfig
        Its encoder, as `config_of` gives it, and how it works.
    layout : Layout
        Which files are written.
    """

    codebook: Path
    config: EncoderConfig
    layout: Layout = field(default_factory=Layout)


@dataclass(slots=True)
class Made:
    """What a run has done, and for how many frames each unit of `k` was."""

    count: corpus_files.Count
    usage: Counter[int]
    k: int
    n_reused: int = 0
    problems: list[Problem] = field(default_factory=list)


def write(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Made:
    """Encode a manifest into a folder: `corpus_timestamped.jsonl`, `all_units_for_bpe.txt` and what `Layout` names.

    A run that was killed goes on where it was, by the journal in the folder, and ends in the same bytes. In memory are
    the batches of the processes and the outcomes that wait for their turn, never the corpus.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder.
    settings : Settings
        Codebook, encoder, files.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If the codebook cannot be read.
    EngineUnavailable
        If its encoder cannot be had.
    OutputError
        If the folder cannot be written, or another run works in it.
    """
    executor = executor or LocalExecutor()
    book = codebook_file.read(settings.codebook)
    together = book.encoder.kind == _BATCHES
    # Processes are what there are many of, and the number of threads would show in the last bits of torch's features.
    config = replace(settings.config, threads=1, batch_s=settings.config.batch_s if together else 0.0)
    open_unit_encoder(settings.codebook, config)  # before anything is written; processes open theirs
    stage = Encode(str(settings.codebook), book.sha256, book.encoder.fingerprint, config, str(out))
    tasks = Shards(found, config.batch_s)
    about = {"codebook": book.sha256, "manifest": _digest(found), "layout": corpus_files.plain(settings.layout)}
    way = manifest.way_between(found.manifest.parent, out)
    with corpus_files.opened(out, settings.layout, about, found.n_utterances) as files:
        made = Made(files.count, files.usage, book.k)
        needs = features.resources(config)
        outcomes = executor.run(stage, tasks, journal=out / JOURNAL, progress=progress, resources=needs)
        doing = _Doing(stage, executor, out)
        for shard, outcome in zip(tasks.shards(), outcomes, strict=True):
            for recording, each, reused in doing.told(shard, outcome):
                made.n_reused += len(recording.utterances) * reused
                _add(recording, each, files, made, way)
        faults.keep(out / JOURNAL, stage, doing.anew)
    return made


def _digest(found: Recordings) -> str:
    with found.manifest.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class _Doing:
    """What does a corpus: `anew` gathers what is done beside the run, for the journal to know of when that is over."""

    stage: Encode
    executor: Executor
    out: Path
    anew: list[tuple[Task, Outcome]] = field(default_factory=list)

    def told(self, shard: Shard, outcome: Outcome) -> Iterator[tuple[Recording, list[Facts], bool]]:
        """Yield the facts of each recording of a shard, and whether they were known.

        What failed together is tried one by one, with a journal of its own: one that ends runs does so twice at most.
        """
        if outcome.error is not None and len(shard) > 1:
            tasks = [shards.task_of((recording,)) for recording in shard]
            alone = self.executor.run(self.stage, tasks, journal=self.out / ALONE)
            for recording, each in zip(shard, alone, strict=True):
                yield recording, self._whole(recording, each), each.reused
            return
        if outcome.error is not None:
            yield shard[0], self._whole(shard[0], outcome), False
            return
        found: list[list[Facts]] = outcome.value
        if outcome.reused and any(map(faults.may_pass, found)):
            found = [self._again(recording, facts) for recording, facts in zip(shard, found, strict=True)]
            task = shards.task_of(shard)
            self.anew.append((task, Outcome(task.key, found)))
        yield from ((recording, facts, outcome.reused) for recording, facts in zip(shard, found, strict=True))

    def _whole(self, recording: Recording, outcome: Outcome) -> list[Facts]:
        if outcome.error is not None:
            return [{"error": outcome.error}] * len(recording.utterances)
        facts: list[Facts] = outcome.value[0]
        return self._again(recording, facts) if outcome.reused else facts

    def _again(self, recording: Recording, facts: list[Facts]) -> list[Facts]:
        """Return the facts of a recording with those done anew whose fault may pass."""
        left = [i for i, each in enumerate(facts) if each.get("again")]
        if not left:
            return facts
        part = Recording(recording.path, tuple(recording.utterances[i] for i in left))
        outcome = again(self.executor, self.stage, shards.task_of((part,)))
        found = [{"error": outcome.error, "again": True}] * len(left) if outcome.error else outcome.value[0]
        made = list(facts)
        for i, each in zip(left, found, strict=True):
            made[i] = each
        return made


def _add(recording: Recording, facts: list[Facts], files: CorpusFiles, made: Made, way: str) -> None:
    for utterance, each in zip(recording.utterances, facts, strict=True):
        if "error" in each:
            files.fail()
            made.problems.append(Problem(utterance.id, "failed", each["error"]))
        else:
            files.add(_line(manifest.by_way(utterance, way), each))
    if not any("error" in each for each in facts):
        files.done(manifest.by_way(recording.utterances[0], way).audio)


def _line(utterance: Utterance, facts: Facts) -> UnitLine:
    return UnitLine(
        id=utterance.id,
        audio=utterance.audio,
        units=tuple(facts["units"]),
        runs=tuple(facts["runs"]),
        start_s=utterance.start,
        duration_s=facts["n_samples"] / SAMPLE_RATE,
        speaker_id=utterance.speaker_id or None,
        language=None if utterance.language in ("", "und") else utterance.language,
    )
