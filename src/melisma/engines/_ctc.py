"""What engines with a CTC network have in common: labels, spelling, an emission, and a model that comes and goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from threading import Lock

import numpy as np

from melisma.core.errors import EngineUnavailable
from melisma.core.records import Emission, Float32, Waveform
from melisma.core.timebase import Timebase
from melisma.engines._windows import Listener
from melisma.engines.device import give_back
from melisma.engines.protocol import EngineFacts, Progress
from melisma.models.pretrained import Vocabulary
from melisma.text.letters import Speller

# What a label keeps whose mass has gone to the blank: as little as a float32 can be without being none.
_NOTHING = np.float32(np.log(np.finfo(np.float32).tiny))


class CtcEngine(ABC):
    """An engine that emits: a subclass says what it is, what its vocabulary is, and opens its network."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._words: Vocabulary | None = None
        self._speller: Speller | None = None
        self._loading = Lock()

    @property
    @abstractmethod
    def facts(self) -> EngineFacts:
        """What it says of itself."""

    @abstractmethod
    def missing(self) -> str | None:
        """Say in one sentence what it lacks to run here; None if nothing."""

    @abstractmethod
    def _read_vocabulary(self) -> Vocabulary:
        """Read the labels from the model's own files."""

    @abstractmethod
    def _open(self, vocabulary: Vocabulary) -> Listener:
        """Load the network."""

    @abstractmethod
    def _make_letters(self, vocabulary: Vocabulary) -> Speller:
        """Return what spells words."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its emissions, in the order of their ids, as its model has them."""
        return self.vocabulary.labels

    @property
    def blank(self) -> int:
        """Id of the blank."""
        return self.vocabulary.blank

    @property
    def vocabulary(self) -> Vocabulary:
        """The labels and what they are for; read from the model's files, which need not be loaded for that."""
        if self._words is None:
            self._require()
            self._words = self._read_vocabulary()
        return self._words

    def load(self) -> None:
        """Load the network, once."""
        with self._loading:
            if self._listener is None:
                self._require()
                self._listener = self._open(self.vocabulary)

    def unload(self) -> None:
        """Give the network's memory back."""
        with self._loading:
            self._listener = None
        give_back()

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return the labels of a word, or none if it has no sound that they can spell."""
        if self._speller is None:
            self._speller = self._make_letters(self.vocabulary)
        return self._speller.spell(word, language)

    def emit(self, waveform: Waveform, progress: Progress | None = None) -> Emission:
        """Return log-probabilities of the labels, with a clock that follows from the network's layers.

        What the network gives to the sign between words counts as blank: nothing is sung in it, and words are spelt
        without it.
        """
        rate = self.facts.sample_rate
        if waveform.sample_rate != rate:
            raise ValueError(f"the engine {self.facts.name} takes {rate} Hz, not {waveform.sample_rate} Hz")
        listener = self._listener
        while listener is None:
            self.load()
            listener = self._listener
        log_probs = listener.hear(waveform.samples, progress)
        words = self.vocabulary
        if words.delimiter is not None:
            give_to_blank(log_probs, words.labels.index(words.delimiter), words.blank)
        clock = Timebase(rate, listener.network.geometry.stride)
        return Emission(log_probs, words.labels, words.blank, clock, len(waveform.samples))

    def _require(self) -> None:
        lacking = self.missing()
        if lacking:
            raise EngineUnavailable(lacking)


def give_to_blank(log_probs: Float32, label: int, blank: int) -> None:
    """Move the probability of one label to the blank, in place."""
    if label != blank:
        np.logaddexp(log_probs[:, blank], log_probs[:, label], out=log_probs[:, blank])
        log_probs[:, label] = _NOTHING
