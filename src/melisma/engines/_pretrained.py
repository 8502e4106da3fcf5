"""Engines whose network is a checkpoint of Hugging Face's: what `mms_ctc` and `wav2vec2` share."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from melisma.core.errors import ModelError
from melisma.engines._ctc import CtcEngine
from melisma.engines._networks import OnnxNetwork, TorchNetwork, geometry_of, open_transformers
from melisma.engines._windows import Listener, Network, WindowConfig
from melisma.engines.device import ON_CPU, choose
from melisma.models.pretrained import (
    Checkpoint,
    Vocabulary,
    read_json,
    read_preparation,
    read_vocabulary,
    weights_mb,
)
from melisma.text.letters import Letters, Romaniser, Speller

# Windows at a time: one keeps two cores busy, a GPU wants more.
_BATCH_ON_CPU, _BATCH_ON_GPU = 1, 8
_BESIDE_WEIGHTS_MB = 1250  # torch, and what a window of 34 s takes: `benchmarks/engines.py`, on a CPU
ONNX_FILE = "model.onnx"


class PretrainedEngine(CtcEngine):
    """A CTC engine of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Which one.
    device : str, optional
        Name of a device; the environment variable MELISMA_DEVICE, or auto, without one.
    windows : WindowConfig, optional
        How recordings are cut.
    """

    def __init__(self, checkpoint: Checkpoint, device: str | None = None, windows: WindowConfig | None = None) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.device = choose(device)
        self._windows = windows or WindowConfig(batch=_BATCH_ON_CPU if self.device.name == ON_CPU else _BATCH_ON_GPU)

    def missing(self) -> str | None:
        """Say in one sentence which package, device or model it lacks; None if nothing."""
        if not self._is_onnx() and (lacking := _first_lacking(self._packages())):
            return f"the engine {self.facts.name} needs {lacking}: pip install 'melisma[ctc]'"
        return self.device.fault or self.checkpoint.missing()

    def _packages(self) -> Iterable[str]:
        return ("torch", "transformers")

    def _is_onnx(self) -> bool:
        folder = self.checkpoint.folder()
        return folder is not None and (folder / ONNX_FILE).is_file()

    def _memory_mb(self, weights: int) -> int:
        """Return what the model needs; `weights` is the size of its weights where they are not here to be looked at."""
        folder = self.checkpoint.folder()
        size = weights_mb(folder) if folder else weights
        return (size // 2 if self.device.half else size) + _BESIDE_WEIGHTS_MB

    def _rate(self) -> int:
        """Return the sample rate that the checkpoint's files name; that of all known ones while they are not here."""
        folder = self.checkpoint.folder()
        if folder is None or not (folder / "config.json").is_file():
            return 16000
        try:
            return read_preparation(folder).sample_rate
        except ModelError:  # damaged files are said when they are loaded
            return 16000

    def _read_vocabulary(self) -> Vocabulary:
        return read_vocabulary(self.checkpoint.fetch())

    def _make_letters(self, vocabulary: Vocabulary) -> Speller:
        spelling = (label for label in vocabulary.labels if label not in vocabulary.silent)
        return Letters(spelling, self._romaniser(), self._always_romanised())

    def _romaniser(self) -> Romaniser | None:
        from melisma.text import romanise

        return romanise.romanise if romanise.installed() else None

    def _always_romanised(self) -> bool:
        return False

    def _open(self, vocabulary: Vocabulary) -> Listener:
        folder = self.checkpoint.fetch()
        wants = read_preparation(folder)
        network = self._network(folder)
        return Listener(network, len(vocabulary.labels), wants.normalise, wants.sample_rate, self._windows)

    def _network(self, folder: Path) -> Network:
        if (folder / ONNX_FILE).is_file():
            return OnnxNetwork(folder / ONNX_FILE, geometry_of(read_json(folder / "config.json")), self.device)
        network: TorchNetwork = open_transformers(folder, self.device)
        return network


def _first_lacking(packages: Iterable[str]) -> str | None:
    return next((name for name in packages if find_spec(name) is None), None)
