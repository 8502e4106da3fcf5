"""What a vocoder learns from: recordings of a corpus of units, some of them held out, and segments drawn from them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import make_folder
from melisma.core.records import Float32, Int64
from melisma.data.units.corpus_files import check_codebook
from melisma.models.vocoder.inputs import NOBODY, UNKNOWN
from melisma.scale.again import again
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor
from melisma.train.vocoder.config import VocoderTrainingConfig
from melisma.train.vocoder.parts import MakePart, mapped, tasks
from melisma.units.clock import STRIDE, TIMEBASE
from melisma.units.read import read_lines

_SHORTEST = 5  # frames of a recording that something can be learnt from
_OPEN = 64  # parts whose arrays are mapped at once
_SAID = 3  # recordings that are named where many cannot be used


@dataclass(frozen=True, slots=True)
class Row:
    """A recording in a part: where it begins and how long it is, in frames of 20 ms."""

    id: str
    part: str
    first: int
    n_frames: int
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of a training: `tell` a stage and the share of it that is done, `say` sentences for the user."""

    tell: Callable[[str, float], None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Segments: `units` int64 [batch, n_frames], `samples` float32 [batch, 320 · n_frames], `speaker` int64 [batch].

    `f0_hz` is float32 [batch, n_frames], all unknown where pitch is not used.
    """

    units: Int64
    samples: Float32
    speaker: Int64
    f0_hz: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The recordings of a corpus, prepared.

    Parameters
    ----------
    folder : Path
        Of the parts.
    learnt, held_out : tuple of Row
        What is learnt from, and what is judged by.
    speakers : tuple of str
        All of those that are learnt from, sorted.
    by_speaker : bool
        Whether nobody is heard on both sides.
    with_f0 : bool
        Whether there is pitch.
    """

    folder: Path
    learnt: tuple[Row, ...]
    held_out: tuple[Row, ...]
    speakers: tuple[str, ...]
    by_speaker: bool
    with_f0: bool

    def fingerprint(self) -> str:
        """Return a hash of what is learnt from and what is held out."""
        said = [f"{row.id}\t{row.part}\t{row.first}\t{row.n_frames}\t{row.speaker}" for row in self.learnt]
        said += ["", *(row.id for row in self.held_out)]
        return hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()

    def read(self, row: Row, first: int, n_frames: int) -> tuple[Int64, Float32, Float32]:
        """Read part of a recording: units [n_frames], samples [320 · n_frames] and pitch in Hz [n_frames]."""
        audio, units, f0 = _arrays(self.folder, row.part, self.with_f0)
        start, stop = row.first + first, row.first + first + n_frames
        samples = audio[start * STRIDE : stop * STRIDE].astype(np.float32) / np.float32(32767)
        hz = f0[start:stop] if f0 is not None else np.full(n_frames, UNKNOWN)
        return units[start:stop].astype(np.int64), samples, hz.astype(np.float32)


@lru_cache(maxsize=_OPEN)
def _arrays(folder: Path, part: str, with_f0: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    audio = mapped(folder / f"{part}.audio.npy", np.int16)
    units = mapped(folder / f"{part}.units.npy", np.int32)
    return audio, units, mapped(folder / f"{part}.f0.npy", np.float32) if with_f0 else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What material is asked for.

    Parameters
    ----------
    folder : Path
        Of the corpus.
    out : Path
        Where the arrays go: 2 bytes a sample, 115 MB an hour.
    config : VocoderTrainingConfig
        Whether pitch is used, how much is held out, and the seed.
    k : int
        Units of the codebook.
    """

    folder: Path
    out: Path
    config: VocoderTrainingConfig
    k: int


def prepare(wanted: Wanted, told: Told | None = None, executor: Executor | None = None) -> Material:
    """Make the arrays of a corpus of units, or find them, and hold some recordings out.

    Parameters
    ----------
    wanted : Wanted
        Of which corpus, and where.
    told : Told, optional
        Who hears the share that is done, and sentences; nobody without.
    executor : Executor, optional
        Who makes them; all cores without one.

    Raises
    ------
    InputError
        If there is nothing to learn from, or its units are of another codebook than lies there.
    """
    folder, out, config = wanted.folder, wanted.out, wanted.config
    told = told or Told()
    check_codebook(folder)
    if next(read_lines(folder), None) is None:
        raise InputError(f"{folder} holds no recording that a vocoder could learn from")
    make_folder(out)
    stage = MakePart(str(out), config.f0, wanted.k)
    rows: list[Row] = []
    failed: list[tuple[str, str]] = []
    journal = out / f"parts{'-f0' if config.f0 else ''}.journal"
    done = (executor or LocalExecutor()).run(stage, tasks(folder), journal=journal, progress=told.tell)
    for task, outcome in zip(tasks(folder), done, strict=True):
        if outcome.reused and not _still_there(out, outcome.value["files"]):
            outcome = again(executor, stage, task)
        if outcome.error is not None:
            raise InputError(f"{outcome.key} of {folder}: {outcome.error}")
        failed += [tuple(each) for each in outcome.value["failed"]]
        first = 0
        for identifier, n_frames, speaker in outcome.value["rows"]:
            rows.append(Row(identifier, outcome.key, first, n_frames, speaker))
            first += n_frames
    if failed:
        more = f", and {len(failed) - _SAID} more" if len(failed) > _SAID else ""
        told.say(
            f"{len(failed)} of {len(failed) + len(rows)} recordings are left out: "
            + "; ".join(f"{name}: {why}" for name, why in failed[:_SAID])
            + more
        )
    return _split(out, [row for row in rows if row.n_frames >= _SHORTEST], config)


def _still_there(out: Path, files: Sequence[Sequence[Any]]) -> bool:
    try:
        return all((out / str(name)).stat().st_size == size for name, size in files)
    except OSError:
        return False


def _split(out: Path, rows: list[Row], config: VocoderTrainingConfig) -> Material:
    """Hold out whole speakers until there is enough, where there are several and none is most of the corpus."""
    if len(rows) < 2:
        raise InputError("a vocoder learns from two recordings at least: one to learn from, and one to judge by")
    wanted = config.held_out * sum(row.n_frames for row in rows)
    order = np.random.default_rng([config.seed, 17]).permutation(len(rows))
    frames: Counter[str] = Counter()
    for row in rows:
        if row.speaker is not None:
            frames[row.speaker] += row.n_frames
    out_speakers = _held_speakers([rows[i] for i in order], frames, wanted)
    if out_speakers:
        held = [i for i in order if rows[i].speaker in out_speakers]
    else:
        ends = np.cumsum([rows[i].n_frames for i in order])
        held = list(order[: min(len(rows) - 1, int(np.searchsorted(ends, wanted)) + 1)])
    chosen = set(map(int, held))
    learnt = tuple(row for i, row in enumerate(rows) if i not in chosen)
    speakers = tuple(sorted({row.speaker for row in learnt if row.speaker is not None}))
    return Material(out, learnt, tuple(rows[i] for i in held), speakers, bool(out_speakers), config.f0)


def _held_speakers(rows: Sequence[Row], frames: Counter[str], wanted: float) -> set[str]:
    """Return speakers who have said enough together but not more than three times as much; none if that cannot be."""
    if any(row.speaker is None for row in rows) or len(frames) < 3:
        return set()
    found: set[str] = set()
    total = 0
    for row in rows:
        speaker = str(row.speaker)
        if total >= wanted:
            break
        if speaker not in found and total + frames[speaker] <= 3 * wanted:
            found.add(speaker)
            total += frames[speaker]
    return found if total >= wanted / 3 else set()


class Segments:
    """Random segments: which ones a step sees follows from the seed and its number alone.

    Parameters
    ----------
    material : Material
        The recordings.
    config : VocoderTrainingConfig
        Length and number of segments, and the seed.
    """

    def __init__(self, material: Material, config: VocoderTrainingConfig) -> None:
        self.material, self.config = material, config
        self.n_frames = max(_SHORTEST, TIMEBASE.ticks(config.segment_s))
        self._ends = np.cumsum([row.n_frames for row in material.learnt])
        self._numbers = {speaker: n for n, speaker in enumerate(material.speakers, 1)} if config.speaker else {}

    def batch(self, step: int, part: int = 0) -> Batch:
        """Return the segments of a step; another `part` of it has others. Every second is as likely as any other."""
        rng = np.random.default_rng([self.config.seed, step, part])
        drawn = [self._segment(rng) for _ in range(self.config.batch_size)]
        units, samples, speaker, f0_hz = zip(*drawn, strict=True)
        return Batch(np.stack(units), np.stack(samples), np.array(speaker, np.int64), np.stack(f0_hz))

    def _segment(self, rng: np.random.Generator) -> tuple[Int64, Float32, int, Float32]:
        place = int(rng.integers(self._ends[-1]))
        row = self.material.learnt[int(np.searchsorted(self._ends, place, side="right"))]
        first = int(rng.integers(max(1, row.n_frames - self.n_frames + 1)))
        hidden = rng.random(2) < self.config.hide
        units, samples, f0_hz = self.material.read(row, first, min(self.n_frames, row.n_frames))
        if len(units) < self.n_frames:  # a short recording is said again and again
            units, f0_hz = np.resize(units, self.n_frames), np.resize(f0_hz, self.n_frames)
            samples = np.resize(samples, self.n_frames * STRIDE)
        who = NOBODY if hidden[0] else self._numbers.get(row.speaker or "", NOBODY)
        return units, samples, who, np.full_like(f0_hz, UNKNOWN) if hidden[1] else f0_hz
