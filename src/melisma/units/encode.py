"""Recordings to units: an encoder and the codebook that was made of its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from melisma.core.errors import EngineUnavailable, UnknownName
from melisma.core.records import Float32, Int64
from melisma.units import codebook_file
from melisma.units.codebook import Codebook
from melisma.units.encoder import Encoder, EncoderConfig
from melisma.units.encoders import MFCC, open_encoder


@dataclass(frozen=True, slots=True)
class UnitEncoder:
    """What turns recordings into units.

    Parameters
    ----------
    encoder : Encoder
        Makes the features.
    codebook : Codebook
        Centres of features of the same encoder.

    Raises
    ------
    EngineUnavailable
        If it is another encoder: distances of its features to these centres mean nothing.
    """

    encoder: Encoder
    codebook: Codebook

    def __post_init__(self) -> None:
        wanted, here = self.codebook.encoder, self.encoder.facts
        if here.fingerprint != wanted.fingerprint:
            raise EngineUnavailable(
                f"the codebook is of features of {_called(wanted.name, wanted.layer)} ({wanted.fingerprint[:12]}), "
                f"{_called(here.name, here.layer)} here makes others ({here.fingerprint[:12]}): fit a codebook of them",
                lasting=True,
            )

    def units(self, waveforms: Sequence[Float32]) -> list[Int64]:
        """Return the unit of every frame of recordings, int64 [n_frames(n_samples)] each.

        Parameters
        ----------
        waveforms : sequence of float32 [n_samples]
            Mono at 16 kHz.

        Raises
        ------
        InputError
            If features are not finite.
        EngineError
            If the encoder fails.
        """
        return [self.codebook.predict(features) for features in self.encoder.encode(waveforms)]


def open_unit_encoder(codebook: Path, config: EncoderConfig | None = None) -> UnitEncoder:
    """Open a codebook with the encoder that it names, or with another copy of it.

    Parameters
    ----------
    codebook : Path
        Its `.npz`, or the folder that it lies in.
    config : EncoderConfig, optional
        How the encoder works; its name and layer are what the codebook says without.

    Raises
    ------
    InputError
        If the codebook cannot be read.
    EngineUnavailable
        If its encoder cannot be had here, or `config` names another one.
    """
    book = codebook_file.read(codebook)
    wanted = book.encoder
    config = config or config_of(book, EncoderConfig())
    try:
        return UnitEncoder(open_encoder(config), book)
    except UnknownName as error:
        if config.name != wanted.name:
            raise
        said = f"the codebook is of features of {_called(wanted.name, wanted.layer)} ({wanted.fingerprint[:12]})"
        raise EngineUnavailable(f"{said}, a folder that is not here: say where it lies with --encoder") from error


def config_of(book: Codebook, how: EncoderConfig, name: str | None = None) -> EncoderConfig:
    """Return how to open a codebook's encoder: its own name and layer, or a copy by another name, and `how` else."""
    name = name or book.encoder.name
    # It has no layers: that it is another encoder is what there is to say, and `UnitEncoder` says it.
    return replace(how, name=name, layer=None if name == MFCC else book.encoder.layer)


def _called(name: str, layer: int | None) -> str:
    return name if layer is None else f"layer {layer} of {name}"
