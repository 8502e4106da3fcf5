"""Whether a package of a Whisper model does what it says: its files, and every format of it that can be run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, ModelError
from melisma.core.records import Float32
from melisma.engines.packaged import open_engine
from melisma.evaluate.whisper_clips import Clips
from melisma.evaluate.whisper_formats import INT8, ONNX, STOCK, Said, formats_of, languages_of, opened
from melisma.evaluate.whisper_parity import Parity, ParityConfig, Tell, compare
from melisma.models import package as packages
from melisma.models.pretrained import read_json
from melisma.models.whisper_features import SAMPLE_RATE

_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class VerifiedWhisper:
    """What was found.

    Parameters
    ----------
    name, revision : str
        Of the package.
    engine : str
        That serves it here.
    licence : str
        Of the weights, SPDX.
    commercial : bool
        Whether they may be used commercially.
    tainted_by : tuple of str
        What forbids that.
    n_files : int
        That are as listed.
    formats : tuple of str
        That were run.
    parity : Parity, optional
        What they heard of a set, where one was named.
    """

    name: str
    revision: str
    engine: str
    licence: str
    commercial: bool
    tainted_by: tuple[str, ...]
    n_files: int
    formats: tuple[str, ...]
    parity: Parity | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in a line."""
        use = "commercial use allowed" if self.commercial else "not for commercial use"
        heard = f"on {self.parity.n_clips} clips of {self.parity.manifest}" if self.parity else "in a made-up sound"
        return (
            f"{self.name} ({self.revision}) is whole: {self.n_files} files as listed, and {', '.join(self.formats)} "
            f"say the same {heard}, {self.licence} ({use})"
        )


def verify(folder: Path, clips: Clips | None = None, tell: Tell | None = None) -> VerifiedWhisper:
    """Hold a package to what it says, load every format of it, and let each listen.

    Parameters
    ----------
    folder : Path
        Of the package.
    clips : Clips, optional
        That all formats hear and are scored on, as when the package was made; a made-up sound without.
    tell : callable, optional
        Hears what is done.

    Raises
    ------
    InputError
        If there is no package of a Whisper model.
    ModelError
        If a file is not as listed, or a format breaks off, or hears something else than the source.
    MissingDependency
        If what runs a format is not installed.
    """
    if not packages.is_package(folder):
        raise InputError(f"{folder} is no package: there is no {packages.FACTS} in it")
    facts = packages.check(folder)
    if facts.kind != packages.WHISPER:
        raise InputError(f"{folder} is a package of the kind {facts.kind}, not of Whisper")
    names = formats_of(folder, stock=False)
    parity = None
    if clips is None:
        _same(folder, names, tell)
    else:
        parity = compare(folder, clips, config_of(folder), tell)
        parity.check()
        names = tuple(each.name for each in parity.formats if each.name != STOCK)
    said = open_engine(folder).facts
    return VerifiedWhisper(
        name=facts.name,
        revision=said.model_revision,
        engine=said.version,
        licence=said.licence.spdx,
        commercial=said.licence.commercial,
        tainted_by=said.licence.tainted_by,
        n_files=len(facts.files),
        formats=names,
        parity=parity,
    )


def config_of(folder: Path) -> ParityConfig:
    """Return how a package's formats are compared: with the precision that its run manifest says."""
    said = read_json(folder / packages.RUN).get("conversions") if (folder / packages.RUN).is_file() else {}
    return ParityConfig(onnx_int8=isinstance(said, dict) and said.get("onnx") == "int8")


def _same(folder: Path, names: tuple[str, ...], tell: Tell | None) -> None:
    """Let every format hear the same sound; those in 32 bits have to write the same."""
    languages = sorted(languages_of(folder))
    code = languages[0] if languages else None
    heard: dict[str, Said] = {}
    for at, name in enumerate(names):
        if tell:
            tell(name, at / len(names))
        with opened(name, folder) as hear:
            heard[name] = hear(_sound(), code)
    source, rough = names[0], config_of(folder).onnx_int8
    for name in names:
        in_8_bits = name == INT8 or (name == ONNX and rough)
        if not in_8_bits and _letters(heard[name]) != _letters(heard[source]):
            raise ModelError(
                f"{name} writes {heard[name].text[:60]!r} where {source} writes {heard[source].text[:60]!r}: "
                "verify it on a set (--set MANIFEST)"
            )


def _letters(said: Said) -> str:
    return "".join(said.text.split())


def _sound() -> Float32:
    """Return a tone that comes and goes, in noise, float32 [n_samples]."""
    at = np.arange(int(_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 220 * at) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * at))
    return np.asarray(0.2 * tone + np.random.default_rng(0).normal(0, 0.01, len(at)), np.float32)
