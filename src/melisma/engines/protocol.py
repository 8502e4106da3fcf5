"""What an engine is: a recording to an emission, and a word to the labels that the emission speaks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from melisma.core.records import Emission, Waveform

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of a model's weights."""

    spdx: str
    commercial: bool


@runtime_checkable
class Engine(Protocol):
    """An engine that aligns given text; plug-ins offer a class of this shape under the group melisma.engines."""

    name: str
    version: str
    model_id: str
    model_revision: str
    licence: Licence
    sample_rate: int  # Hz, of the waveforms that `emit` takes
    labels: tuple[str, ...]
    blank: int

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return the labels of one word, or none if it has no sound of its own; UnknownName for the language."""
        ...

    def emit(self, waveform: Waveform, progress: Progress | None = None) -> Emission:
        """Return the emission of a recording, in memory that its length alone decides."""
        ...
