"""Demucs as a separator (extra `[separate]`): the singing voice by Hybrid Transformer Demucs.

Source: Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation", ICASSP 2023; package `demucs` 4.1.
The networks are gone from memory after each recording: whoever listens next wants the device.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from melisma.audio.decode import Decoded, decode
from melisma.audio.separation import checkpoint as checkpoints
from melisma.audio.separation.kept import KeptVoices
from melisma.audio.separation.protocol import Progress, SeparatorFacts
from melisma.audio.separation.stage import VOICE, VoiceStage
from melisma.core.errors import AudioError, InputError, MissingDependency, ModelError
from melisma.core.records import Float32, Waveform
from melisma.core.settings import n_threads

if TYPE_CHECKING:
    from melisma.audio.separation.stems import Stems

DEFAULT_MODEL = "htdemucs"
# Of the weights, not of the code, which is MIT: "The model weights are not covered by the MIT license, and are provided
# only for scientific purposes" (their author, facebookresearch/demucs#327; again in #508). They were trained on
# MUSDB18-HQ, which is for educational purposes only, and on 800 songs that are not public.
LICENCE = "LicenseRef-Demucs-weights-research-only"
_VERSION = "1"  # of what is done here around the package
_MEMORY_MB = 1600  # measured with the sizes of htdemucs, torch included: docs/separate.md
_one_at_a_time = Lock()  # two recordings on one device would fight for its memory


class DemucsSeparator:
    """The voice by a Demucs model that lies on this machine.

    Parameters
    ----------
    model : str, optional
        Name of a model, or a file of one; else MELISMA_DEMUCS_MODEL, else "htdemucs".
    folder : Path, optional
        Where its files lie; else MELISMA_DEMUCS_REPO, else where Demucs keeps what it fetched.
    kept : KeptVoices, optional
        Where voices are kept; else the user's cache folder.
    """

    def __init__(self, model: str | None = None, folder: Path | None = None, kept: KeptVoices | None = None) -> None:
        named = os.environ.get("MELISMA_DEMUCS_REPO")
        self._model = model or os.environ.get("MELISMA_DEMUCS_MODEL") or DEFAULT_MODEL
        self._folder = folder or (Path(named) if named else None)
        self._kept = kept

    @property
    def facts(self) -> SeparatorFacts:
        """What it says of itself; the revision is that of the weights that are found."""
        try:
            package = version("demucs")
            found = checkpoints.find(self._model, self._folder)
        except (PackageNotFoundError, ModelError):
            package, found = "none", None
        return SeparatorFacts(
            name="demucs",
            version=f"{package}+{_VERSION}",
            model_id=Path(self._model).stem,
            model_revision=found.revision if found else "",
            licence=LICENCE,
            commercial=False,
            device=os.environ.get("MELISMA_DEVICE") or "auto",
            memory_mb=_MEMORY_MB,
        )

    def missing(self) -> str | None:
        """Say what it lacks: the package, or the weights."""
        if find_spec("demucs") is None or find_spec("torch") is None:
            return "Demucs is not installed: pip install 'melisma[separate]'"
        if checkpoints.find(self._model, self._folder) is not None:
            return None
        if self._folder is not None:
            return f"there are no weights of the Demucs model {self._model!r} in {self._folder} (MELISMA_DEMUCS_REPO)"
        return (
            f"the weights of the Demucs model {self._model!r} are not on this machine: fetch them with "
            f"python -c \"from demucs.pretrained import get_model; get_model('{self._model}')\", "
            "or name a folder that holds them in MELISMA_DEMUCS_REPO"
        )

    def separate(self, path: Path, sample_rate: int, progress: Progress | None = None) -> Decoded:
        """Return the voice; one that is kept is read instead of being separated again.

        Parameters and errors as in the protocol; besides, EngineOutOfMemory if the device has too little memory.
        """
        plain = decode(
            path, sample_rate=sample_rate, downmix="mean"
        )  # tells which sound it is, and what is wrong with it
        kept = self._kept or KeptVoices.of_user()
        place = kept.path(plain.sound, self.facts.flag)
        samples = _read(kept, place, sample_rate)
        if samples is None:
            if lacking := self.missing():
                raise MissingDependency(lacking)
            with _one_at_a_time:
                separated, is_kept = self._run(path, sample_rate, progress, kept, place)
            # What is kept is returned, so that a second run gives the same to the last bit.
            again = _read(kept, place, sample_rate) if is_kept else None
            samples = separated if again is None else again
        samples = fitted(samples, len(plain.waveform.samples))
        return replace(plain, waveform=Waveform(samples, sample_rate))

    def stems(self, path: Path, folder: Path, progress: Progress | None = None) -> Stems:
        """Write the voice and everything else into a folder; see `melisma.audio.separation.stems`.

        Nothing of it is kept: whoever asks for stems keeps them.
        """
        from melisma.audio.separation.stems import write_stems

        if lacking := self.missing():
            raise MissingDependency(lacking)
        found = checkpoints.find(self._model, self._folder)
        if found is None:
            raise ModelError(f"the weights of the Demucs model {self._model!r} have just gone")
        with _one_at_a_time:
            network, device = _placed(checkpoints.load(found))
            return write_stems(path, folder, network, device, progress)

    def _run(
        self, path: Path, sample_rate: int, progress: Progress | None, kept: KeptVoices, place: Path
    ) -> tuple[Float32, bool]:
        """Separate and keep the voice; return it, and whether it is kept."""
        found = checkpoints.find(self._model, self._folder)
        if found is None:
            raise ModelError(f"the weights of the Demucs model {self._model!r} have just gone")
        network, device = _placed(checkpoints.load(found))
        stages: list[VoiceStage] = []

        def stage() -> VoiceStage:
            stages.append(VoiceStage(network, device, kept.new(place, len(stages))))
            return stages[-1]

        try:
            separated = decode(path, sample_rate=sample_rate, downmix=stage, progress=progress)
            best = max(stages, key=lambda one: one.n_out)  # of two decoders the one that got further, as in `decode`
            return separated.waveform.samples, best.written and kept.put(best.part, place)
        finally:
            for one in stages:
                one.close()
                if one.part is not None:
                    kept.drop(one.part)


def fitted(samples: Float32, n: int) -> Float32:
    """Return exactly so many samples: two resamplers one after the other may be one off."""
    return np.pad(samples, (0, max(0, n - len(samples))))[:n]


def _read(kept: KeptVoices, place: Path, sample_rate: int) -> Float32 | None:
    """Read a voice that is kept; a damaged file is taken away."""
    if not kept.use(place):
        return None
    try:
        voice = decode(place, sample_rate=sample_rate, downmix="mean")
    except AudioError:
        voice = None
    if voice is None or voice.warnings or voice.info.container != "flac":
        kept.drop(place)
        return None
    return voice.waveform.samples


def _placed(network: Any) -> tuple[Any, str]:
    """Put the networks on the device that MELISMA_DEVICE names, or on a GPU if there is one; return its name too."""
    import torch

    name = os.environ.get("MELISMA_DEVICE") or "auto"
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(n_threads())
    if network.audio_channels != 2 or VOICE not in network.sources:
        raise ModelError("the Demucs model does not separate a voice from stereo")
    try:
        return network.to(torch.device(name)), name
    except (RuntimeError, AssertionError) as error:  # torch without CUDA says so in an assertion
        raise InputError(f"Demucs cannot be put on the device {name!r}: MELISMA_DEVICE names another") from error
