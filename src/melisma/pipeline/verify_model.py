"""Whether a package does what it says: its files, its network, and an emission of a second of speech-like sound."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, ModelError
from melisma.core.records import Float32, Waveform
from melisma.engines.packaged import open_engine
from melisma.engines.protocol import EmittingEngine
from melisma.models import package as packages
from melisma.pipeline.listen import calling

_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: what the model is, how many files it has, and the shape of an emission."""

    name: str
    revision: str
    engine: str
    licence: str
    commercial: bool
    tainted_by: tuple[str, ...]
    n_files: int
    n_frames: int
    n_labels: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in a line."""
        use = "commercial use allowed" if self.commercial else "not for commercial use"
        return (
            f"{self.name} ({self.revision}) is whole: {self.n_files} files as listed, an engine {self.engine} of "
            f"{self.n_labels} labels that emits, {self.licence} ({use})"
        )


def verify(folder: Path) -> Verified:
    """Hold a package to what it says, load it, and let it listen.

    Raises
    ------
    InputError
        If there is no package.
    ModelError
        If a file is not as listed, or the network gives what is no emission.
    EngineFailed
        If the network breaks off.
    EngineUnavailable
        If a package of Python's is missing that its engine needs.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    if not packages.is_package(folder):
        raise InputError(f"{folder} is no package: there is no {packages.FACTS} in it")
    facts = packages.check(folder)
    engine = open_engine(folder)
    if not isinstance(engine, EmittingEngine):
        raise ModelError(f"the model {facts.name} emits nothing")
    try:
        with calling(engine):
            engine.load()
            emission = engine.emit(Waveform(_sound(facts.sample_rate), facts.sample_rate))
            labels = engine.labels
    finally:
        engine.unload()
    wanted = -(-int(_SECONDS * facts.sample_rate) // facts.stride)
    if emission.log_probs.shape != (wanted, len(facts.labels)) or labels != facts.labels:
        raise ModelError(f"the model {facts.name} gives {emission.log_probs.shape}, its facts promise {wanted} frames")
    total = np.exp(emission.log_probs.astype(np.float64)).sum(axis=1)
    if not np.allclose(total, 1.0, atol=1e-3):
        raise ModelError(f"the model {facts.name} gives what are no probabilities: they add up to {total[0]:.3g}")
    said = engine.facts
    return Verified(
        name=facts.name,
        revision=said.model_revision,
        engine=said.name,
        licence=said.licence.spdx,
        commercial=said.licence.commercial,
        tainted_by=said.licence.tainted_by,
        n_files=len(facts.files),
        n_frames=emission.log_probs.shape[0],
        n_labels=emission.log_probs.shape[1],
    )


def _sound(sample_rate: int) -> Float32:
    """Return a tone that comes and goes, in noise, float32 [n_samples]."""
    at = np.arange(int(_SECONDS * sample_rate)) / sample_rate
    tone = np.sin(2 * np.pi * 220 * at) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * at))
    return np.asarray(0.2 * tone + np.random.default_rng(0).normal(0, 0.01, len(at)), np.float32)
