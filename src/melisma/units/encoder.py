"""What makes features of speech: one protocol for networks of the hub, ONNX files, MFCC and our own phone network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from melisma.core.records import Float32

DEFAULT = "facebook/wav2vec2-large-xlsr-53"
DEFAULT_LAYER = 14


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Which encoder, and how it works.

    Parameters
    ----------
    name : str
        "mfcc", "phone", the id of a speech encoder on the hub, its folder, or the folder or file of an ONNX export.
    layer : int, optional
        Hidden layer to take, counted as the documents do: 0 is what enters the first transformer layer, 14 what leaves
        the fourteenth. The network above it is not run. None takes the encoder's own default.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    half : bool
        float16 on a GPU.
    batch_s : float
        Seconds of audio in a batch, padding counted; 0 takes recordings one by one.
    longest_s : float
        Longer recordings are encoded in parts, which overlap by two seconds on either side.
    threads : int, optional
        On the CPU; as many as there are without. The number may show in a feature's last bits: corpora are made with 1.
    """

    name: str = DEFAULT
    layer: int | None = None
    device: str = "auto"
    half: bool = False
    batch_s: float = 60.0
    longest_s: float = 30.0
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What there is to know of an encoder; a codebook keeps it, and refuses features of another one.

    Parameters
    ----------
    name, kind : str
        As given, and one of "mfcc", "phone", "hub", "onnx".
    layer : int, optional
        Hidden layer that is taken.
    n_dims : int
        Of a feature.
    fingerprint : str
        SHA-256 over what decides the numbers (weights, layer, constants). An ONNX export has that of its source.
    licence : str
        SPDX identifier, or "unknown".
    """

    name: str
    kind: str
    layer: int | None
    n_dims: int
    fingerprint: str
    licence: str = "unknown"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Encoder(Protocol):
    """Makes features, 50 frames a second: frame i hears samples [320 i, 320 i + 400) and their surroundings."""

    @property
    def facts(self) -> EncoderFacts:
        """Who it is."""

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features of recordings, float32 [n_frames(n_samples), n_dims] each.

        Parameters
        ----------
        waveforms : sequence of float32 [n_samples]
            Mono at 16 kHz, in [-1, 1]. What stands beside a recording in the sequence changes nothing that a codebook
            could see; one that is shorter than a frame has features of shape [0, n_dims].
        """
