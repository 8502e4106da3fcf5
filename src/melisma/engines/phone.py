"""The embedded engine: log-mels through a small convolutional network in onnxruntime, on the CPU, without a hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np

from melisma.core.errors import ModelError
from melisma.core.records import Emission, Float32, Waveform
from melisma.core.settings import n_threads
from melisma.core.timebase import Timebase
from melisma.engines._checkpoint import licence_of
from melisma.engines.protocol import EngineFacts, Licence, Progress, Task
from melisma.models import embedded, features
from melisma.models.embedded import ModelCard
from melisma.text.g2p import G2P, EspeakG2P

DEFAULT_MODEL = "phone-0.2"
# Share of a recording near a voice, from which on normalising over the rest changes nothing worth a second listening.
_MOSTLY = 0.75
_MEMORY_MB = 300  # measured: a song of four minutes, 240 MB with the interpreter
_WINDOW = 2000  # emission frames per run of the network: 60 s of 30 ms


class PhoneEngine:
    """Phones of any language that espeak-ng spells, on a recording of any length, in bounded memory."""

    sample_rate = features.SAMPLE_RATE
    blank = 0
    units = "phones"  # what the labels spell
    _listens_to: Literal["mix", "voice"] = "mix"

    def __init__(
        self, model: str | Path | ModelCard | None = None, g2p: G2P | None = None, window: int = _WINDOW
    ) -> None:
        """Choose a model: an embedded one by id, an ONNX file of `melisma train export` by its path, or by its card.

        Without a model, the environment variable MELISMA_PHONE_MODEL names one in the same way.
        """
        self.card = model if isinstance(model, ModelCard) else _card(model)
        self.labels = self.card.labels
        shifts = [self.card.onset_shifts_s.get(label, 0.0) for label in self.labels]
        self._onset_shifts = np.array(shifts, np.float32)
        self._g2p: G2P = g2p or EspeakG2P(self.labels[1:])
        self._window = window
        self._session: Any = None
        self._loading = Lock()

    @property
    def _licence(self) -> Licence:
        return licence_of(self.card.licence)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        return EngineFacts(
            name="phone",
            version="2",
            model_id=self.card.model_id,
            model_revision=self.card.revision,
            licence=self._licence,
            task=Task.EMIT,
            sample_rate=self.sample_rate,
            memory_mb=_MEMORY_MB,
            listens_to=self._listens_to,
        )

    def missing(self) -> str | None:
        """Return None: the model is part of the package."""
        return None

    def load(self) -> None:
        """Open the model's file, once; ModelError if it is damaged or not what its card says."""
        with self._loading:
            if self._session is not None:
                return
            session = _open(self.card.path)
            width = session.get_outputs()[0].shape[-1]
            if width != len(self.labels):
                known = len(self.labels)
                raise ModelError(f"the model {self.card.model_id} speaks of {width} labels, its card of {known}")
            self._session = session

    def unload(self) -> None:
        """Close the model."""
        with self._loading:
            self._session = None

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return the phones of a word; none if it has no sound of its own."""
        return self._g2p.phones(word, language)

    def emit(self, waveform: Waveform, progress: Progress | None = None) -> Emission:
        """Return log-probabilities of phones and of a voice, one frame every `card.hops` times 10 ms.

        The network sees windows that overlap by its whole reach, so that the emission is the one that the recording
        would give in one piece. Where much of the recording is far from any voice, it listens a second time, to
        log-mels normalised over the rest: a long solo would bend them away from what singing looks like.
        """
        if waveform.sample_rate != self.sample_rate:
            raise ValueError(f"the phone engine takes {self.sample_rate} Hz, not {waveform.sample_rate} Hz")
        normal = features.log_mel(waveform.samples)
        features.normalise(normal, out=normal)
        log_probs, vocal = self.hear(normal, progress)
        sung = features.near_voice(vocal, self.card.hops)[: len(normal)]
        if 0 < np.count_nonzero(sung) < _MOSTLY * len(sung):
            log_probs, vocal = self.hear(features.normalise(normal, sung, out=normal))
        clock = Timebase(self.sample_rate, self.card.hops * features.HOP)
        return Emission(log_probs, self.labels, self.blank, clock, len(waveform.samples), vocal, self._onset_shifts)

    def hear(self, normal: Float32, progress: Progress | None = None) -> tuple[Float32, Float32]:
        """Run the network over normalised log-mels.

        Parameters
        ----------
        normal : float32 [n_frames, N_MELS]
            As `features.normalise` returns them.
        progress : callable, optional
            Called with the share that is done.

        Returns
        -------
        log_probs : float32 [n_frames / hops, n_labels]
            Rounded up to whole frames.
        vocal : float32 [n_frames / hops]
            Probability of a voice being heard.
        """
        self.load()
        hops = self.card.hops
        total = -(-len(normal) // hops)
        log_probs = np.empty((total, len(self.labels)), np.float32)
        vocal = np.empty(total, np.float32)
        for first in range(0, total, self._window):
            last = min(first + self._window, total)
            low, high = max(0, first - self.card.reach), min(total, last + self.card.reach)
            part = normal[low * hops : high * hops]
            missing = (high - low) * hops - len(part)  # of the last frame
            got, voice = self._run(np.pad(part, ((0, missing), (0, 0))) if missing else part)
            wanted = slice(first - low, last - low)
            log_probs[first:last], vocal[first:last] = got[wanted], voice[wanted]
            if progress:
                progress(last / total)
        return log_probs, vocal

    def _run(self, normal: Float32) -> tuple[Float32, Float32]:
        session = self._session
        if session is None:  # unloaded by another thread in between
            self.load()
            session = self._session
        got, voice = session.run(None, {"features": np.ascontiguousarray(normal.T)[None]})
        return got[0], voice[0]


def _card(model: str | Path | None) -> ModelCard:
    name = str(model or os.environ.get("MELISMA_PHONE_MODEL") or DEFAULT_MODEL)
    return embedded.read_card(Path(name)) if name.endswith(".onnx") else embedded.card(name)


def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own, undocumented classes
        raise ModelError(f"the model {path.name} cannot be loaded: {error}") from error
