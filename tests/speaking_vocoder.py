"""Small vocoders of random weights, saved as trainings save them."""

from __future__ import annotations

from pathlib import Path

import torch

from melisma.models.vocoder import file
from melisma.models.vocoder.shape import Shape
from melisma.units.encoder import EncoderFacts
from melisma.units.voice import VocoderFacts

ENCODER = EncoderFacts("mfcc", "mfcc", None, 39, "f" * 64, "Apache-2.0")
K = 12


def small_shape(kind: str, speakers: tuple[str, ...] = (), *, with_f0: bool = False, k: int = K) -> Shape:
    channels = 32 if kind == "hifigan" else 16
    return Shape(kind, k, len(speakers), with_f0, channels, coarse=(1, 2), fine=(1, 3))


def save(
    folder: Path,
    kind: str = "vocos",
    speakers: tuple[str, ...] = (),
    *,
    with_f0: bool = False,
    name: str = "vocoder_final.pt",
    encoder: EncoderFacts = ENCODER,
    codebook: str = "c" * 64,
    k: int = K,
) -> Path:
    """Write a checkpoint into a folder; louder than what is not trained, so that something is heard."""
    torch.manual_seed(3)
    shape = small_shape(kind, speakers, with_f0=with_f0, k=k)
    net = file.make(shape)
    facts = VocoderFacts(kind, k, speakers, with_f0, encoder, codebook)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(file.packed(shape, facts.as_dict(), net.state_dict()), folder / name)
    return folder / name
