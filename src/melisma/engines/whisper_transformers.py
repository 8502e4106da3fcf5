"""Whisper as it is trained: a folder of transformers', a training's or a package's, heard by torch.

It is what a conversion is compared with (`melisma models verify`), and what a training is evaluated by before there is
a conversion; faster-whisper and onnxruntime hear the same words several times faster.
"""

from __future__ import annotations

from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from melisma.core.errors import EngineUnavailable
from melisma.core.records import Float32
from melisma.engines.device import choose
from melisma.engines.whisper_windows import Ask, WindowedWhisper, asked_beams

if TYPE_CHECKING:
    from melisma.models.whisper_onnx import HeardWindow
    from melisma.models.whisper_torch import WhisperTorch

_BESIDE_WEIGHTS_MB = 900  # torch, a window, and what beams remember


class WhisperTransformersEngine(WindowedWhisper):
    """Words that a checkpoint of transformers' hears, on a recording of any length.

    Parameters
    ----------
    folder : Path
        With `config.json`, weights as safetensors, `tokenizer.json` and `generation_config.json`.
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE, or auto, without one.
    beams : int, optional
        Of the search; MELISMA_WHISPER_BEAMS, or 1, which is greedy, without one.
    """

    def __init__(self, folder: Path, device: str | None = None, beams: int | None = None) -> None:
        super().__init__(folder)
        self.device, self.beams = choose(device), beams or asked_beams()
        self._model: WhisperTorch | None = None
        self._loading = Lock()

    @property
    def _library(self) -> str:
        found = version_of("transformers") if find_spec("transformers") else "none"
        return f"transformers-{found}.{'float16' if self.device.half else 'float32'}.{self.beams}"

    @property
    def _on(self) -> str:
        return self.device.name

    def _memory_mb(self) -> int:
        weights = self._weights_mb()
        return (weights if self.device.half else 2 * weights) + _BESIDE_WEIGHTS_MB

    def missing(self) -> str | None:
        """Say in one sentence which package, device or file it lacks; None if nothing."""
        lacking = next((name for name in ("torch", "transformers") if find_spec(name) is None), None)
        if lacking:
            return f"the Whisper model {self.name} needs {lacking}: pip install 'melisma[ctc]'"
        return self.device.fault or super().missing()

    def load(self) -> None:
        """Load the model, once.

        Raises
        ------
        EngineUnavailable
            If a package, a device or a file is missing.
        EngineOutOfMemory
            If it finds too little memory.
        ModelError
            If the files are no such model.
        """
        self._loaded()

    def _loaded(self) -> WhisperTorch:
        with self._loading:
            if self._model is None:
                lacking = self.missing()
                if lacking:
                    raise EngineUnavailable(lacking)
                self._check()
                from melisma.models.whisper_torch import WhisperTorch

                self._model = WhisperTorch.open(self.folder, self.device.name, half=self.device.half)
            return self._model

    def unload(self) -> None:
        """Give the model's memory back."""
        with self._loading:
            self._model = None

    def _hear(self, samples: Float32, ask: Ask) -> HeardWindow:
        from melisma.models.whisper_onnx import WhisperSearch

        search = WhisperSearch(ask.most_tokens)
        return self._loaded().transcribe(samples, ask.code, search, beams=self.beams, hint=ask.hint)

    def _likely(self, samples: Float32) -> dict[str, float]:
        return self._loaded().languages(samples)
