"""Any CTC checkpoint of Hugging Face's hub or of a folder: wav2vec 2.0, HuBERT, WavLM, wav2vec2-BERT and their kin.

The default is facebook/wav2vec2-base-960h (Baevski et al., 2020), which is English and Apache-2.0. A folder that holds
`model.onnx` beside its config.json and vocabulary runs in onnxruntime, without torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from melisma.core.errors import ModelError, UnknownName
from melisma.core.files import expanded
from melisma.engines._checkpoint import UNKNOWN_LICENCE, after_removals, licence_of_package, read_card, said_licence
from melisma.engines._phones import Phones
from melisma.engines._pretrained import PretrainedEngine
from melisma.engines._windows import Listener, WindowConfig
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.models import package as packages
from melisma.models.package import PackageFacts
from melisma.models.pretrained import Checkpoint, Vocabulary
from melisma.text.language import normalise
from melisma.text.letters import Speller
from melisma.text.romanise import iso639_3

DEFAULT_MODEL = "facebook/wav2vec2-base-960h"
# Of the default model, as its card gives them: said before it has been fetched.
_DEFAULT_LICENCE, _DEFAULT_LANGUAGES = Licence("Apache-2.0", commercial=True), frozenset({"en"})
PHONES = "phones"
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
    """Characters of a checkpoint's own vocabulary, or the phones of a package's, on a recording of any length."""

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
        # A package says licence, languages and vocabulary itself, whatever the environment says.
        self._package, self._revision, self._fault = _package_in(self._folder)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; licence and languages are those of the checkpoint's card unless the user says."""
        return self._said_of_package(self._package) if self._package else self._said()

    def _said(self) -> EngineFacts:
        folder = self.checkpoint.folder()
        card = read_card(folder) if folder else None
        is_default = self.checkpoint.model == DEFAULT_MODEL
        licence = (card.licence if card else None) or (_DEFAULT_LICENCE if is_default else UNKNOWN_LICENCE)
        licence = said_licence(self._vouched) if self._vouched else licence
        languages = (card.languages if card else None) or (_DEFAULT_LANGUAGES if is_default else None)
        return EngineFacts(
            name="wav2vec2",
            version="1",
            model_id=self.checkpoint.name,
            model_revision=self.checkpoint.found_revision(),
            licence=after_removals(licence, folder) if folder else licence,
            task=Task.EMIT,
            sample_rate=self._rate(),
            languages=self._languages(languages),
            device=self.device.name,
            memory_mb=self._memory_mb(_WEIGHTS_MB),
        )

    def _said_of_package(self, package: PackageFacts) -> EngineFacts:
        """Say what a package says; phones are spelt in any language that espeak-ng speaks."""
        return EngineFacts(
            name="wav2vec2",
            version="1",
            model_id=package.name,
            model_revision=self._revision,
            licence=licence_of_package(package, self._folder),
            task=Task.EMIT,
            sample_rate=package.sample_rate,
            languages=None if self.units == PHONES else frozenset(map(normalise, package.languages)) or None,
            device=self.device.name,
            memory_mb=self._memory_mb(_WEIGHTS_MB),
            listens_to=package.listens_to,
        )

    @property
    def _folder(self) -> Path:
        return expanded(self.checkpoint.model)

    @property
    def units(self) -> str:
        """What its labels spell: characters or phones."""
        return self._package.units if self._package else "characters"

    def _read_vocabulary(self) -> Vocabulary:
        vocabulary = super()._read_vocabulary()
        package = self._package
        if package and (vocabulary.labels, vocabulary.blank) != (package.labels, package.blank):
            raise ModelError(f"the vocabulary of the package {package.name} is not the one that its facts give")
        return vocabulary

    def _make_letters(self, vocabulary: Vocabulary) -> Speller:
        if self.units != PHONES:
            return super()._make_letters(vocabulary)
        return Phones(label for label in vocabulary.labels if label not in vocabulary.silent)

    def _open(self, vocabulary: Vocabulary) -> Listener:
        if self._package:
            packages.check(self._folder)
        return super()._open(vocabulary)

    def missing(self) -> str | None:
        """Say in one sentence which package, device or model it lacks, or what is wrong with it; None if nothing."""
        return self._fault or super().missing()

    def _languages(self, of_card: frozenset[str] | None) -> frozenset[str] | None:
        if "any" in self._spoken:
            return None
        return self._spoken or (frozenset(map(normalise, of_card)) if of_card else None)

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return a word in the checkpoint's letters; UnknownName for a language that it was not taught."""
        code = normalise(language)
        if self.units == PHONES:
            return super().spell(word, code)
        iso639_3(code)
        taught = self.facts.languages
        if taught is not None and code not in taught and code.partition("-")[0] not in taught:
            raise UnknownName("language", language, taught)
        return super().spell(word, code)


def _package_in(folder: Path) -> tuple[PackageFacts | None, str, str]:
    """Return what a folder says of itself and its revision, or what is wrong with that; none where it is no package."""
    if not packages.is_package(folder):
        return None, "", ""
    try:
        return packages.read(folder), packages.revision(folder), ""
    except ModelError as error:
        return None, "", str(error)
