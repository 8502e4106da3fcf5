"""A generator in the manner of Vocos: convolutions from units to spectra, and one inverse Fourier transform to samples.

Reference: Siuzdak, Vocos: Closing the gap between time-domain and Fourier-based neural vocoders for high-quality audio
synthesis, ICLR 2024. Its ConvNeXt blocks have given way to dense convolutions, which are three times faster on CPUs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from melisma.models.vocoder.inputs import Inputs
from melisma.models.vocoder.shape import STRIDE, Shape
from melisma.models.vocoder.spectra import InverseSpectra

N_FFT, HOP = 640, 160  # 40 ms every 10 ms: two frames of spectra for each unit
_LOUDEST = 100.0  # of a magnitude, so that a wild network makes no infinity
_QUIET_START = -3.0  # natural log of magnitudes before anything is learnt


class VocosGenerator(nn.Module):
    """Units → samples.

    Parameters
    ----------
    shape : Shape
        With kind "vocos".
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        n = shape.channels
        self.inputs = Inputs(shape)
        self.stem = nn.Conv1d(n, n, 7, padding=3)
        self.coarse = nn.Sequential(*(_Block(n, dilation) for dilation in shape.coarse))
        self.split = nn.Conv1d(n, n * (STRIDE // HOP), 1)
        self.fine = nn.Sequential(*(_Block(n, dilation) for dilation in shape.fine))
        self.head = nn.Conv1d(n, N_FFT + 2, 1)
        self.samples = InverseSpectra(N_FFT, HOP)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.head.weight.mul_(0.5)
            if self.head.bias is not None:
                self.head.bias[: N_FFT // 2 + 1].fill_(_QUIET_START)

    @property
    def context(self) -> int:
        """How many frames on either side can change what a frame sounds like, at most."""
        windows = -(-(N_FFT // 2) // STRIDE)
        return 3 + sum(self.shape.coarse) + -(-sum(self.shape.fine) * HOP // STRIDE) + windows

    def spectra(self, units: Tensor, speaker: Tensor | None = None, f0_hz: Tensor | None = None) -> Tensor:
        """Return log-magnitudes and phases, one after the other, [batch, N_FFT + 2, 2 · n_frames]."""
        x = self.coarse(self.stem(self.inputs(units, speaker, f0_hz)))
        batch, n, n_frames = x.shape
        ways = STRIDE // HOP
        x = self.split(x).view(batch, ways, n, n_frames).permute(0, 2, 3, 1).reshape(batch, n, n_frames * ways)
        out: Tensor = self.head(normed(self.fine(x)))
        return out

    def forward(self, units: Tensor, speaker: Tensor | None = None, f0_hz: Tensor | None = None) -> Tensor:
        """Return samples, float32 [batch, 320 · n_frames]; parameters as of `Inputs.forward`."""
        size, phase = self.spectra(units, speaker, f0_hz).float().chunk(2, dim=1)
        with torch.autocast(units.device.type, enabled=False):
            size = torch.exp(size).clamp(max=_LOUDEST)
            samples: Tensor = self.samples(size * torch.cos(phase), size * torch.sin(phase))
        return samples


class _Block(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.narrow = nn.Conv1d(channels, channels, 1)
        self.gain = nn.Parameter(torch.ones(channels, 1))
        self.dropout = nn.Dropout(0.0)  # a training says how much

    def forward(self, x: Tensor) -> Tensor:
        """Run [batch, channels, n_frames]."""
        inner: Tensor = nn.functional.gelu(self.wide(normed(x) * self.gain.to(x.dtype)))
        inner = self.narrow(self.dropout(inner))
        return x + inner


def normed(x: Tensor) -> Tensor:
    """Give every frame of [batch, channels, n_frames] a root mean square of one; frames do not know each other."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)
