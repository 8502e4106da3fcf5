"""Any CTC checkpoint of Hugging Face's hub or of a folder: wav2vec 2.0, HuBERT, WavLM, wav2vec2-BERT and their kin.

The default is facebook/wav2vec2-base-960h (Baevski et al., 2020), which is English and Apache-2.0. A folder that holds
`model.onnx` beside its config.json and vocabulary runs in onnxruntime, without torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from melisma.core.errors import UnknownName
from melisma.engines._checkpoint import UNKNOWN_LICENCE, Checkpoint, read_card, said_licence
from melisma.engines._pretrained import PretrainedEngine
from melisma.engines._windows import WindowConfig
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.text.language import normalise
from melisma.text.romanise import iso639_3

DEFAULT_MODEL = "facebook/wav2vec2-base-960h"
# Of the default model, as its card gives them: said before it has been fetched.
_DEFAULT_LICENCE, _DEFAULT_LANGUAGES = Licence("Apache-2.0", commercial=True), frozenset({"en"})
_WEIGHTS_MB = 378  # 94 million parameters of 32 bits


@dataclass(frozen=True, slots=True)
class Wav2Vec2Config:
    """What a caller may turn; what is None is read from the environment, or from the checkpoint.

    Parameters
    ----------
    model : str, optional
        Id on the hub, or a folder; MELISMA_WAV2VEC2_MODEL.
    revision : str, optional
        Branch, tag or commit; MELISMA_WAV2VEC2_REVISION.
    licence : str, optional
        Of the weights, as the user vouches for it; MELISMA_WAV2VEC2_LICENSE.
    languages : iterable of str, optional
        That the network was taught; MELISMA_WAV2VEC2_LANGUAGES, separated by spaces or commas, or "any".
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE.
    windows : WindowConfig, optional
        How recordings are cut.
    """

    model: str | None = None
    revision: str | None = None
    licence: str | None = None
    languages: Iterable[str] | None = None
    device: str | None = None
    windows: WindowConfig | None = None


class Wav2Vec2Engine(PretrainedEngine):
    """Characters of a checkpoint's own vocabulary, on a recording of any length."""

    def __init__(self, model: str | None = None, config: Wav2Vec2Config | None = None) -> None:
        config = config or Wav2Vec2Config()
        environment = os.environ.get
        wanted = model or config.model or environment("MELISMA_WAV2VEC2_MODEL") or DEFAULT_MODEL
        revision = config.revision or environment("MELISMA_WAV2VEC2_REVISION") or ""
        super().__init__(Checkpoint(wanted, revision), config.device, config.windows)
        self._vouched = config.licence or environment("MELISMA_WAV2VEC2_LICENSE") or ""
        spoken = config.languages
        if spoken is None:
            spoken = environment("MELISMA_WAV2VEC2_LANGUAGES", "").replace(",", " ").split()
        self._spoken = frozenset(code if code == "any" else normalise(code) for code in spoken)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; licence and languages are those of the checkpoint's card unless the user says."""
        folder = self.checkpoint.folder()
        card = read_card(folder) if folder else None
        is_default = self.checkpoint.model == DEFAULT_MODEL
        licence = (card.licence if card else None) or (_DEFAULT_LICENCE if is_default else UNKNOWN_LICENCE)
        languages = (card.languages if card else None) or (_DEFAULT_LANGUAGES if is_default else None)
        return EngineFacts(
            name="wav2vec2",
            version="1",
            model_id=self.checkpoint.name,
            model_revision=self.checkpoint.found_revision(),
            licence=said_licence(self._vouched) if self._vouched else licence,
            task=Task.EMIT,
            sample_rate=self._rate(),
            languages=self._languages(languages),
            device=self.device.name,
            memory_mb=self._memory_mb(_WEIGHTS_MB),
        )

    def _languages(self, of_card: frozenset[str] | None) -> frozenset[str] | None:
        if "any" in self._spoken:
            return None
        return self._spoken or (frozenset(map(normalise, of_card)) if of_card else None)

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return a word in the checkpoint's letters; UnknownName for a language that it was not taught."""
        code = normalise(language)
        iso639_3(code)
        taught = self.facts.languages
        if taught is not None and code not in taught and code.partition("-")[0] not in taught:
            raise UnknownName("language", language, taught)
        return super().spell(word, code)
