"""A packaged Whisper by faster-whisper: its conversion for CTranslate2, which lies in a folder of the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from melisma.core.errors import EngineFailed
from melisma.core.records import Float32
from melisma.engines.whisper import COMPUTE_TYPE, WhisperEngine, faults
from melisma.engines.whisper_windows import Ask, WindowedWhisper, asked_beams
from melisma.models.whisper_ctranslate2 import WhisperCtranslate2
from melisma.models.whisper_onnx import HeardWindow, WhisperSearch

FOLDER = "ctranslate2"  # of a package
_WITH_HINT = 220  # tokens, of the decoder's 448 places: a hint takes up to 223


class WhisperConvertedEngine(WindowedWhisper):
    """Words that a package's conversion for CTranslate2 hears, on a recording of any length.

    faster-whisper cuts long recordings by the times that a model says. A fine-tuned one says them on a share of what
    it has learnt, if at all, and words were lost at seams; windows are cut in pauses here, and heard whole.

    Parameters
    ----------
    folder : Path
        Of the package.
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE, or auto, without one.
    beams : int, optional
        Of the search; MELISMA_WHISPER_BEAMS, or 1, which is greedy, without one.
    compute_type : str, optional
        What weights are computed in, as CTranslate2 names it; MELISMA_WHISPER_COMPUTE_TYPE, what the package was
        accepted with, or what suits the device, without one.
    """

    def __init__(
        self, folder: Path, device: str | None = None, beams: int | None = None, compute_type: str = ""
    ) -> None:
        super().__init__(folder)
        self._converted = WhisperEngine(str(folder / FOLDER), device)
        only = self.package.compute if self.package and not os.environ.get(COMPUTE_TYPE, "").strip() else ""
        self._converted.compute_type = compute_type or only or self._converted.compute_type
        self._beams = beams or asked_beams()
        self._made: tuple[Any, WhisperCtranslate2] | None = None

    @property
    def _library(self) -> str:
        return f"{self._converted.facts.version}.{self._beams}"

    @property
    def _on(self) -> str:
        return self._converted.device

    def _memory_mb(self) -> int:
        return self._converted.facts.memory_mb

    def missing(self) -> str | None:
        """Say in one sentence which package, device or file it lacks; None if nothing."""
        return self._converted.missing()

    def load(self) -> None:
        """Hold the package to what it says, and load the model, once.

        Raises
        ------
        EngineUnavailable
            If a package, a device or the model is missing.
        EngineOutOfMemory
            If it finds too little memory.
        ModelError
            If the files are no such model.
        """
        if not self._converted.is_loaded:
            self._check()
        self._converted.load()

    def unload(self) -> None:
        """Give the model's memory back."""
        self._converted.unload()
        self._made = None

    def _hear(self, samples: Float32, ask: Ask) -> HeardWindow:
        most = min(ask.most_tokens, _WITH_HINT) if ask.hint else ask.most_tokens
        with faults(self.name, EngineFailed):
            return self._loaded().transcribe(samples, ask.code, WhisperSearch(most), beams=self._beams, hint=ask.hint)

    def _likely(self, samples: Float32) -> dict[str, float]:
        with faults(self.name, EngineFailed):
            return self._loaded().languages(samples)

    def _loaded(self) -> WhisperCtranslate2:
        """Return the model with its own tokens; made anew where CTranslate2 has loaded it anew."""
        held = self._converted.loaded()
        if self._made is None or self._made[0] is not held:
            self._made = held, WhisperCtranslate2(held.model, self.folder, held.hf_tokenizer)
        return self._made[1]
