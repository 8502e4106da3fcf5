"""An exported model with 8-bit convolutions: half the file, calibrated on the mel features of a corpus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from melisma.audio import decode
from melisma.core.errors import InputError, MelismaError, ModelError, OutputError
from melisma.core.files import write_atomically
from melisma.core.records import Float32
from melisma.models import features
from melisma.models.embedded import read_card
from melisma.models.features import STRIDE
from melisma.train.corpus import UtteranceRow, read_manifest


@dataclass(frozen=True, slots=True)
class QuantiseConfig:
    """What becomes 8 bits wide, and on how much it is calibrated."""

    n_clips: int = 48  # spread over the corpus
    seed: int = 1
    keep: tuple[str, ...] = ("stem", "head")  # convolutions that stay float: first and last carry the finest values


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two models' outputs are apart, over all frames looked at."""

    most: float  # natural log
    mean: float
    other_best: float  # share of frames with another best label
    n_frames: int


def to_float(model: Any) -> Any:
    """Return a copy whose weights are float32: what was stored with fewer bits is worked out."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = out.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]
    for node in casts:
        values, name = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32), node.output[0]
        graph.initializer.remove(stored[node.input[0]])
        graph.node.remove(node)
        for scaling in [other for other in graph.node if other.op_type == "Mul" and other.input[0] == name]:
            values, name = values * numpy_helper.to_array(stored[scaling.input[1]]), scaling.output[0]
            graph.initializer.remove(stored[scaling.input[1]])
            graph.node.remove(scaling)
        graph.initializer.append(numpy_helper.from_array(values, name))
    return out


def quantise(model: Any, calibration: Iterable[Float32], config: QuantiseConfig | None = None) -> Any:
    """Return the model with 8-bit convolutions (QDQ, weights per channel, activations per tensor).

    Parameters
    ----------
    model : onnx.ModelProto
        As `melisma train export` writes it.
    calibration : iterable of float32 [1, N_MELS, n]
        Normalised mel features that set the ranges of the activations.
    config : QuantiseConfig, optional
        Which convolutions stay float.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    config = config or QuantiseConfig()
    pieces = iter(calibration)

    class _Reader:
        def get_next(self) -> dict[str, Float32] | None:
            piece = next(pieces, None)
            return None if piece is None else {"features": piece}

    whole = to_float(model)
    convolutions = [_name(node) for node in whole.graph.node if node.op_type == "Conv"]
    # Norms are folded and shapes are known: without this mark, onnxruntime logs an advice to do what is done.
    whole.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(whole, source)
        quantize_static(
            source,
            target,
            _Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[name for name in convolutions if name not in config.keep],
        )
        return onnx.load(target)


def _name(node: Any) -> str:
    if not node.name:  # the exporter names results only; a node takes the name of its result
        node.name = node.output[0]
    return str(node.name)


def calibration_features(corpus: Path, config: QuantiseConfig | None = None) -> list[Float32]:
    """Return normalised mel features of clips drawn from a corpus, each float32 [1, N_MELS, a multiple of STRIDE].

    Raises
    ------
    InputError
        If the manifest is bad or none of the clips drawn can be decoded.
    """
    config = config or QuantiseConfig()
    rows = read_manifest(corpus / "manifest.jsonl", UtteranceRow)
    order = np.random.default_rng(config.seed).permutation(len(rows))
    found: list[Float32] = []
    reason = "it holds no clip"
    for i in order[: 2 * config.n_clips]:
        try:
            samples = decode.load(corpus / rows[i].audio, downmix="mean").samples
        except MelismaError as error:
            reason = str(error)
            continue
        found.append(prepared(np.asarray(samples, np.float32)))
        if len(found) == config.n_clips:
            break
    if not found:
        raise InputError(f"{corpus} gives nothing to calibrate on: {reason}")
    return found


def prepared(samples: Float32) -> Float32:
    """Return what the network reads of mono audio at 16 kHz, float32 [1, N_MELS, a multiple of STRIDE]."""
    normal = features.normalise(features.log_mel(samples))
    padded = np.pad(normal, ((0, -len(normal) % STRIDE), (0, 0)))
    return np.ascontiguousarray(padded.T)[None]


def compare(reference: Any, other: Any, inputs: Iterable[Float32]) -> Difference:
    """Run two onnxruntime sessions on the same features and return how far their log-probabilities are apart."""
    most, total, n_values, changed, n_frames = 0.0, 0.0, 0, 0, 0
    for piece in inputs:
        expected, got = (run.run(["log_probs"], {"features": piece})[0] for run in (reference, other))
        apart = np.abs(expected - got)
        most = max(most, float(apart.max()))
        total += float(apart.sum(dtype=np.float64))
        n_values += apart.size
        changed += int((expected.argmax(axis=-1) != got.argmax(axis=-1)).sum())
        n_frames += expected.shape[0] * expected.shape[1]
    return Difference(most, total / max(n_values, 1), changed / max(n_frames, 1), n_frames)


def open_session(model: Any, threads: int = 1) -> Any:
    """Open a model for the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def read_model(path: Path) -> Any:
    """Read an ONNX file.

    Raises
    ------
    InputError
        If the file is missing or no ONNX model.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise InputError(f"cannot read the model {path}: {error.strerror or error}") from error
    except Exception as error:  # protobuf and the checker raise classes of their own
        raise InputError(f"{path} is no ONNX model, or a damaged one") from error
    return model


def quantise_file(
    path: Path, corpus: Path, folder: Path, config: QuantiseConfig | None = None
) -> tuple[Path, Difference]:
    """Write `<model_id>-int8.onnx` and its facts into a folder; return its path and how far it is from the original.

    The clips that it is compared on are others than those it was calibrated on, of the same corpus.
    """
    config = config or QuantiseConfig()
    model = read_model(path)
    try:
        read_card(path)
        facts = json.loads(path.with_name(f"{path.stem}.json").read_text(encoding="utf-8"))
    except ModelError as error:
        raise InputError(f"{path} lacks the facts that melisma train export writes beside it: {error}") from error
    drawn = calibration_features(corpus, QuantiseConfig(2 * config.n_clips, config.seed))
    half = max(1, len(drawn) // 2)
    small = quantise(model, drawn[:half], config)
    apart = compare(open_session(model), open_session(small), drawn[half:] or drawn)
    data = small.SerializeToString()
    facts |= {"model_id": f"{facts['model_id']}-int8", "revision": hashlib.sha256(data).hexdigest()[:16]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    target = folder / f"{facts['model_id']}.onnx"
    write_atomically(target, data)
    text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
    write_atomically(target.with_name(f"{facts['model_id']}.json"), text.encode("utf-8"))
    return target, apart
