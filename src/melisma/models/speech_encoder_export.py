"""Speech encoders from torch to ONNX, any length, held against torch before anybody sees the file."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from melisma.core.errors import InputError, MelismaError, ModelError, OutputError
from melisma.core.files import make_folder, sha256_of
from melisma.core.records import Float32
from melisma.models.speech_encoder import Running, SpeechEncoder, SpeechNetwork
from melisma.models.speech_encoder_onnx import ABOUT, INPUT, MODEL, OUTPUT, WEIGHTS, ExportFacts, OnnxSpeechEncoder

_OPSET = 17
_LARGEST = 1_900_000_000  # bytes of weights in one file: protocol buffers end at 2 GiB
_TRACED = 24_000  # samples; none of the lengths that it is checked at
_CHECKED = (400, 719, 720, 16_000, 48_123)
FURTHEST = 1e-2  # from torch, in deviations of the features; another layer or length is off by whole ones


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported: a network up to a layer, and what `encoder.json` says of it."""

    network: SpeechNetwork
    layer: int
    name: str
    fingerprint: str
    licence: str


def export(source: Source, out: Path, *, largest: int = _LARGEST) -> ExportFacts:
    """Write an encoder into a folder, whole or not at all.

    Parameters
    ----------
    source : Source
        The encoder.
    out : Path
        A folder that is not there yet, or empty.
    largest : int
        Bytes of weights from which on they are kept in a file of their own.

    Raises
    ------
    InputError
        If the folder holds something.
    ModelError
        If the network cannot be exported, or the file says something else than torch does.
    OutputError
        If the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already: choose a folder that is not, or an empty one")
    make_folder(out.parent)
    encoder = SpeechEncoder(source.network, source.layer, Running("cpu", batch_s=0.0))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as made:
            folder = Path(made) / out.name
            folder.mkdir()
            _write(encoder, folder, largest)
            facts = _described(source, folder, 0.0)
            difference = _difference(encoder, folder, facts)
            if not difference <= FURTHEST:
                raise ModelError(
                    f"the export of {source.name} is {difference:.2g} deviations from torch: it is not kept"
                )
            facts = _described(source, folder, difference)
            if out.exists():
                out.rmdir()
            os.replace(folder, out)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}") from error
    return facts


def _described(source: Source, folder: Path, difference: float) -> ExportFacts:
    weights = folder / WEIGHTS
    facts = ExportFacts(
        format=1,
        name=source.name,
        layer=source.layer,
        n_dims=source.network.n_dims,
        fingerprint=source.fingerprint,
        licence=source.licence,
        normalise=source.network.normalise,
        sha256=sha256_of(folder / MODEL),
        weights_sha256=sha256_of(weights) if weights.exists() else None,
        difference=difference,
    )
    (folder / ABOUT).write_text(facts.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return facts


class _Samples(nn.Module):
    """Samples to features, and nothing else."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_values: Tensor) -> Tensor:
        features: Tensor = self.net(input_values)
        return features


def _write(encoder: SpeechEncoder, folder: Path, largest: int) -> None:
    import onnx

    module = encoder.module
    module.net.set_attn_implementation("eager")  # plain products of matrices
    traced = folder / "traced"
    traced.mkdir()
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                _Samples(module).eval(),
                (torch.zeros(1, _TRACED),),
                str(traced / MODEL),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {1: "time"}, OUTPUT: {1: "frames"}},
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter fixes lengths in these networks: pytorch#148886
            )
        model = onnx.load(str(traced / MODEL))
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"this network cannot be exported: {said[0][:200]}") from error
    apart = sum(len(each.raw_data) for each in model.graph.initializer) > largest
    onnx.save_model(model, str(folder / MODEL), save_as_external_data=apart, location=WEIGHTS, size_threshold=1024)
    shutil.rmtree(traced)


def _difference(encoder: SpeechEncoder, folder: Path, facts: ExportFacts) -> float:
    """Return how far the file is from torch at most, in deviations of a feature, over sounds of several lengths."""
    rng = np.random.default_rng(0)
    exported = OnnxSpeechEncoder(folder)
    worst = 0.0
    for n in _CHECKED:
        samples: Float32 = (0.1 * rng.standard_normal(n) + 0.2 * np.sin(np.arange(n) * 0.05)).astype(np.float32)
        try:
            [theirs], [ours] = encoder.encode([samples]), exported.encode([samples])
        except MelismaError as error:
            raise ModelError(f"the export of {facts.name} does not run: {error}") from error
        worst = max(worst, float(np.abs(theirs - ours).max() / max(float(theirs.std()), 1e-6)))
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from warning of what is checked here."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
