"""What a separator is: a recording in, one channel out in which the voice stands as free as it can be made.

Plug-ins offer a class without required parameters under the group `melisma.separators`; making one costs next to
nothing, a model is loaded when a recording is separated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from melisma.audio.decode import Decoded

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class SeparatorFacts:
    """What a separator says of itself, without loading a model.

    Parameters
    ----------
    name : str
        As its entry point is called.
    version : str
        Of its code; changes with anything that may change a result.
    model_id, model_revision : str
        Which weights, and a hash of their content; empty where there are none.
    licence : str
        SPDX expression of the weights, or of the code where there are none.
    commercial : bool
        Whether that licence allows commercial use.
    device : str
        "cpu", "cuda", "cuda:1" …
    memory_mb : int
        What it needs there, however long the recording.
    """

    name: str
    version: str
    model_id: str = ""
    model_revision: str = ""
    licence: str = "Apache-2.0"
    commercial: bool = True
    device: str = "cpu"
    memory_mb: int = 0

    @property
    def flag(self) -> str:
        """All that decides its result in one word, for the key of a cache."""
        model = f":{self.model_id}@{self.model_revision}" if self.model_id else ""
        return f"separate={self.name}/{self.version}{model}"


@runtime_checkable
class Separator(Protocol):
    """One way to get at the voice."""

    @property
    def facts(self) -> SeparatorFacts:
        """What it says of itself."""
        ...

    def missing(self) -> str | None:
        """Say in one sentence what it lacks to run here, a package or a model; None if nothing. Loads no model."""
        ...

    def separate(self, path: Path, sample_rate: int, progress: Progress | None = None) -> Decoded:
        """Return the voice of a recording as mono at a rate, as long as the recording.

        Raises
        ------
        AudioError
            If the recording cannot be used, as in `melisma.audio.decode.decode`.
        MissingDependency
            If a package or a model is missing.
        ModelError
            If its model is damaged.
        """
        ...
