"""Whisper as transformers itself runs it: what conversions, and other ways of running it, are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from melisma.core.errors import ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models.pretrained import check_settings, read_json
from melisma.models.quiet import quiet
from melisma.models.whisper_features import SAMPLE_RATE


class PlainWhisper:
    """`WhisperForConditionalGeneration.generate`, with the processor and the generation config of a folder.

    Parameters
    ----------
    folder : Path
        As transformers keeps it, weights as safetensors.

    Raises
    ------
    ModelError
        If it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        import transformers

        library: Any = transformers
        check_settings(read_json(folder / "config.json"), folder.name)
        torch.set_num_threads(n_threads())
        try:
            with quiet():
                self._model = library.WhisperForConditionalGeneration.from_pretrained(
                    str(folder), dtype=torch.float32, local_files_only=True, use_safetensors=True
                ).eval()
                # Said, or transformers would ask on the terminal whether to run what a stranger put into the folder.
                self._processor = library.WhisperProcessor.from_pretrained(
                    str(folder), local_files_only=True, trust_remote_code=False
                )
        except Exception as error:  # whatever transformers and safetensors raise on files of strangers
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ModelError(f"the Whisper model {folder.name} cannot be loaded by transformers: {said}") from error
        self.name = folder.name

    def transcribe(self, samples: Float32, language: str | None = None, most_tokens: int = 440) -> str:
        """Return the text of a window.

        Parameters
        ----------
        samples : float32 [n_samples]
            Mono, 16 kHz, 30 s at most.
        language : str, optional
            Whisper's code; found by the model without one.
        most_tokens : int
            New ones, after which the window is over.

        Raises
        ------
        ModelError
            If transformers refuses, as it does where the generation config lacks languages or tasks.
        """
        features = self._processor.feature_extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        several = bool(getattr(self._model.generation_config, "is_multilingual", False))
        said = {"language": language, "task": "transcribe"} if several else {}
        try:
            with quiet(), torch.inference_mode():
                ids = self._model.generate(features.input_features, max_new_tokens=most_tokens, **said)
        except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ModelError(f"transformers cannot generate with the model {self.name}: {reason}") from error
        text: str = self._processor.tokenizer.decode(ids[0], skip_special_tokens=True)
        return text.strip()
