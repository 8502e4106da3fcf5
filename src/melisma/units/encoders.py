"""Encoders by name: the one door that they are opened through."""

from __future__ import annotations

from melisma.core.errors import InputError, UnknownName
from melisma.core.files import expanded
from melisma.units.encoder import Encoder, EncoderConfig

MFCC, PHONE = "mfcc", "phone"


def open_encoder(config: EncoderConfig | None = None) -> Encoder:
    """Return an encoder, ready for use.

    Parameters
    ----------
    config : EncoderConfig, optional
        Which one; facebook/wav2vec2-large-xlsr-53 up to its 14th layer without.

    Raises
    ------
    InputError
        If the name is none, or the encoder has no such layer.
    ModelError
        If its files are damaged, or no speech encoder with a frame every 320 samples.
    EngineUnavailable
        If the model is not on this machine and cannot be fetched.
    MissingDependency
        If it needs torch and transformers, and they are not installed.
    """
    config = config or EncoderConfig()
    if config.name == MFCC:
        from melisma.units.mfcc import Mfcc

        if config.layer is not None:
            raise InputError(f"{MFCC} has no hidden layers, and so no layer {config.layer}")
        return Mfcc()
    if config.name == PHONE:
        from melisma.units.phone import PhoneEncoder

        return PhoneEncoder(config)
    path = expanded(config.name)
    if "/" not in config.name and not path.exists():
        raise UnknownName("encoder", config.name, (MFCC, PHONE, "the id of a model on the hub (name/name)", "a folder"))
    from melisma.models.speech_encoder_onnx import is_export

    if is_export(path):
        from melisma.units.exported import ExportedEncoder

        return ExportedEncoder(config)
    from melisma.units.hub import HubEncoder

    return HubEncoder(config)
