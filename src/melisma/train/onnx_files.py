"""What every export to ONNX shares: weights in 8 bits, and an exporter that does not warn of what is checked here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def quantise(path: Path) -> None:
    """Keep the weights of a file's matrix products in 8 bits, one scale a column; all else stays as it is."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_name(f".{path.name}.float32")
    path.rename(whole)
    try:
        with quiet_export():
            quantize_dynamic(
                str(whole),
                str(path),
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
    finally:
        whole.unlink()


@contextmanager
def quiet_export() -> Iterator[None]:
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
