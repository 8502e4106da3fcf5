"""Shapes of Whisper networks, and how many numbers they hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from melisma.core.errors import InputError
from melisma.train.whisper.config import Lora, Tuning, WhisperTrainingConfig

POSITIONS = 1500  # of the encoder: 30 s by 0.02
_LABELS = 448  # positions of the decoder
_MOST = 1 << 20  # of any size, in a file that somebody else wrote


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """The sizes that decide what a Whisper costs; see transformers' WhisperConfig."""

    width: int
    encoder_layers: int
    decoder_layers: int
    encoder_ffn: int
    decoder_ffn: int
    mels: int = 80
    vocabulary: int = 51_865


def _usual(width: int, encoder: int, decoder: int, mels: int = 80, vocabulary: int = 51_865) -> NetworkShape:
    return NetworkShape(width, encoder, decoder, 4 * width, 4 * width, mels, vocabulary)


# Radford et al., 2022 (arXiv 2212.04356), table 1, and the model cards of large-v3 and large-v3-turbo.
KNOWN = {
    "openai/whisper-tiny": _usual(384, 4, 4),
    "openai/whisper-base": _usual(512, 6, 6),
    "openai/whisper-small": _usual(768, 12, 12),
    "openai/whisper-medium": _usual(1024, 24, 24),
    "openai/whisper-large-v2": _usual(1280, 32, 32),
    "openai/whisper-large-v3": _usual(1280, 32, 32, 128, 51_866),
    "openai/whisper-large-v3-turbo": _usual(1280, 32, 4, 128, 51_866),
}
RANDOM_VOCABULARY = 8_000  # assumed of a network that begins with random weights and a processor not yet built


def shape_of(settings: dict[str, Any]) -> NetworkShape:
    """Return the shape that a checkpoint's config.json describes.

    Raises
    ------
    InputError
        If it is none of Whisper's.
    """
    try:
        sizes = {
            name: int(settings[key])
            for name, key in (
                ("width", "d_model"),
                ("encoder_layers", "encoder_layers"),
                ("decoder_layers", "decoder_layers"),
                ("encoder_ffn", "encoder_ffn_dim"),
                ("decoder_ffn", "decoder_ffn_dim"),
                ("mels", "num_mel_bins"),
                ("vocabulary", "vocab_size"),
            )
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"this is no configuration of a Whisper: {error}") from error
    if not all(0 < size <= _MOST for size in sizes.values()):
        raise InputError("this is no configuration of a Whisper: a size is out of bounds")
    return NetworkShape(**sizes)


def with_vocabulary(shape: NetworkShape, size: int | None) -> NetworkShape:
    """Return a shape with the vocabulary of another processor."""
    return shape if size is None else replace(shape, vocabulary=size)


def random_shape(config: WhisperTrainingConfig, vocabulary: int | None) -> NetworkShape:
    """Return the shape of `random:tiny` or `random:custom`.

    Raises
    ------
    InputError
        If it is another name.
    """
    from melisma.train.whisper.network import TINY

    shapes = {"random:tiny": TINY, "random:custom": config.shape}
    if config.model not in shapes:
        raise InputError(f"there is no network {config.model[:60]}: take random:tiny, or random:custom with a shape")
    own = shapes[config.model]
    wide = 4 * own.width
    return NetworkShape(
        own.width,
        own.encoder_layers,
        own.decoder_layers,
        wide,
        wide,
        own.mels,
        vocabulary if vocabulary is not None else RANDOM_VOCABULARY,
    )


def encoder_weights(shape: NetworkShape) -> int:
    """Return how many numbers the encoder holds, its fixed positions among them."""
    d, f = shape.width, shape.encoder_ffn
    stem = shape.mels * d * 3 + d + d * d * 3 + d + POSITIONS * d
    return stem + shape.encoder_layers * (_attention(d) + _feed_forward(d, f) + 4 * d) + 2 * d


def decoder_weights(shape: NetworkShape) -> int:
    """Return how many numbers the decoder holds; its head is its embedding."""
    d, f = shape.width, shape.decoder_ffn
    embedded = shape.vocabulary * d + _LABELS * d
    return embedded + shape.decoder_layers * (2 * _attention(d) + _feed_forward(d, f) + 6 * d) + 2 * d


def weights(shape: NetworkShape) -> int:
    """Return how many numbers a network holds."""
    return encoder_weights(shape) + decoder_weights(shape)


def _attention(d: int) -> int:
    return 4 * d * d + 3 * d  # keys have no bias


def _feed_forward(d: int, f: int) -> int:
    return 2 * d * f + d + f


def adapter_weights(shape: NetworkShape, lora: Lora) -> int:
    """Return how many numbers the adapters hold."""
    d, n = shape.width, 0
    for target in lora.targets:
        if target in ("q_proj", "k_proj", "v_proj", "out_proj"):
            n += (shape.encoder_layers + 2 * shape.decoder_layers) * lora.rank * 2 * d
        elif target in ("fc1", "fc2"):
            n += lora.rank * (
                shape.encoder_layers * (d + shape.encoder_ffn) + shape.decoder_layers * (d + shape.decoder_ffn)
            )
    return n


def learnt_weights(shape: NetworkShape, tuning: Tuning, lora: Lora) -> int:
    """Return how many numbers a training changes."""
    if tuning == "lora":
        return adapter_weights(shape, lora)
    if tuning == "frozen-encoder":
        return decoder_weights(shape)
    return weights(shape) - POSITIONS * shape.width
