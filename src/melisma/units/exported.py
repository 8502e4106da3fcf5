"""Exports of speech encoders as encoders of units: onnxruntime, without torch."""

from __future__ import annotations

from collections.abc import Sequence

from melisma.core.errors import InputError
from melisma.core.files import expanded
from melisma.core.records import Float32
from melisma.models.speech_encoder_onnx import OnnxSpeechEncoder
from melisma.units.encoder import EncoderConfig, EncoderFacts


class ExportedEncoder:
    """A speech encoder that `melisma units export` has written.

    Raises
    ------
    ModelError
        If files are missing or damaged, or read values from elsewhere.
    InputError
        If another layer is asked for than the one that it ends with.
    """

    def __init__(self, config: EncoderConfig) -> None:
        self._network = OnnxSpeechEncoder(expanded(config.name), config.longest_s, config.threads)
        said = self._network.facts
        if config.layer not in (None, said.layer):
            raise InputError(f"{config.name} ends with layer {said.layer}, and has no layer {config.layer}")
        self.facts = EncoderFacts(said.name, "onnx", said.layer, said.n_dims, said.fingerprint, said.licence)

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features of recordings; see `Encoder.encode`."""
        return self._network.encode(waveforms)
