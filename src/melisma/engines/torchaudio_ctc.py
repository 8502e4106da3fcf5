"""CTC bundles of torchaudio, with their own weights, labels and licences.

torchaudio has to match its torch to the build, so it lives in an environment of its own: `pip install melisma
torchaudio`. Its documentation gives MMS_FA and the VoxPopuli bundles CC BY-NC 4.0, and those of LibriSpeech,
fairseq's own, the MIT licence (torchaudio.pipelines, and the LICENSE of fairseq at ce6c9ee).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pickle import UnpicklingError
from typing import Any

from melisma.core.errors import EngineOutOfMemory, EngineUnavailable, ModelError, UnknownName
from melisma.engines._ctc import CtcEngine
from melisma.engines._networks import TorchNetwork
from melisma.engines._windows import Geometry, Listener, WindowConfig, first_line, is_out_of_memory
from melisma.engines.device import ON_CPU, choose
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.models.pretrained import Vocabulary, may_fetch
from melisma.text import romanise
from melisma.text.language import normalise
from melisma.text.letters import Letters

DEFAULT_BUNDLE = "MMS_FA"
_NON_COMMERCIAL, _MIT = Licence("CC-BY-NC-4.0", commercial=False), Licence("MIT", commercial=True)
_RATE = 16000  # of every bundle; checked against the bundle when it is loaded
_BESIDE_WEIGHTS_MB = 1250  # torch, and what a window of 34 s takes
_WINDOWS_ON_GPU = WindowConfig(batch=8)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is known of a bundle without torchaudio; `file` is how its weights are called in torch's cache."""

    licence: Licence
    languages: frozenset[str] | None
    weights_mb: int
    file: str


BUNDLES = {
    "MMS_FA": Bundle(_NON_COMMERCIAL, None, 1262, "model.pt"),
    "VOXPOPULI_ASR_BASE_10K_FR": Bundle(
        _NON_COMMERCIAL, frozenset({"fr"}), 378, "wav2vec2_voxpopuli_base_10k_asr_fr.pt"
    ),
    "WAV2VEC2_ASR_BASE_960H": Bundle(_MIT, frozenset({"en"}), 378, "wav2vec2_fairseq_base_ls960_asr_ls960.pth"),
}


