"""Speech encoders of Hugging Face's hub up to one of their layers: wav2vec2, XLSR, HuBERT, WavLM, data2vec, UniSpeech.

Layers count as `hidden_states` of transformers do: 0 is what enters the first transformer layer, N what leaves the Nth.
The layers above it are neither loaded nor run. What leaves the last layer of a network with "stable" layer norms is
taken before the norm that follows it there, like that of every other layer.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from melisma.core.errors import EngineOutOfMemory, InputError, ModelError
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models.pretrained import check_settings, read_json, read_preparation
from melisma.models.quiet import quiet
from melisma.models.speech_parts import REACH, SAMPLE_RATE, STRIDE, Hearing, heard, n_frames

KINDS = ("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech", "unispeech-sat")
_SPARE = ("masked_spec_embed",)  # weights that only trainings need
_MOST_LAYERS = 200


@dataclass(frozen=True, slots=True)
class SpeechNetwork:
    """What the files of a checkpoint say of a network, before it is loaded.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    n_layers, n_dims : int
        Transformer layers, and dimensions of what leaves each.
    normalise : bool
        Whether it wants audio of mean 0 and variance 1.
    padded : bool
        Whether it tells padding from sound: networks whose convolutions are normalised over all of the audio do not,
        and the positions of data2vec's reach from the padding into the sound.
    """

    folder: Path
    n_layers: int
    n_dims: int
    normalise: bool
    padded: bool

    @property
    def default_layer(self) -> int:
        """The layer at 14/24 of the height, which is 14 in the network that the documents use."""
        return round(self.n_layers * 14 / 24)

    def checked(self, layer: int | None) -> int:
        """Return a layer, the default one for None; InputError if there is none of that number."""
        layer = self.default_layer if layer is None else layer
        if not 0 <= layer <= self.n_layers:
            raise InputError(f"{self.folder.name} has layers 0 to {self.n_layers}, and no layer {layer}")
        return layer


def read_network(folder: Path) -> SpeechNetwork:
    """Read what network a checkpoint's files promise.

    Raises
    ------
    ModelError
        If it is no speech encoder with a frame every 320 samples at 16 kHz, or its settings are damaged.
    """
    config = read_json(folder / "config.json")
    check_settings(config, folder.name)
    kind = config.get("model_type")
    if kind not in KINDS:
        raise ModelError(f"{folder.name} is a {str(kind)[:40]!r}; speech encoders here are {', '.join(KINDS)}")
    preparation = read_preparation(folder)
    _check_frames(folder, config, preparation.sample_rate)
    n_layers, n_dims = config.get("num_hidden_layers"), config.get("hidden_size")
    if type(n_layers) is not int or type(n_dims) is not int or not 0 < n_layers <= _MOST_LAYERS or n_dims < 1:
        raise ModelError(f"config.json of {folder.name} does not say how many layers of which size there are")
    padded = config.get("feat_extract_norm", "group") == "layer" and kind != "data2vec-audio"
    return SpeechNetwork(folder, n_layers, n_dims, preparation.normalise, padded)


def _check_frames(folder: Path, config: dict[str, Any], rate: int) -> None:
    kernels, strides = (config.get(key, list(default)) for key, default in _LAYERS.items())
    known = all(isinstance(each, list) and all(type(x) is int and x > 0 for x in each) for each in (kernels, strides))
    if not known or len(kernels) != len(strides):
        raise ModelError(f"config.json of {folder.name} does not say what its frames are made of")
    stride, reach = 1, 1
    for kernel, step in zip(kernels, strides, strict=True):
        reach += (kernel - 1) * stride
        stride *= step
    if (rate, stride, reach) != (SAMPLE_RATE, STRIDE, REACH):
        raise ModelError(
            f"{folder.name} makes a frame every {stride} samples out of {reach} at {rate} Hz; "
            f"units take {STRIDE} out of {REACH} at {SAMPLE_RATE} Hz"
        )


# What transformers takes where config.json says nothing.
_LAYERS = {"conv_kernel": (10, 3, 3, 3, 3, 2, 2), "conv_stride": (5, 2, 2, 2, 2, 2, 2)}


class Truncated(nn.Module):
    """A network up to a layer: float [n, n_samples] to float [n, n_frames, n_dims]."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return what leaves the last layer that is there."""
        out: Tensor = self.net(input_values, attention_mask=attention_mask).last_hidden_state
        return out

    def layers(self, input_values: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return what leaves every layer, float [n, n_layers + 1, n_frames, n_dims]."""
        out = self.net(input_values, attention_mask=attention_mask, output_hidden_states=True)
        return torch.stack([*out.hidden_states[:-1], out.last_hidden_state], dim=1)


def load_truncated(network: SpeechNetwork, layer: int, *, half: bool = False) -> Truncated:
    """Load a checkpoint up to a layer, on the CPU: from safetensors, or from torch's plain tensors.

    Raises
    ------
    ModelError
        If weights are missing or damaged.
    EngineOutOfMemory
        If there is too little memory.
    """
    from transformers import AutoConfig, AutoModel

    folder = network.folder
    try:
        with quiet():
            config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            config.num_hidden_layers, config.add_adapter = layer, False
            config.layerdrop = config.mask_time_prob = config.mask_feature_prob = 0.0
            net, info = AutoModel.from_pretrained(
                str(folder),
                config=config,
                dtype=torch.float16 if half else torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
            )
    except MemoryError as error:
        raise EngineOutOfMemory(f"there is too little memory for the model {folder.name}") from error
    except Exception as error:  # whatever transformers, safetensors and torch raise on files of strangers
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(f"the model {folder.name} cannot be loaded: {said}") from error
    lost = sorted(key for key in info["missing_keys"] if key not in _SPARE)
    if lost:
        raise ModelError(f"the model {folder.name} lacks weights, such as {lost[0]}")
    if getattr(config, "do_stable_layer_norm", False):
        net.encoder.layer_norm = nn.Identity()  # it comes behind the last layer of all
    return Truncated(net.eval())


@dataclass(frozen=True, slots=True)
class Running:
    """How a network runs.

    Parameters
    ----------
    device : str
        A name that `choose_device` knows.
    half : bool
        16-bit floats, on a GPU.
    batch_s, longest_s : float
        Of a batch, padding counted, and of a part of a recording, in seconds.
    threads : int, optional
        On the CPU; as many as there are without.
    """

    device: str = "auto"
    half: bool = False
    batch_s: float = 60.0
    longest_s: float = 30.0
    threads: int | None = None


class SpeechEncoder:
    """A network up to a layer, ready for recordings.

    Parameters
    ----------
    network : SpeechNetwork
        Which.
    layer : int
        The last that is run.
    running : Running
        How.
    """

    def __init__(self, network: SpeechNetwork, layer: int, running: Running | None = None) -> None:
        running = running or Running()
        self.network, self.layer = network, layer
        self.device = choose_device(running.device)
        self._dtype = torch.float16 if running.half and self.device.type == "cuda" else torch.float32
        loaded = load_truncated(network, layer, half=self._dtype == torch.float16)
        self.module = _placed(loaded, self.device, network.folder.name)
        self._threads = running.threads or n_threads()
        self._how = Hearing(network.normalise, running.longest_s, running.batch_s, network.padded)

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return what leaves the layer, float32 [n_frames(n_samples), n_dims] for each recording.

        Raises
        ------
        EngineOutOfMemory
            If a batch is too large for the device.
        """
        return heard(waveforms, self._frames, self.network.n_dims, self._how)

    def encode_layers(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return what leaves every layer up to it, float32 [n_frames, layer + 1, n_dims] for each recording."""
        n_all = (self.layer + 1) * self.network.n_dims
        found = heard(waveforms, self._all_frames, n_all, self._how)
        return [each.reshape(len(each), self.layer + 1, self.network.n_dims) for each in found]

    def _frames(self, parts: list[Float32]) -> list[Float32]:
        with _memory(self.network.folder.name):
            got = self._run(self.module, parts).float().cpu().numpy()
        return [row[: n_frames(len(part))] for row, part in zip(got, parts, strict=True)]

    def _all_frames(self, parts: list[Float32]) -> list[Float32]:
        with _memory(self.network.folder.name):
            got = self._run(self.module.layers, parts).float().cpu().numpy()
        kept = (row[:, : n_frames(len(part))] for row, part in zip(got, parts, strict=True))
        return [each.transpose(1, 0, 2).reshape(each.shape[1], -1) for each in kept]

    def _run(self, module: Any, parts: list[Float32]) -> Tensor:
        longest = max(map(len, parts))
        batch = np.zeros((len(parts), longest), np.float32)
        for row, part in zip(batch, parts, strict=True):
            row[: len(part)] = part
        mask = None
        if any(len(part) != longest for part in parts):
            lengths = torch.tensor([len(part) for part in parts], device=self.device)
            mask = (torch.arange(longest, device=self.device)[None] < lengths[:, None]).long()
        if self.device.type == "cpu":
            torch.set_num_threads(self._threads)
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # WavLM's own call of torch
            out: Tensor = module(torch.from_numpy(batch).to(self.device, self._dtype), mask)
        return out


@contextmanager
def _memory(name: str) -> Iterator[None]:
    """Turn what torch raises where there is too little memory into a sentence."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            said = f"there is too little memory for a batch of {name}: take a smaller --batch-s"
            raise EngineOutOfMemory(said) from error
        raise


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name: cpu, cuda, cuda:1, mps, or auto for MELISMA_DEVICE or the fastest that is there.

    Raises
    ------
    InputError
        If it is no such name, or torch sees no such device.
    """
    name = os.environ.get("MELISMA_DEVICE", "").strip().lower() or name if name == "auto" else name
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdecimal())):
        raise InputError(f"{name[:40]!r} is no device: take auto, cpu, cuda, cuda:1 or mps")
    n_devices = {"cpu": 1, "mps": int(torch.backends.mps.is_available()), "cuda": torch.cuda.device_count()}[kind]
    if int(index or 0) >= n_devices:
        raise InputError(f"there is no device {name}: torch sees {n_devices} of that kind")
    return torch.device(name)


def _placed(module: Truncated, device: torch.device, name: str) -> Truncated:
    with _memory(name):
        return module.to(device)
