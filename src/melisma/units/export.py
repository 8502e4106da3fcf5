"""Speech encoders of the hub written as ONNX files, which `melisma.units.exported` opens."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from melisma.core.errors import InputError, MissingDependency
from melisma.models.speech_encoder_onnx import ExportFacts
from melisma.units.encoder import EncoderConfig
from melisma.units.encoders import open_encoder
from melisma.units.hub import HubEncoder


def export_encoder(config: EncoderConfig, out: Path) -> ExportFacts:
    """Write an encoder of the hub into a folder as ONNX, checked against torch.

    Raises
    ------
    InputError
        If the encoder needs no export, has no such layer, or the folder holds something.
    MissingDependency
        If torch, transformers or onnx are not installed.
    ModelError
        If it cannot be loaded or exported, or the file says something else than torch does.
    OutputError
        If the folder cannot be written.
    """
    encoder = open_encoder(config)
    if not isinstance(encoder, HubEncoder):
        raise InputError(f"{config.name} needs no export: it runs in onnxruntime or NumPy as it is")
    if find_spec("onnx") is None:
        raise MissingDependency("exporting needs onnx: pip install 'melisma[train]'")
    from melisma.models.speech_encoder_export import Source, export

    facts = encoder.facts
    network, layer = encoder.source
    return export(Source(network, layer, facts.name, facts.fingerprint, facts.licence), out)
