"""Networks that hear windows: transformers' CTC models, ONNX files, and any torch module that is called like them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from melisma.core.errors import EngineOutOfMemory, EngineUnavailable, ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.engines._windows import Geometry, first_line, is_out_of_memory
from melisma.engines.device import ON_CPU, Device
from melisma.models.pretrained import check_settings, read_json
from melisma.models.quiet import quiet

# Log-mels are normalised over a window: a second of them, so that there is something to normalise over.
_LEAST_OF_MELS = 50
# Kaldi's filter banks, as wav2vec2-BERT takes them: windows of 25 ms every 10 ms at 16 kHz.
_MEL_WINDOW, _MEL_HOP = 400, 160


def geometry_of(config: dict[str, Any]) -> Geometry:
    """Return which samples the frames of a network are made of, from its config.json."""
    merged = 1
    if config.get("add_adapter"):
        step, layers = config.get("adapter_stride", 2), config.get("num_adapter_layers", 3)
        if not isinstance(step, int) or not isinstance(layers, int) or not 0 <= layers <= 8:
            raise ModelError(f"an adapter of {layers!r} layers with a stride of {step!r} makes no frames")
        merged = step**layers
    if config.get("model_type") == "wav2vec2-bert":
        return Geometry.of_layers((_MEL_WINDOW, 2), (_MEL_HOP, 2), merged)  # two filter banks a frame
    return Geometry.of_layers(_sizes(config, "conv_kernel"), _sizes(config, "conv_stride"), merged)


def _sizes(config: dict[str, Any], key: str) -> list[int]:
    sizes = config.get(key)
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        raise ModelError(f"config.json has no list {key}: how many samples a frame is made of is not known")
    return sizes


class TorchNetwork:
    """A torch module that turns float [n, n_samples] into logits [n, n_frames, n_labels].

    Parameters
    ----------
    module : torch.nn.Module
        Returns an object with `logits`, or a tuple that begins with them.
    geometry : Geometry
        Of its frames.
    device : Device
        Where it runs; in 16-bit floats on a GPU.
    prepare : callable, optional
        Windows to what the module takes instead of samples.
    """

    def __init__(
        self, module: Any, geometry: Geometry, device: Device, prepare: Callable[[Float32], Any] | None = None
    ) -> None:
        import torch

        self.geometry = geometry
        self.least_frames = _LEAST_OF_MELS if prepare else 1
        self.dtype = torch.float16 if device.half else torch.float32
        self._device = torch.device(device.name)
        self._prepare = prepare or torch.from_numpy
        self._module = module.eval().to(self._device, self.dtype)
        if device.name == ON_CPU:
            torch.set_num_threads(n_threads())  # more than the control group allows make it slower

    def __call__(self, windows: Float32) -> Float32:
        """Return natural-log probabilities, float32 [n, n_frames, n_labels]."""
        import torch

        with torch.inference_mode():
            got = self._module(self._prepare(windows).to(self._device, self.dtype))
            logits = got.logits if hasattr(got, "logits") else got[0]
            out: Float32 = torch.log_softmax(logits.float(), dim=-1).cpu().numpy()
        return out


def open_transformers(folder: Path, device: Device) -> TorchNetwork:
    """Load a CTC model of transformers from a folder: its weights from safetensors, or as torch's plain tensors.

    Raises
    ------
    ModelError
        If it is no CTC model, or damaged.
    EngineOutOfMemory
        If the device has no room for it.
    """
    import torch
    from transformers import AutoModelForCTC

    config = read_json(folder / "config.json")
    check_settings(config, folder.name)
    geometry = geometry_of(config)
    try:
        with quiet():
            model, info = AutoModelForCTC.from_pretrained(
                str(folder),
                dtype=torch.float16 if device.half else torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
            )
        lost = sorted(info["missing_keys"])
        if lost:
            raise ModelError(f"the model {folder.name} lacks weights, such as {lost[0]}: is it trained for CTC?")
        return TorchNetwork(model, geometry, device, _mels(folder, config))
    except ModelError:
        raise
    except MemoryError as error:
        raise EngineOutOfMemory(f"there is too little memory for the model {folder.name}") from error
    except Exception as error:  # whatever transformers, safetensors and torch raise on files of strangers
        if is_out_of_memory(error):
            raise EngineOutOfMemory(f"there is too little memory for the model {folder.name}") from error
        raise ModelError(f"the model {folder.name} cannot be loaded: {first_line(error)}") from error


def _mels(folder: Path, config: dict[str, Any]) -> Callable[[Float32], Any] | None:
    """Return what makes log-mels of samples, where the model wants them."""
    if config.get("model_type") != "wav2vec2-bert":
        return None
    from transformers import AutoFeatureExtractor

    load: Any = AutoFeatureExtractor.from_pretrained
    extractor = load(str(folder), local_files_only=True, trust_remote_code=False)

    def prepare(windows: Float32) -> Any:
        rate = extractor.sampling_rate
        return extractor(list(windows), sampling_rate=rate, return_tensors="pt")["input_features"]

    return prepare


class OnnxNetwork:
    """A CTC model as an ONNX file, in onnxruntime: no torch is needed.

    Parameters
    ----------
    path : Path
        The file: `input_values` float [n, n_samples] to logits [n, n_frames, n_labels].
    geometry : Geometry
        Of its frames.
    device : Device
        A GPU is used where this onnxruntime can.
    """

    least_frames = 1

    def __init__(self, path: Path, geometry: Geometry, device: Device) -> None:
        import onnxruntime

        self.geometry = geometry
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = _providers(device)
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            raise ModelError(
                f"the model {path.parent.name}/{path.name} cannot be loaded: {first_line(error)}"
            ) from error
        takes = {given.name: given for given in self._session.get_inputs()}
        self._masked = "attention_mask" in takes
        given = takes.get("input_values") or next(iter(takes.values()))
        if len(takes) - self._masked != 1 or len(given.shape) != 2 or isinstance(given.shape[1], int):
            raise ModelError(f"{path.name} takes {sorted(takes)}: wanted are samples of any length, [batch, time]")
        self._input = given.name
        self._type = np.float16 if "float16" in given.type else np.float32
        self.one_by_one = isinstance(given.shape[0], int)

    def __call__(self, windows: Float32) -> Float32:
        """Return natural-log probabilities, float32 [n, n_frames, n_labels]."""
        batches = windows[:, None] if self.one_by_one else windows[None]
        return np.concatenate([self._run(batch) for batch in batches])

    def _run(self, windows: Float32) -> Float32:
        inputs: dict[str, Any] = {self._input: windows.astype(self._type, copy=False)}
        if self._masked:
            inputs["attention_mask"] = np.ones(windows.shape, np.int64)
        try:
            logits = self._session.run(None, inputs)[0].astype(np.float32)
        except Exception as error:  # onnxruntime raises its own, undocumented classes
            kind = MemoryError if is_out_of_memory(error) else RuntimeError
            raise kind(first_line(error)) from error
        top = logits - logits.max(axis=-1, keepdims=True)
        out: Float32 = top - np.log(np.exp(top).sum(axis=-1, keepdims=True))
        return out


def _providers(device: Device) -> list[Any]:
    import onnxruntime

    if device.name == ON_CPU:
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers() or not device.half:
        raise EngineUnavailable(f"this onnxruntime cannot run on {device.name}: set MELISMA_DEVICE=cpu")
    number = int(device.name.partition(":")[2] or 0)
    return [("CUDAExecutionProvider", {"device_id": number}), "CPUExecutionProvider"]
