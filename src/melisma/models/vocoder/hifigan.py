"""HiFi-GAN's generator: transposed convolutions from units up to the sample, each followed by fused residual blocks.

Reference: Kong, Kim and Bae, HiFi-GAN: generative adversarial networks for efficient and high fidelity speech
synthesis, NeurIPS 2020; upsampling here is 5 · 4 · 4 · 2 · 2 = 320.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from melisma.models.vocoder.inputs import Inputs
from melisma.models.vocoder.shape import STRIDE, Shape

RATES = (5, 4, 4, 2, 2)
_KERNELS = (11, 8, 8, 4, 4)  # of the transposed convolutions: twice the rate, odd where the rate is
_BLOCKS = (3, 7, 11)
_DILATIONS = (1, 3, 5)
_SLOPE = 0.1
_START_STD = 0.01  # of all weights but those of the inputs


class HifiganGenerator(nn.Module):
    """Units → samples.

    Parameters
    ----------
    shape : Shape
        With kind "hifigan"; `channels` are halved at each of the five steps.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        n = shape.channels
        self.inputs = Inputs(shape)
        self.stem = _weighted(nn.Conv1d(n, n, 7, padding=3))
        self.ups, self.blocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(RATES, _KERNELS, strict=True):
            up = nn.ConvTranspose1d(n, n // 2, kernel, rate, padding=(kernel - rate) // 2)
            self.ups.append(_weighted(up))
            n //= 2
            self.blocks.append(_Fusion(n))
        self.head = _weighted(nn.Conv1d(n, 1, 7, padding=3))

    @property
    def context(self) -> int:
        """How many frames on either side can change what a frame sounds like, at most."""
        reach, per_frame = 3.0, 1
        for rate in RATES:
            reach += 2.0 / per_frame  # a transposed convolution reads two of its inputs for each output
            per_frame *= rate
            reach += max(_reach(size) for size in _BLOCKS) / per_frame
        return int(reach + 3.0 / STRIDE) + 1

    def forward(self, units: Tensor, speaker: Tensor | None = None, f0_hz: Tensor | None = None) -> Tensor:
        """Return samples, float32 [batch, 320 · n_frames]; parameters as of `Inputs.forward`."""
        x: Tensor = self.stem(self.inputs(units, speaker, f0_hz))
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            x = up(nn.functional.leaky_relu(x, _SLOPE))
            x = blocks(x)
        x = self.head(nn.functional.leaky_relu(x))
        return torch.tanh(x.float())[:, 0]


class _Fusion(nn.Module):
    """The mean of blocks that hear differently far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.all = nn.ModuleList(_Block(channels, size) for size in _BLOCKS)

    def forward(self, x: Tensor) -> Tensor:
        """Run [batch, channels, n]."""
        total: Tensor | None = None
        for block in self.all:
            total = block(x) if total is None else total + block(x)
        assert total is not None  # noqa: S101 - there are three
        return total / len(self.all)


class _Block(nn.Module):
    """Three pairs of convolutions, each beside a way past it."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        pairs = [
            [nn.Conv1d(channels, channels, kernel, padding=kernel // 2 * wide, dilation=wide) for wide in (dilation, 1)]
            for dilation in _DILATIONS
        ]
        self.wide = nn.ModuleList(_weighted(pair[0]) for pair in pairs)
        self.narrow = nn.ModuleList(_weighted(pair[1]) for pair in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Run [batch, channels, n]."""
        for wide, narrow in zip(self.wide, self.narrow, strict=True):
            inner = wide(nn.functional.leaky_relu(x, _SLOPE))
            x = x + narrow(nn.functional.leaky_relu(inner, _SLOPE))
        return x


def _reach(kernel: int) -> int:
    """Return how many samples to one side a block hears."""
    return kernel // 2 * (sum(_DILATIONS) + len(_DILATIONS))


def _weighted(layer: nn.Module) -> nn.Module:
    nn.init.normal_(layer.weight, 0.0, _START_STD)  # type: ignore[arg-type]
    normed: nn.Module = parametrizations.weight_norm(layer)
    return normed


def without_norms(net: nn.Module) -> nn.Module:
    """Put the weights that norms of weights make in their place: the same network, faster, that learns no more."""
    for layer in net.modules():
        if parametrize.is_parametrized(layer):
            for name in list(layer.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(layer, name)
    return net
