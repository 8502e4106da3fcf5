"""Engines of trained models by where they lie: a package, a folder of transformers', or an ONNX file of phones.

What is opened may be a stranger's. A package is held to its `melisma.json` (`melisma.models.package`); a folder that
is none is taken for a checkpoint of Whisper's if it says so, and else of characters, whose weights are safetensors or
ONNX.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from melisma.core.errors import InputError, ModelError, UnknownName
from melisma.core.files import expanded
from melisma.core.records import Emission, Waveform
from melisma.engines._checkpoint import licence_of_package
from melisma.engines._ctc import give_to_blank
from melisma.engines.phone import PhoneEngine
from melisma.engines.protocol import Engine, EngineFacts, Licence, Progress
from melisma.engines.wav2vec2 import PHONES, Wav2Vec2Engine
from melisma.engines.whisper_folder import is_whisper, open_whisper
from melisma.models import package as packages
from melisma.models.embedded import ModelCard
from melisma.models.features import HOP
from melisma.models.onnx_file import check_whole
from melisma.models.package import ONNX, PackageFacts
from melisma.text.g2p import G2P
from melisma.text.language import normalise
from melisma.text.letters import Letters
from melisma.text.romanise import iso639_3

_SUFFIX = ".onnx"
DELIMITER = "|"


def open_engine(path: Path) -> Engine:
    """Make the engine of a model that lies in a folder or a file; its network is not loaded.

    Parameters
    ----------
    path : Path
        A package or its ONNX file; an ONNX file of `melisma train export`, beside its `.json`; a folder that
        transformers' `from_pretrained` reads; or a Whisper model that is converted for CTranslate2.

    Raises
    ------
    InputError
        If there is nothing, or nothing that an engine can be made of.
    ModelError
        If it is damaged, or not what it says.
    """
    path = expanded(path)
    if path.suffix == _SUFFIX and path.is_file():
        if not packages.is_package(path.parent):
            check_whole(path)
            return PhoneEngine(path)
        if path.name != ONNX:
            raise InputError(f"{path} is not the {ONNX} of the package it lies in: name the folder")
        path = path.parent
    if not path.is_dir():
        raise InputError(f"there is no model at {path}: name a package's folder or an ONNX file")
    return _package(path) if packages.is_package(path) else _plain(path)


def _package(folder: Path) -> Engine:
    facts = packages.read(folder)
    if facts.kind == "phone-net":
        return PackagedPhoneEngine(folder, facts)
    if facts.kind == "whisper":
        return open_whisper(folder)
    return Wav2Vec2Engine(str(folder))


def _plain(folder: Path) -> Engine:
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no model: there is neither a {packages.FACTS} nor a config.json in it")
    if is_whisper(folder):
        return open_whisper(folder)
    if (folder / "checkpoints").is_dir():
        raise InputError(f"{folder} is a training, no package yet: make one of it with melisma models package")
    if not any(True for kind in ("*.safetensors", ONNX) for _ in folder.glob(kind)):
        raise InputError(f"{folder} has no weights as safetensors or {ONNX}: others may run code when they are read")
    return Wav2Vec2Engine(str(folder))


class PackagedPhoneEngine(PhoneEngine):
    """The phone network of a package.

    Parameters
    ----------
    folder : Path
        Of the package.
    facts : PackageFacts
        What it says of itself.
    """

    _listens_to: Literal["mix", "voice"]

    def __init__(self, folder: Path, facts: PackageFacts) -> None:
        if facts.stride % HOP or not 1 <= facts.stride // HOP <= 8:
            raise ModelError(f"a frame of the phone network {facts.name} cannot be {facts.stride} samples")
        self._folder, self.units = folder, facts.units
        self._listens_to = facts.listens_to
        self._terms = licence_of_package(facts, folder)
        letters = facts.units != PHONES
        self._taught = frozenset(map(normalise, facts.languages)) if letters and facts.languages else None
        super().__init__(_card(folder, facts), _Spelt(facts.labels[1:], self._taught) if letters else None)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; phones are spelt in any language that espeak-ng speaks."""
        return replace(super().facts, languages=self._taught)

    @property
    def _licence(self) -> Licence:
        return self._terms

    def missing(self) -> str | None:
        """Say that its ONNX file is not there; None if it is."""
        if (self._folder / ONNX).is_file():
            return None
        return f"the package {self.card.model_id} has no {ONNX}: melisma models export {self._folder} -o FOLDER"

    def load(self) -> None:
        """Hold the package to what it says, and open its network, once."""
        if self._session is None:
            packages.check(self._folder)
        super().load()

    def emit(self, waveform: Waveform, progress: Progress | None = None) -> Emission:
        """Return log-probabilities of the labels; what the network gives to the sign between words counts as blank."""
        emission = super().emit(waveform, progress)
        if DELIMITER in self.labels:
            give_to_blank(emission.log_probs, self.labels.index(DELIMITER), self.blank)
        return emission


class _Spelt(G2P):
    """Letters where the phone engine asks for phones."""

    def __init__(self, labels: Iterable[str], taught: frozenset[str] | None) -> None:
        self._taught = taught
        self._letters = Letters(
            label for label in labels if label != DELIMITER and not (label[:1] == "<" and label[-1:] == ">")
        )

    def phones(self, word: str, language: str) -> tuple[str, ...]:
        """Return the letters of one word; UnknownName for a language that the network was not taught."""
        code = normalise(language)
        iso639_3(code)
        if self._taught is not None and code not in self._taught and code.partition("-")[0] not in self._taught:
            raise UnknownName("language", language, self._taught)
        return self._letters.spell(word, code)


def _card(folder: Path, facts: PackageFacts) -> ModelCard:
    path = folder / ONNX
    return ModelCard(
        model_id=facts.name,
        revision=packages.revision(folder),
        title=facts.name,
        licence=facts.terms.spdx,
        languages=facts.languages,
        labels=facts.labels,
        n_parameters=facts.n_parameters,
        size_bytes=path.stat().st_size if path.is_file() else 0,
        reach=facts.reach,
        card_text="",
        path=path,
        hops=facts.stride // HOP,
        weights=facts.precision,
    )
