"""A packaged network to ONNX: any batch, any length, held against torch before anybody sees it.

Networks of transformers are traced; phone networks have their own writer (`melisma.train.export`). 8-bit weights are
those of matrix products only: 8-bit convolutions are slower and worse where onnxruntime has no kernel for them
(onnxruntime#15888). What differs too much from torch is an error, and nothing of it is left behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from melisma.core.errors import InputError, ModelError
from melisma.models.package import ONNX, PackageFacts
from melisma.models.phone_net import PhoneNet
from melisma.train.ctc.package import PackageConfig, describe, finish, write_small, write_weights
from melisma.train.ctc.parity import Limits, Parity, compare
from melisma.train.ctc.trained import Trained
from melisma.train.export import to_onnx
from melisma.train.fresh_folder import fresh_folder
from melisma.train.onnx_files import quantise, quiet_export

_OPSET = 17
_LARGEST = 2_000_000_000  # bytes of a protobuf file
_EXAMPLE = (2, 24_000)  # what is traced: none of the cases that it is checked at


@dataclass(frozen=True, slots=True)
class ExportConfig:
    """How a network is exported.

    Parameters
    ----------
    int8 : bool
        Whether weights of matrix products are kept in 8 bits.
    limits : Limits, optional
        How far it may be from torch; by default those of its precision.
    keep_weights : bool
        Whether the weights for torch are written beside it.
    card : PackageConfig
        What the package is called, and under which licence it is.
    """

    int8: bool = False
    limits: Limits | None = None
    keep_weights: bool = False
    card: PackageConfig = field(default_factory=PackageConfig)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export has made: facts of the package, size of the ONNX file in bytes, how near it is to torch."""

    facts: PackageFacts
    size_bytes: int
    parity: Parity


def export(trained: Trained, out: Path, config: ExportConfig | None = None) -> Exported:
    """Write a package whose network is an ONNX file, whole or not at all.

    Parameters
    ----------
    trained : Trained
        The network.
    out : Path
        A folder that is not there yet, or empty.

    Raises
    ------
    InputError
        If it cannot be exported.
    ModelError
        If the file says something else than torch does; nothing is left of it.
    OutputError
        If the folder is in use, or cannot be written.
    """
    config = config or ExportConfig()
    said = describe(trained, config.card) | {"precision": "int8" if config.int8 else "float32"}
    limits = config.limits or (Limits.int8() if config.int8 else Limits())
    with fresh_folder(out) as folder:
        path = folder / ONNX
        if config.keep_weights:
            write_weights(trained, folder)
        else:
            write_small(trained, folder)
        write_onnx(trained, path, int8=config.int8)
        parity = compare(trained, path)
        parity.check(limits)
        facts = finish(trained, folder, said, config.card, {"onnx": parity.as_dict()})
        return Exported(facts, path.stat().st_size, parity)


def write_onnx(trained: Trained, path: Path, *, int8: bool) -> None:
    """Write a network's ONNX file, unchecked."""
    if isinstance(trained.net, PhoneNet):
        path.write_bytes(to_onnx(trained.net, "int8" if int8 else "float32").SerializeToString())
        return
    size = 4 * sum(parameter.numel() for parameter in trained.net.parameters())
    if size > _LARGEST:
        raise InputError(f"the weights take {size / 1e9:.1f} GB, and an ONNX file holds 2 GB: it cannot be exported")
    _trace(trained.net, path)
    if int8:
        quantise(path)


class _Logits(nn.Module):
    """Samples to logits, and nothing else."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_values: Tensor) -> Tensor:
        logits: Tensor = self.net(input_values).logits
        return logits


def _trace(net: Any, path: Path) -> None:
    module = _Logits(net).eval()
    implementation = net.config._attn_implementation
    net.set_attn_implementation("eager")  # plain matrix products: those that can be kept in 8 bits
    axes = {"input_values": {0: "batch", 1: "time"}, "logits": {0: "batch", 1: "frames"}}
    try:
        with quiet_export(), torch.inference_mode():
            torch.onnx.export(
                module,
                (torch.zeros(_EXAMPLE),),
                str(path),
                input_names=["input_values"],
                output_names=["logits"],
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter fixes lengths in this network: pytorch#148886
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"this network cannot be exported: {said[0][:200]}") from error
    finally:
        net.set_attn_implementation(implementation)
