"""All hidden layers of an encoder at once: for finding the one whose units tell most of the phones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.units.encoder import EncoderConfig, EncoderFacts
from melisma.units.encoders import MFCC, PHONE, open_encoder
from melisma.units.hub import HubEncoder
from melisma.units.phone import N_LAYERS, PhoneLayers

_SPAN = re.compile(r"(\d{1,3})(?:(-)(\d{1,3})?)?")


class LayerEncoder:
    """Several layers of an encoder, in one pass.

    Parameters
    ----------
    config : EncoderConfig
        The encoder; its layer says nothing here.
    layers : sequence of int
        Which, each once, in rising order.

    Raises
    ------
    InputError
        If the encoder has no layers to choose from, or not these.
    """

    def __init__(self, config: EncoderConfig, layers: Sequence[int]) -> None:
        self.layers = tuple(layers)
        self._phone: PhoneLayers | None = None
        if config.name == PHONE:
            self._phone = PhoneLayers(self.layers, config.threads)
            self.facts: tuple[EncoderFacts, ...] = self._phone.facts
            return
        self._hub = _hub(replace(config, layer=self.layers[-1], batch_s=0.0))
        self.facts = tuple(self._hub.facts_of(layer) for layer in self.layers)

    def encode(self, samples: Float32) -> list[Float32]:
        """Return what leaves each layer, float32 [n_frames(n_samples), n_dims], of samples at 16 kHz."""
        if self._phone is not None:
            return self._phone.encode(samples)
        [found] = self._hub.network().encode_layers([samples])
        return [found[:, layer] for layer in self.layers]


def _hub(config: EncoderConfig) -> HubEncoder:
    encoder = open_encoder(replace(config, layer=None) if config.name == MFCC else config)
    if not isinstance(encoder, HubEncoder):
        raise InputError(f"{config.name} has one layer only: there is nothing to choose")
    return encoder


def parse_layers(text: str, config: EncoderConfig) -> tuple[int, ...]:
    """Read which layers are meant: "0-24", "4,8,12", "6-" to the last, or "all".

    Raises
    ------
    InputError
        If it is no such list, or the encoder has not all of them.

    Examples
    --------
    >>> parse_layers("0-2,12-", EncoderConfig("phone"))
    (0, 1, 2, 12, 13)
    """
    top = N_LAYERS if config.name == PHONE else _hub(replace(config, layer=0)).source[0].n_layers
    found: set[int] = set()
    for part in ("0-" if text.strip() == "all" else text).split(","):
        span = _SPAN.fullmatch(part.strip())
        if span is None:
            raise InputError(f'{text[:60]!r} is no list of layers: write it like "0-24", "4,8,12" or "all"')
        first = int(span[1])
        last = int(span[3]) if span[3] else top if span[2] else first
        if not first <= last <= top:
            raise InputError(f"{config.name} has layers 0 to {top}, not {part.strip()}")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))
