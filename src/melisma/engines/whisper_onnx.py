"""A packaged Whisper by onnxruntime alone: no torch, no CTranslate2."""

from __future__ import annotations

from importlib.metadata import version as version_of
from pathlib import Path
from threading import Lock

from melisma.core.errors import EngineUnavailable
from melisma.core.records import Float32
from melisma.engines.device import ON_CPU
from melisma.engines.whisper_windows import Ask, WindowedWhisper
from melisma.models.whisper_onnx import DECODER, ENCODER, FOLDER, HeardWindow, WhisperOnnx, WhisperSearch

_BESIDE_WEIGHTS_MB = 500  # onnxruntime, a window, and what the decoder remembers


class WhisperOnnxEngine(WindowedWhisper):
    """Words that a package's ONNX files hear, greedily, on a recording of any length.

    Parameters
    ----------
    folder : Path
        Of the package.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._model: WhisperOnnx | None = None
        self._loading = Lock()

    @property
    def _library(self) -> str:
        return f"onnxruntime-{version_of('onnxruntime')}"

    @property
    def _on(self) -> str:
        return ON_CPU

    def _memory_mb(self) -> int:
        files = (self.folder / FOLDER).glob("*.onnx*")
        return sum(path.stat().st_size for path in files) // 2**20 + _BESIDE_WEIGHTS_MB

    def missing(self) -> str | None:
        """Say in one sentence which file it lacks; None if none."""
        for name in (ENCODER, DECODER):
            if not (self.folder / FOLDER / name).is_file():
                return f"the Whisper model {self.name} has no {FOLDER}/{name}: package it with melisma models package"
        return super().missing()

    def load(self) -> None:
        """Hold the package to what it says, and open its networks, once.

        Raises
        ------
        EngineUnavailable
            If a file is missing.
        ModelError
            If the files are no such model.
        """
        self._loaded()

    def _loaded(self) -> WhisperOnnx:
        with self._loading:
            if self._model is None:
                lacking = self.missing()
                if lacking:
                    raise EngineUnavailable(lacking)
                self._check()
                self._model = WhisperOnnx(self.folder)
            return self._model

    def unload(self) -> None:
        """Give the model's memory back."""
        with self._loading:
            self._model = None

    def _hear(self, samples: Float32, ask: Ask) -> HeardWindow:
        return self._loaded().transcribe(samples, ask.code, WhisperSearch(ask.most_tokens))

    def _likely(self, samples: Float32) -> dict[str, float]:
        return self._loaded().languages(samples)
