"""A sample of frames of a corpus as every layer of an encoder has them: one pass, on any executor, for a sweep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError
from melisma.core.files import make_folder
from melisma.core.records import Float32, Int64
from melisma.data.recordings import Recordings
from melisma.data.report import Problem
from melisma.data.units import shards
from melisma.data.units.faults import Fault
from melisma.data.units.feature_files import ShardWriter
from melisma.data.units.features import Tasks, resources, task_of
from melisma.data.units.shards import Item, Shards
from melisma.scale.again import again, writes_here
from melisma.scale.brought import bring
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Progress
from melisma.units.clock import SAMPLE_RATE, TIMEBASE
from melisma.units.encoder import EncoderConfig
from melisma.units.layers import LayerEncoder

HEARD_S = 30.0  # of an utterance: all layers of it are in memory at once
SHARD_S = 300.0
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Which frames are drawn: each with the same chance, by the id of its utterance and the seed alone."""

    share: float
    seed: int = 0

    def frames(self, name: str, n_frames: int) -> Int64:
        """Return the numbers of the frames that are drawn of an utterance, int64 [n], rising."""
        digest = hashlib.sha256(f"{self.seed} {name}".encode("utf-8", "surrogatepass")).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        return np.flatnonzero(rng.random(n_frames) < self.share).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Sample:
    """Stage: a shard → the drawn frames of its utterances, an `.npy` for each layer."""

    out: str
    config: EncoderConfig
    layers: tuple[int, ...]
    fingerprint: str  # of the highest layer
    drawing: Drawing

    @property
    def name(self) -> str:
        """Of the stage."""
        return "sample layers"

    def configuration(self) -> str:
        """Return what decides the outcome."""
        return repr((1, self.fingerprint, self.layers, self.drawing, self.config.half))

    def __call__(self, item: tuple[int, Item]) -> Facts:
        """Sample a shard: its number, and the item of `shards.task_of`."""
        number, recordings = item
        encoder = _opened(self.config, self.layers)
        paths = [Path(self.out) / _file(layer, number) for layer in self.layers]
        writers = [ShardWriter(p, facts.n_dims, "float16") for p, facts in zip(paths, encoder.facts, strict=True)]
        made: dict[str, Facts] = {}
        try:
            for name, heard in self._heard(recordings):
                made[name] = heard.facts() if isinstance(heard, Fault) else self._kept(name, heard, encoder, writers)
            files = [list(writer.close()) for writer in writers]
        finally:
            for writer in writers:
                writer.abandon()
        return {"files": files, "utterances": made}

    def _heard(self, recordings: Item) -> Iterator[tuple[str, Float32 | Fault]]:
        for path, utterances in shards.read_item(recordings):
            for i, heard in shards.hear(path, utterances, Path(self.out)):
                yield utterances[i].id, heard if isinstance(heard, Fault) else heard[: round(HEARD_S * SAMPLE_RATE)]

    def _kept(self, name: str, heard: Float32, encoder: LayerEncoder, writers: list[ShardWriter]) -> Facts:
        found = encoder.encode(heard)
        drawn = self.drawing.frames(name, len(found[0]))
        rows = [features[drawn] for features in found]
        if any(len(each) and np.abs(each).max() > np.finfo(np.float16).max for each in rows):
            return {"error": "its features are too large for float16"}
        if not all(writer.append(each) for writer, each in zip(writers, rows, strict=True)):
            raise InputError(f"features of {name} are no numbers")
        return {"n_frames": len(found[0]), "n_drawn": len(drawn)}


@lru_cache(maxsize=1)
def _opened(config: EncoderConfig, layers: tuple[int, ...]) -> LayerEncoder:
    return LayerEncoder(config, layers)


@dataclass(slots=True)
class Samples:
    """What was sampled: of each utterance its id, frames and drawn frames, in the order of the rows.

    Parameters
    ----------
    folder : Path
        Of the files.
    layers : tuple of int
        Which.
    drawing : Drawing
        Which frames.
    """

    folder: Path
    layers: tuple[int, ...]
    drawing: Drawing
    shards: list[int] = field(default_factory=list)
    utterances: list[tuple[str, int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def rows(self, layer: int) -> Float32:
        """Return the drawn frames of a layer, float32 [n_drawn, n_dims]."""
        paths = [self.folder / _file(layer, number) for number in self.shards]
        return np.concatenate([np.load(path, allow_pickle=False) for path in paths]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames of which layers of which encoder."""

    encoder: EncoderConfig
    layers: tuple[int, ...]
    drawing: Drawing


def sample(
    found: Recordings,
    folder: Path,
    wanted: Wanted,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Samples:
    """Sample the frames of a manifest into a folder; of utterances the first 30 s are heard.

    A process holds one utterance with all its layers: 30 s of 25 layers of 1,024 dimensions take 150 MB.
    """
    executor = executor or LocalExecutor()
    make_folder(folder)
    layers, drawing = wanted.layers, wanted.drawing
    config = replace(wanted.encoder, layer=layers[-1], batch_s=0.0, threads=1)
    stage = Sample(str(folder), config, layers, LayerEncoder(config, layers).facts[-1].fingerprint, drawing)
    divided = Shards(found, SHARD_S)
    made = Samples(folder, layers, drawing)
    outcomes = executor.run(
        stage, Tasks(divided), journal=folder / "journal", progress=progress, resources=resources(config)
    )
    is_here = writes_here(executor)
    for number, (shard, outcome) in enumerate(zip(divided.shards(), outcomes, strict=True)):
        if is_here and outcome.reused and not all((folder / name).exists() for name, _ in outcome.value["files"]):
            outcome = again(executor, stage, task_of(number, shard))
        names = [each.id for recording in shard for each in recording.utterances]
        if outcome.error is not None:
            made.problems += [Problem(name, "failed", outcome.error) for name in names]
            continue
        made.shards.append(number)
        for name, facts in outcome.value["utterances"].items():  # in the order in which they were written
            if "error" in facts:
                made.problems.append(Problem(name, "failed", facts["error"]))
            else:
                made.utterances.append((name, facts["n_frames"], facts["n_drawn"]))
    bring(executor, folder, (_file(layer, number) for layer in layers for number in made.shards))
    return made


def _file(layer: int, number: int) -> str:
    return f"layer-{layer:03d}-{number:05d}.npy"


def share_of(found: Recordings, n_frames: int) -> float:
    """Return the chance of a frame to be drawn that gives about `n_frames` of a manifest."""
    seconds = sum(min(each.duration, HEARD_S) for recording in found for each in recording.utterances)
    return min(1.0, n_frames / max(1.0, seconds / TIMEBASE.seconds(1)))