class TorchaudioCtcEngine(CtcEngine):
    """Characters of a bundle of torchaudio's, on a recording of any length.

    Parameters
    ----------
    bundle : str, optional
        A name in `BUNDLES`; MELISMA_TORCHAUDIO_BUNDLE, or MMS_FA, without one.
    device : str, optional
        auto, cpu, cuda, cuda:1 …; MELISMA_DEVICE, or auto, without one. 16-bit floats on a GPU.
    windows : WindowConfig, optional
        How recordings are cut.
    """

    def __init__(
        self, bundle: str | None = None, device: str | None = None, windows: WindowConfig | None = None
    ) -> None:
        super().__init__()
        self.bundle = (bundle or os.environ.get("MELISMA_TORCHAUDIO_BUNDLE") or DEFAULT_BUNDLE).strip().upper()
        self.device = choose(device)
        self._windows = windows or (WindowConfig() if self.device.name == ON_CPU else _WINDOWS_ON_GPU)

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; of a bundle that nobody knows, that its licence is not known either."""
        unknown = Bundle(Licence("LicenseRef-unknown", commercial=False), None, 0, "")
        known = BUNDLES.get(self.bundle, unknown)
        weights = known.weights_mb // 2 if self.device.half else known.weights_mb
        return EngineFacts(
            name="torchaudio_ctc",
            version="1",
            model_id=self.bundle,
            model_revision=known.file,
            licence=known.licence,
            task=Task.EMIT,
            sample_rate=_RATE,
            languages=known.languages,
            device=self.device.name,
            memory_mb=weights + _BESIDE_WEIGHTS_MB,
        )

    def missing(self) -> str | None:
        """Say in one sentence which package, bundle, device or weights it lacks; None if nothing."""
        if self.bundle not in BUNDLES:
            return f"no bundle is called {self.bundle!r}; there are: {', '.join(sorted(BUNDLES))}"
        if find_spec("torchaudio") is None:
            return (
                "the engine torchaudio_ctc needs torchaudio, in an environment of its own where it matches torch: "
                "pip install 'melisma[torchaudio]'"
            )
        if self.bundle == "MMS_FA" and not romanise.installed():
            return "the bundle MMS_FA needs uroman: pip install uroman"
        return self.device.fault or self._weights_missing()

    def _weights_missing(self) -> str | None:
        import torch

        folder = os.path.join(torch.hub.get_dir(), "checkpoints")
        if may_fetch() or os.path.isfile(os.path.join(folder, BUNDLES[self.bundle].file)):
            return None
        return f"the weights of the bundle {self.bundle} are not on this machine: MELISMA_DOWNLOAD=1 has them fetched"

    def _bundle(self) -> Any:
        import torchaudio

        return getattr(torchaudio.pipelines, self.bundle)

    def _read_vocabulary(self) -> Vocabulary:
        bundle = self._bundle()
        return vocabulary_of(bundle.get_labels(star=None) if self.bundle == "MMS_FA" else bundle.get_labels())

    def _make_letters(self, vocabulary: Vocabulary) -> Letters:
        romaniser = romanise.romanise if romanise.installed() else None
        spelling = (label for label in vocabulary.labels if label not in vocabulary.silent)
        return Letters(spelling, romaniser, always=self.bundle == "MMS_FA")

    def _open(self, vocabulary: Vocabulary) -> Listener:
        bundle = self._bundle()
        if int(bundle.sample_rate) != _RATE:
            raise ModelError(f"the bundle {self.bundle} takes {bundle.sample_rate:g} Hz, not {_RATE} Hz")
        options: dict[str, Any] = {"dl_kwargs": {"weights_only": True, "progress": False}}
        if self.bundle == "MMS_FA":
            options["with_star"] = False
        try:
            module, normalise = unwrapped(bundle.get_model(**options))
            network = TorchNetwork(module, geometry_of_module(module), self.device)
        except OSError as error:  # urllib's are among these
            raise EngineUnavailable(f"the bundle {self.bundle} cannot be fetched: {first_line(error)}") from error
        except (RuntimeError, MemoryError, UnpicklingError) as error:
            kind = EngineOutOfMemory if is_out_of_memory(error) else ModelError
            raise kind(f"the bundle {self.bundle} cannot be loaded: {first_line(error)}") from error
        return Listener(network, len(vocabulary.labels), normalise, _RATE, self._windows)

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return a word in the bundle's letters; UnknownName for a language that it was not taught."""
        code = normalise(language)
        romanise.iso639_3(code)
        taught = self.facts.languages
        if taught is not None and code.partition("-")[0] not in taught:
            raise UnknownName("language", language, taught)
        return super().spell(word, code)


def vocabulary_of(labels: Sequence[str]) -> Vocabulary:
    """Return what the labels of a bundle are for: the first is the blank, `|` stands between words, `*` for any sound.

    >>> vocabulary_of(("-", "|", "e", "'")).delimiter
    '|'
    """
    silent = {labels[0], "|", "*"} & set(labels)
    return Vocabulary(tuple(labels), 0, frozenset(silent), "|" if "|" in labels else None)


def unwrapped(module: Any) -> tuple[Any, bool]:
    """Return the network inside what a bundle gives, and whether it was trained on normalised audio.

    Bundles of such networks wrap them in a module that normalises, but over all windows of a batch as if they were one,
    so that what is heard would depend on how many fit in memory.
    """
    if hasattr(module, "normalize_waveform") and hasattr(module, "model"):
        return module.model, bool(module.normalize_waveform)
    return module, False


def geometry_of_module(module: Any) -> Geometry:
    """Return which samples the frames of a torch module are made of, from the convolutions of its `feature_extractor`.

    Raises
    ------
    ModelError
        If it has none.
    """
    import torch

    for name, part in module.named_modules():
        if name.rpartition(".")[2] == "feature_extractor":
            layers = [layer for layer in part.modules() if isinstance(layer, torch.nn.Conv1d)]
            sizes = [layer.kernel_size[0] for layer in layers], [layer.stride[0] for layer in layers]
            return Geometry.of_layers(*sizes)
    raise ModelError("the network has no feature extractor: how many samples a frame is made of is not known")
