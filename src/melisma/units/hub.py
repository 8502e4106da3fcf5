"""Speech encoders of Hugging Face's hub, by id or folder, as encoders of units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from melisma.core import licences
from melisma.core.errors import MissingDependency
from melisma.core.records import Float32
from melisma.models.card_head import read_head
from melisma.models.pretrained import Checkpoint, loaded_hash
from melisma.units.encoder import EncoderConfig, EncoderFacts

if TYPE_CHECKING:
    from melisma.models.speech_encoder import SpeechEncoder, SpeechNetwork


class HubEncoder:
    """A speech encoder up to a hidden layer, in torch.

    Raises
    ------
    MissingDependency
        If torch or transformers are not installed.
    EngineUnavailable
        If the model is not on this machine and cannot be fetched.
    ModelError
        If it is damaged, or none with a frame every 320 samples.
    InputError
        If it has no such layer, or there is no such device.
    """

    def __init__(self, config: EncoderConfig) -> None:
        lacking = [name for name in ("torch", "transformers") if find_spec(name) is None]
        if lacking:
            raise MissingDependency(f"the encoder {config.name} needs {lacking[0]}: pip install 'melisma[ctc]'")
        from melisma.models.speech_encoder import read_network

        checkpoint = Checkpoint(config.name)
        network = read_network(checkpoint.fetch())
        layer = network.checked(config.layer)
        self._config, self._network, self._layer = config, network, layer
        self._opened: SpeechEncoder | None = None
        self._name = checkpoint.name
        self.facts = self.facts_of(layer)

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features of recordings; see `Encoder.encode`."""
        return self.network().encode(waveforms)

    def facts_of(self, layer: int) -> EncoderFacts:
        """Return what the encoder is that takes another layer of the same network."""
        return _facts(self._name, self._network, layer)

    @property
    def source(self) -> tuple[SpeechNetwork, int]:
        """What the checkpoint's files say of the network, and its layer."""
        return self._network, self._layer

    def network(self) -> SpeechEncoder:
        """Return the network, loaded once."""
        if self._opened is None:
            from melisma.models.speech_encoder import Running, SpeechEncoder

            how = self._config
            running = Running(how.device, how.half, how.batch_s, how.longest_s, how.threads)
            self._opened = SpeechEncoder(self._network, self._layer, running)
        return self._opened


def _facts(name: str, network: SpeechNetwork, layer: int) -> EncoderFacts:
    decides = f"hub 1 {loaded_hash(network.folder)} {layer} {network.normalise}"
    return EncoderFacts(
        name=name,
        kind="hub",
        layer=layer,
        n_dims=network.n_dims,
        fingerprint=hashlib.sha256(decides.encode()).hexdigest(),
        licence=_licence(network.folder),
    )


def _licence(folder: Path) -> str:
    said = read_head(folder).licences
    found = licences.terms(said[0]) if len(said) == 1 else None
    return found.spdx if found is not None and found.known else "unknown"
