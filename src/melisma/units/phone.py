"""The embedded phone network as an encoder: one of its hidden layers, 50 frames a second, through onnxruntime.

Its emission makes a frame every 30 ms, and with CTC most of them say "blank"; what its layers hold in between tells the
sounds of every frame apart. Nothing in the network knows where in the recording it is, so that the same weights give a
frame every 10 ms when they hear the recording three times, each 10 ms later. Every second of those frames is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import InputError, ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models import embedded, features
from melisma.units.clock import STRIDE, n_frames
from melisma.units.encoder import EncoderConfig, EncoderFacts

DEFAULT_LAYER = 8
N_LAYERS = 13  # what the stem gives is layer 0, then the blocks; one more is the emission
_WINDOW = 1000  # frames of the trunk at a time, 30 s
_HOPS = STRIDE // features.HOP  # feature frames of 10 ms from one unit to the next
_FLOAT, _MODEL_GRAPH, _GRAPH_OUTPUT = 1, 7, 12  # in onnx.proto3


class PhoneEncoder:
    """Hidden features of the phone network.

    Parameters
    ----------
    config : EncoderConfig
        `layer` is 0 for the first convolution, 1 to 12 for the blocks, 13 for the natural logarithms of the phones'
        probabilities.

    Raises
    ------
    InputError
        If there is no such layer.
    ModelError
        If the model is damaged.
    """

    def __init__(self, config: EncoderConfig) -> None:
        self._hearing = PhoneLayers((DEFAULT_LAYER if config.layer is None else config.layer,), config.threads)
        [self.facts] = self._hearing.facts

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features of recordings, each as if it were alone; see `Encoder.encode`."""
        return [self._hearing.encode(samples)[0] for samples in waveforms]


class PhoneLayers:
    """Several layers of the phone network at once; errors are those of `PhoneEncoder`.

    Parameters
    ----------
    layers : tuple of int
        Which.
    threads : int, optional
        Of onnxruntime; they show in no bit.
    """

    def __init__(self, layers: tuple[int, ...], threads: int | None = None) -> None:
        self._card = embedded.cards()[-1]
        for layer in layers:
            if not 0 <= layer <= N_LAYERS:
                raise InputError(f"the phone network has layers 0 to {N_LAYERS}, and no layer {layer}")
        self._run = _Network(self._card.path, layers, threads or n_threads())
        self.facts = tuple(map(self._facts, layers, self._run.n_dims))

    def _facts(self, layer: int, n_dims: int) -> EncoderFacts:
        decides = f"phone 1 {self._card.revision} {self._card.hops} {features.recipe()} {layer}"
        return EncoderFacts(
            name="phone",
            kind="phone",
            layer=layer,
            n_dims=n_dims,
            fingerprint=hashlib.sha256(decides.encode()).hexdigest(),
            licence=self._card.licence,
        )

    def encode(self, samples: Float32) -> list[Float32]:
        """Return what leaves each layer, float32 [n_frames(n_samples), n_dims]."""
        n, hops, reach = n_frames(len(samples)), self._card.hops, self._card.reach
        if not n:
            return [np.zeros((0, n_dims), np.float32) for n_dims in self._run.n_dims]
        normal = features.log_mel(samples)
        features.normalise(normal, out=normal)
        shifted = _shifted(normal, hops)
        total = shifted.shape[2] // hops
        begin = hops - 1  # the frame of 30 ms that begins with the first sample: those before begin in the silence
        made = [np.empty((n, n_dims), np.float32) for n_dims in self._run.n_dims]
        for first in range(0, total, _WINDOW):
            last = min(first + _WINDOW, total)
            low, high = max(0, first - reach), min(total, last + reach)
            wanted = np.arange(n)  # units whose frame of 10 ms, `begin + 2 i`, is made here
            wanted = wanted[(begin + _HOPS * wanted >= first * hops) & (begin + _HOPS * wanted < last * hops)]
            at = begin + _HOPS * wanted - low * hops
            for kept, got in zip(made, self._run(shifted[:, :, low * hops : high * hops]), strict=True):
                kept[wanted] = got[at % hops, at // hops]
        return made


def _shifted(normal: Float32, hops: int) -> Float32:
    """Return log-mels as `hops` recordings, the first of which begins `hops` − 1 frames late, each one frame later."""
    n_trunk = -(-(len(normal) + hops - 1) // hops)
    shifted = np.zeros((hops, normal.shape[1], n_trunk * hops), np.float32)
    for row in range(hops):
        lead = hops - 1 - row
        shifted[row, :, lead : lead + len(normal)] = normal.T
    return shifted


class _Network:
    """Hidden layers of the network by their numbers, from an ONNX file whose only outputs are those of its heads."""

    def __init__(self, path: Path, layers: tuple[int, ...], threads: int) -> None:
        import onnxruntime

        names = [_tensor(layer) for layer in layers]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            model = path.read_bytes() + b"".join(map(_as_output, names))
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            raise ModelError(f"the model {path.name} cannot be loaded: {error}") from error
        self._names, self._emits = names, [layer == N_LAYERS for layer in layers]
        self._only = onnxruntime.RunOptions()
        self._only.only_execute_path_to_fetches = True  # no layer above is run
        probe = np.zeros((1, features.N_MELS, 30), np.float32)
        self.n_dims = tuple(each.shape[2] for each in self(probe))

    def __call__(self, normal: Float32) -> list[Float32]:
        """Return each layer, float32 [batch, n_frames, n_dims], of log-mels [batch, N_MELS, n_features]."""
        got = self._session.run(self._names, {"features": np.ascontiguousarray(normal)}, self._only)
        return [each if emits else each.transpose(0, 2, 1) for each, emits in zip(got, self._emits, strict=True)]


def _tensor(layer: int) -> str:
    """Return the name that a layer's values have in the graph."""
    if layer == N_LAYERS:
        return "log_probs"
    return f"block{layer - 1}_out" if layer else "stem_out"


def _as_output(name: str) -> bytes:
    """Return what makes a tensor of a graph an output of it, to be written behind an ONNX file.

    Protocol buffers that stand one behind another are read as one message; repeated fields add up.
    """
    if name == "log_probs":
        return b""
    tensor = _field(2, _field(1, bytes([1 << 3, _FLOAT])))  # TypeProto.tensor_type.elem_type
    return _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, _field(1, name.encode("ascii")) + tensor))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content
