"""A trained network to ONNX, by hand: convolutions with their norms folded in, weights stored as small as wanted.

The graph is small and plain, so it needs no exporter and runs on any onnxruntime; a test holds it against torch.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from melisma.core.errors import InputError
from melisma.core.files import make_folder, write_atomically
from melisma.models.features import N_MELS, STRIDE
from melisma.models.phone_net import PhoneNet, PhoneNetConfig
from melisma.text.phones import INVENTORY
from melisma.train.checkpoint import read_checkpoint
from melisma.train.config import CardFacts, Storage

_OPSET = 17


class _Graph:
    """Nodes and weights as they are added."""

    def __init__(self, storage: Storage) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.storage = storage

    def weight(self, name: str, values: torch.Tensor) -> str:
        """Store weights; onnxruntime works them out as it loads the model, and reckons in float32."""
        array = values.detach().float().numpy()
        if self.storage == "float32" or (self.storage == "int8" and array.ndim == 1):
            return self._store(name, array)
        if self.storage == "float16":
            half = self._store(f"{name}_half", array.astype(np.float16))
            return self.node("Cast", [half], name, to=TensorProto.FLOAT)
        steps = np.maximum(np.abs(array).max(axis=(1, 2), keepdims=True) / 127, np.float32(1e-12))
        bytes_ = self._store(f"{name}_byte", np.round(array / steps).astype(np.int8))
        whole = self.node("Cast", [bytes_], f"{name}_whole", to=TensorProto.FLOAT)
        return self.node("Mul", [whole, self._store(f"{name}_step", steps)], name)

    def _store(self, name: str, array: npt.NDArray[Any]) -> str:
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def conv(self, x: str, name: str, conv: torch.nn.Conv1d, norm: torch.nn.BatchNorm1d | None) -> str:
        weight = conv.weight
        bias = conv.bias if conv.bias is not None else torch.zeros(weight.shape[0])
        if norm is not None:
            learnt = norm.state_dict()
            scale = learnt["weight"] / torch.sqrt(learnt["running_var"] + norm.eps)
            weight, bias = weight * scale[:, None, None], learnt["bias"] + (bias - learnt["running_mean"]) * scale
        inputs = [x, self.weight(f"{name}_w", weight), self.weight(f"{name}_b", bias)]
        padding = int(conv.padding[0])
        return self.node(
            "Conv", inputs, name, strides=[conv.stride[0]], dilations=[conv.dilation[0]], pads=[padding, padding]
        )


def to_onnx(net: PhoneNet, storage: Storage = "float16") -> onnx.ModelProto:
    """Build the ONNX graph: features float32 [1, N_MELS, stride · n] to log_probs [1, n, n_labels] and vocal [1, n]."""
    graph = _Graph(storage)
    x = graph.node("Relu", [graph.conv("features", "stem", net.stem, net.stem_norm)], "stem_out")
    for i, block in enumerate(net.blocks):
        inner = graph.node("Relu", [graph.conv(x, f"block{i}", block.conv, block.norm)], f"block{i}_relu")  # type: ignore[arg-type]
        x = graph.node("Add", [x, inner], f"block{i}_out")
    scores = graph.node("Transpose", [graph.conv(x, "head", net.head, None)], "scores", perm=[0, 2, 1])
    n_labels = net.config.n_labels
    graph.weights.append(numpy_helper.from_array(np.array([n_labels, 1], np.int64), "parts"))
    graph.nodes.append(helper.make_node("Split", [scores, "parts"], ["phones", "voice"], axis=2))
    graph.node("LogSoftmax", ["phones"], "log_probs", axis=2)
    graph.weights.append(numpy_helper.from_array(np.array([2], np.int64), "last_axis"))
    graph.node("Squeeze", [graph.node("Sigmoid", ["voice"], "voice_p"), "last_axis"], "vocal")
    made = helper.make_graph(
        graph.nodes,
        "phone",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", N_MELS, "n_features"])],
        [
            helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, ["batch", "n_frames", n_labels]),
            helper.make_tensor_value_info("vocal", TensorProto.FLOAT, ["batch", "n_frames"]),
        ],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def load_average(checkpoint: Path) -> PhoneNet:
    """Return the averaged network of a checkpoint, ready for use."""
    state = read_checkpoint(checkpoint)
    try:
        config = state["config"]
        shape = PhoneNetConfig(
            len(INVENTORY) + 1,
            config["channels"],
            tuple(config["dilations"]),
            stride=config.get("stride", STRIDE),
            fine=config.get("fine_weight", 0) > 0,
        )
        net = PhoneNet(shape)
        net.load_state_dict(state["average"])
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{checkpoint} is no checkpoint of a phone model with these labels") from error
    return net.eval()


def export(checkpoint: Path, folder: Path, card: CardFacts) -> Path:
    """Write `<model_id>.onnx` and the facts of its card, `<model_id>.json`, into a folder; return the first."""
    net = load_average(checkpoint)
    data = to_onnx(net, card.weights).SerializeToString()
    name = card.model_id
    make_folder(folder)
    known = {
        "revision": hashlib.sha256(data).hexdigest()[:16],
        "labels": ["", *INVENTORY],
        "n_parameters": sum(p.numel() for name, p in net.named_parameters() if not name.startswith("fine.")),
        "reach": net.config.reach,
        "hops": net.config.stride,
    }
    write_atomically(folder / f"{name}.onnx", data)
    text = json.dumps(card.model_dump(mode="json") | known, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / f"{name}.json", text.encode("utf-8"))
    return folder / f"{name}.onnx"
