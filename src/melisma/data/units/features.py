"""Features of a corpus: every utterance of a manifest through an encoder, in shards, and not again what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from melisma.core.errors import InputError, UnknownName
from melisma.core.files import make_folder, write_atomically
from melisma.core.records import Float32
from melisma.data import manifest
from melisma.data.lines import writing
from melisma.data.manifest import Utterance
from melisma.data.recordings import Recordings
from melisma.data.report import Problem
from melisma.data.units import faults, feature_files, shards
from melisma.data.units.faults import Facts, Fault
from melisma.data.units.feature_files import DTYPES, FeatureLine, ShardWriter
from melisma.data.units.shards import Item, Shard, Shards
from melisma.scale.again import again, writes_here
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress, Resources, Task
from melisma.units.clock import SAMPLE_RATE
from melisma.units.encoder import Encoder, EncoderConfig, EncoderFacts
from melisma.units.encoders import open_encoder

SHARD_S = 600.0  # of audio in a shard


@dataclass(frozen=True, slots=True)
class Settings:
    """What is extracted.

    Parameters
    ----------
    encoder : EncoderConfig
        Which encoder, and how it works.
    dtype : {"float16", "float32"}
        On disk.
    shard_s : float
        Seconds of audio after which a shard ends.
    """

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    dtype: str = "float16"
    shard_s: float = SHARD_S

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise UnknownName("type of features", self.dtype, DTYPES)
        if not 1.0 <= self.shard_s <= 86_400.0:
            raise InputError(f"a shard takes 1 to 86,400 seconds of audio, not {self.shard_s:g}")


@dataclass(frozen=True, slots=True)
class Extract:
    """Stage: a shard of a manifest → an `.npy` of features, and which rows are whose.

    Parameters
    ----------
    out : str
        Folder of the shards.
    config : EncoderConfig
        The encoder.
    fingerprint : str
        Of the encoder.
    dtype : str
        On disk.
    """

    out: str
    config: EncoderConfig
    fingerprint: str
    dtype: str

    @property
    def name(self) -> str:
        """Of the stage."""
        return "extract"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        how = self.config
        return repr((2, self.fingerprint, self.dtype, how.half, how.batch_s, how.longest_s))

    def __call__(self, item: tuple[int, Item]) -> Facts:
        """Extract the features of a shard: its number, and the item of `shards.task_of`."""
        number, recordings = item
        encoder = _opened(self.config, self.fingerprint)
        path = Path(self.out) / f"shard-{number:05d}.npy"
        writer = ShardWriter(path, encoder.facts.n_dims, self.dtype)
        made: dict[str, Facts] = {}
        try:
            for batch in batches(self._heard(recordings, made), self.config.batch_s):
                found = faults.each(encoder.encode, [samples for _, samples in batch])
                for (name, samples), features in zip(batch, found, strict=True):
                    made[name] = self._kept(writer, features) | {"n_samples": len(samples)}
            # Until all are there, the index of an earlier run may be read, and finds the shards that it speaks of.
            file = writer.close(by_content=True)
        finally:
            writer.abandon()
        return {"file": list(file), "n_frames": writer.n_rows, "utterances": made}

    def _heard(self, recordings: Item, made: dict[str, Facts]) -> Iterator[tuple[str, Float32]]:
        for path, utterances in shards.read_item(recordings):
            for i, heard in shards.hear(path, utterances, Path(self.out)):
                if isinstance(heard, Fault):
                    made[utterances[i].id] = heard.facts()
                else:
                    yield utterances[i].id, heard

    def _kept(self, writer: ShardWriter, features: Float32 | Fault) -> Facts:
        if isinstance(features, Fault):
            return features.facts()
        first = writer.n_rows
        if writer.append(features):
            return {"first": first, "n_frames": len(features)}
        return {"error": f"its features are no numbers, or too large for {self.dtype}"}


@lru_cache(maxsize=1)
def _opened(config: EncoderConfig, fingerprint: str) -> Encoder:
    encoder = open_encoder(config)
    if encoder.facts.fingerprint != fingerprint:
        raise InputError(f"the encoder {config.name} is another one than when the run began")
    return encoder


def batches(heard: Iterable[tuple[str, Float32]], seconds: float) -> Iterator[list[tuple[str, Float32]]]:
    """Gather recordings until they make so many seconds: what an encoder is given at once, and what is in memory."""
    held: list[tuple[str, Float32]] = []
    n_samples = 0
    for each in heard:
        held.append(each)
        n_samples += len(each[1])
        if n_samples >= seconds * SAMPLE_RATE:
            yield held
            held, n_samples = [], 0
    if held:
        yield held


@dataclass(slots=True)
class Made:
    """What a run has done."""

    encoder: EncoderFacts
    n_utterances: int = 0
    n_frames: int = 0
    n_shards: int = 0
    n_shards_reused: int = 0
    n_failed: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


def write(
    found: Recordings,
    out: Path,
    settings: Settings,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Made:
    """Extract the features of a manifest into the folder `features` of a corpus.

    A run that was killed goes on where it was and ends in the same bytes. A process holds its encoder, the audio of a
    batch (`batch_s`, but at least one utterance) and the features of it; nothing grows with the corpus.

    Parameters
    ----------
    found : Recordings
        The manifest.
    out : Path
        Folder of the corpus.
    settings : Settings
        What is extracted.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.

    Raises
    ------
    InputError
        If the folder has features of another encoder, or the encoder cannot be had.
    OutputError
        If the folder cannot be written, or another run works in it.
    """
    executor = executor or LocalExecutor()
    folder = out / feature_files.FOLDER
    encoder = open_encoder(settings.encoder).facts
    _refuse_others(folder, encoder, settings.dtype)
    make_folder(folder)
    config = replace(settings.encoder, threads=1)  # processes are what there are many of
    stage = Extract(str(folder), config, encoder.fingerprint, settings.dtype)
    divided = Shards(found, settings.shard_s)
    made = Made(encoder)
    way = manifest.way_between(found.manifest.parent, out)
    with writing(folder / feature_files.INDEX) as add:
        for shard, outcome in _outcomes(divided, stage, out, executor, progress):
            for line in _told(shard, outcome, way, made):
                add(line.line())
    about = feature_files.about_json(encoder, settings.dtype, made.n_utterances, made.n_frames, made.n_shards)
    write_atomically(folder / feature_files.ABOUT, about)
    _remove_left_over(folder, made.files)
    return made


def _outcomes(
    divided: Shards, stage: Extract, out: Path, executor: Executor, progress: Progress | None
) -> Iterator[tuple[Shard, Outcome]]:
    """Yield every shard with what became of it; one whose file is gone, or whose faults may pass, is made again."""
    journal, needs = out / ".features.journal", resources(stage.config)
    done = executor.run(stage, Tasks(divided), journal=journal, progress=progress, resources=needs)
    folder = Path(stage.out) if writes_here(executor) else None
    anew: list[tuple[Task, Outcome]] = []
    for number, (shard, outcome) in enumerate(zip(divided.shards(), done, strict=True)):
        if outcome.reused and _is_lacking(folder, outcome.value):
            task = task_of(number, shard)
            outcome = again(executor, stage, task)
            anew.append((task, outcome))
        yield shard, outcome
    faults.keep(journal, stage, anew)


def resources(config: EncoderConfig) -> Resources:
    """Return what a process with an encoder needs: a GPU, where it is to run on one."""
    return Resources(gpus=1.0 if config.device.startswith("cuda") else 0.0)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The shards of a manifest as tasks that know their number."""

    divided: Shards

    def __len__(self) -> int:
        return len(self.divided)

    def __iter__(self) -> Iterator[Task]:
        return (task_of(number, shard) for number, shard in enumerate(self.divided.shards()))


