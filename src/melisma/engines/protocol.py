"""What an engine is: what it says of itself, and which of three things it can do with a recording.

An engine that *emits* turns a recording into an emission and a word into labels, and shares the decoder with all others
of its kind. One that *places* times given lyrics by itself. One that *transcribes* times words that it hears. Plug-ins
offer a class without required parameters under the group `melisma.engines`; making one costs next to nothing, loading
its model happens in `load`, or at the first use. `melisma.testing.engines` holds the contract that every engine passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable

from melisma.core.records import Emission, Heard, Lyrics, Waveform

Progress = Callable[[float], None]
REMOVED_DATA = "data that was taken out of its corpus since"  # in `tainted_by`; a model cannot forget


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model's weights, or of a service; `tainted_by` names what forbids commercial use in their data."""

    spdx: str
    commercial: bool
    tainted_by: tuple[str, ...] = ()


class Task(StrEnum):
    """What an engine does with a recording."""

    EMIT = "emit"
    PLACE = "place"
    TRANSCRIBE = "transcribe"


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself, without loading its model.

    Parameters
    ----------
    name : str
        As its entry point is called.
    version : str
        Of the engine's code; changes with anything that may change a result.
    model_id, model_revision : str
        Which weights: id or folder, and commit or content hash. An empty revision is one that is not known before the
        model is loaded.
    licence : Licence
        Of the weights.
    task : Task
        What it can do.
    sample_rate : int
        Hz, of the waveforms that it takes.
    languages : frozenset of str or None
        ISO 639 codes; None for whatever `spell` takes, or for any.
    device : str
        "cpu", "cuda", "cuda:1" … or "http".
    memory_mb : int
        What it needs on that device for a song of four minutes, weights included.
    baseline : bool
        For tables only: the router never chooses it by itself.
    listens_to : {"mix", "voice"}
        What it was trained on: whole mixes, or voices by themselves. It decides what `--separate auto` means.
    """

    name: str
    version: str
    model_id: str
    model_revision: str
    licence: Licence
    task: Task
    sample_rate: int
    languages: frozenset[str] | None = None
    device: str = "cpu"
    memory_mb: int = 0
    baseline: bool = False
    listens_to: Literal["mix", "voice"] = "voice"


@runtime_checkable
class Engine(Protocol):
    """What all engines share."""

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        ...

    def missing(self) -> str | None:
        """Say in one sentence what it lacks to run here, a package, a model, a key; None if nothing. Loads no model."""
        ...

    def load(self) -> None:
        """Load the model, if it is not loaded; EngineUnavailable, EngineOutOfMemory or ModelError if that fails."""
        ...

    def unload(self) -> None:
        """Give the model's memory back; the next use loads it again."""
        ...


@runtime_checkable
class EmittingEngine(Engine, Protocol):
    """An engine whose emissions the shared decoder searches."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its emissions, in the order of their ids; those of the model, never assumed."""
        ...

    @property
    def blank(self) -> int:
        """Id of the blank."""
        ...

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return the labels of one word, or none if it has no sound of its own; UnknownName for the language."""
        ...

    def emit(self, waveform: Waveform, progress: Progress | None = None) -> Emission:
        """Return the emission of a recording, in memory that its length alone decides."""
        ...


@runtime_checkable
class PlacingEngine(Engine, Protocol):
    """An engine that times given lyrics by itself."""

    def place(self, waveform: Waveform, lyrics: Lyrics, language: str, progress: Progress | None = None) -> Heard:
        """Return the words that it could place, each with its `index` in the lyrics."""
        ...


@runtime_checkable
class TranscribingEngine(Engine, Protocol):
    """An engine that times the words that it hears."""

    def transcribe(
        self, waveform: Waveform, language: str | None = None, prompt: str = "", progress: Progress | None = None
    ) -> Heard:
        """Return the words heard; `prompt` is text that may be sung, for engines that take a hint."""
        ...
