"""Floating-point operations of a step, by formula: those of matrix products and convolutions, as torch counts them.

Derived from the shape alone. A product of [a, b] and [b, c] is 2abc operations; the gradients of its weights and of
what it was given cost as much again, each. Norms, activations, the optimiser and log-mels are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from melisma.train.plan.shapes import POSITIONS, NetworkShape
from melisma.train.whisper.config import Tuning

_FRAMES = 3000  # log-mels of a window


@dataclass(frozen=True, slots=True)
class Products:
    """Operations of one direction for a window: matrix products with weights, and of attention, which has none."""

    stem: int  # first convolution
    stem_2: int
    encoder: int  # products with weights
    encoder_attention: int
    cross: int  # keys and values of what the encoder says, in the decoder
    decoder: int
    decoder_attention: int
    head: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.layers + self.stem + self.stem_2 + self.head

    @property
    def layers(self) -> int:
        """Those of the layers, which are computed twice where gradients are checkpointed."""
        return self.encoder + self.encoder_attention + self.cross + self.decoder + self.decoder_attention


def forward(shape: NetworkShape, n_tokens: int) -> Products:
    """Count the operations of hearing one window and reading so many tokens of text.

    Parameters
    ----------
    shape : NetworkShape
        Of the network.
    n_tokens : int
        Of the window, padding included.
    """
    d, t, n = shape.width, POSITIONS, n_tokens
    return Products(
        stem=2 * shape.mels * 3 * d * _FRAMES,
        stem_2=2 * d * 3 * d * t,
        encoder=shape.encoder_layers * (8 * t * d * d + 4 * t * d * shape.encoder_ffn),
        encoder_attention=shape.encoder_layers * 4 * t * t * d,
        cross=shape.decoder_layers * 4 * t * d * d,
        decoder=shape.decoder_layers * (12 * n * d * d + 4 * n * d * shape.decoder_ffn),
        decoder_attention=shape.decoder_layers * (4 * n * n * d + 4 * n * t * d),
        head=2 * n * d * shape.vocabulary,
    )


def step_operations(shape: NetworkShape, n_tokens: int, tuning: Tuning = "full", *, again: bool = False) -> int:
    """Count the operations of learning from one window.

    Parameters
    ----------
    shape : NetworkShape
        Of the network.
    n_tokens : int
        Of the window, padding included.
    tuning : str
        What is learnt: full, frozen-encoder or lora. Adapters themselves are too small to count.
    again : bool
        Whether layers are computed twice, to save memory.
    """
    one = forward(shape, n_tokens)
    # Nothing is computed twice of which only the outcome is wanted: the last product of each layer.
    last_of_decoder = shape.decoder_layers * 2 * n_tokens * shape.width * shape.decoder_ffn
    last = last_of_decoder + shape.encoder_layers * 2 * POSITIONS * shape.width * shape.encoder_ffn
    if tuning == "full":
        learnt = 2 * one.total - one.stem  # what log-mels were made of is not learnt
        twice = one.layers - last
    elif tuning == "frozen-encoder":
        learnt = one.cross + 2 * (one.decoder + one.decoder_attention + one.head)
        twice = one.cross + one.decoder + one.decoder_attention - last_of_decoder
    else:  # errors go back to the first adapter through weights that stay: one product each, and two of attention
        learnt = one.encoder + one.cross + one.decoder + one.head
        learnt += 2 * (one.encoder_attention + one.decoder_attention)
        learnt -= 3 * 2 * POSITIONS * shape.width**2  # but not to what the first layer was given
        twice = one.layers - last
    return one.total + learnt + (twice if again else 0)