def task_of(number: int, shard: Shard) -> Task:
    """Return the task of a shard: its item is its number and that of `shards.task_of`."""
    plain = shards.task_of(shard)
    return replace(plain, key=f"{number:05d}", item=(number, plain.item), signature=f"{number} {plain.signature}")


def _refuse_others(folder: Path, encoder: EncoderFacts, dtype: str) -> None:
    about = feature_files.read_about(folder)
    if about is None or not about.n_utterances:  # where nothing was heard, there is nothing to be mixed with
        return
    there = about.encoder
    if (there.fingerprint, about.dtype) != (encoder.fingerprint, dtype):
        of = f"{there.name}{'' if there.layer is None else f', layer {there.layer}'} ({about.dtype})"
        raise InputError(f"{folder} holds features of {of}: choose another folder, or remove it")


def _is_lacking(folder: Path | None, value: Facts) -> bool:
    if faults.may_pass(list(value["utterances"].values())):
        return True
    if folder is None:
        return False
    name, size = value["file"]
    try:
        return bool((folder / name).stat().st_size != size)
    except OSError:
        return True


def _told(shard: Shard, outcome: Outcome, way: str, made: Made) -> Iterator[FeatureLine]:
    utterances = [each for recording in shard for each in recording.utterances]
    if outcome.error is not None:
        made.problems += [Problem(each.id, "failed", outcome.error) for each in utterances]
        made.n_failed += len(utterances)
        return
    name, size = outcome.value["file"]
    made.files.add(name)
    made.n_shards += 1
    made.n_shards_reused += outcome.reused
    made.size_bytes += size
    for utterance in utterances:
        facts = outcome.value["utterances"][utterance.id]
        if "error" in facts:
            made.problems.append(Problem(utterance.id, "failed", facts["error"]))
            made.n_failed += 1
            continue
        made.n_utterances += 1
        made.n_frames += facts["n_frames"]
        made.seconds += facts["n_samples"] / SAMPLE_RATE
        yield _line(manifest.by_way(utterance, way), name, facts)


def _line(utterance: Utterance, shard: str, facts: Facts) -> FeatureLine:
    return FeatureLine(
        id=utterance.id,
        audio=utterance.audio,
        start=utterance.start,
        duration=facts["n_samples"] / SAMPLE_RATE,
        speaker_id=utterance.speaker_id,
        language=utterance.language,
        shard=shard,
        first=facts["first"],
        n_frames=facts["n_frames"],
    )


def _remove_left_over(folder: Path, used: set[str]) -> None:
    """Remove shards of earlier runs that the index does not speak of."""
    for path in folder.glob("shard-*.npy"):
        if feature_files.SHARD.fullmatch(path.name) and path.name not in used:
            with suppress(OSError):
                path.unlink()
