"""What tells made sounds from recorded ones: discriminators of many periods and of several resolutions.

References: Kong, Kim and Bae, HiFi-GAN, NeurIPS 2020 (periods); Jang et al., UnivNet, Interspeech 2021 (resolutions).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = ((1024, 256), (2048, 512), (512, 128))  # n_fft and hop
_SLOPE = 0.1
Heard = list[Tensor]  # what the layers of a discriminator give, the score last


class Discriminators(nn.Module):
    """All of them.

    Parameters
    ----------
    width : int
        Channels of the first layers; 32 is HiFi-GAN's, less is faster.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.all = nn.ModuleList(
            [
                *(_OfPeriod(period, width) for period in PERIODS),
                *(_OfResolution(n_fft, hop, width) for n_fft, hop in RESOLUTIONS),
            ]
        )

    def forward(self, samples: Tensor) -> list[Heard]:
        """Return what each makes of samples, float32 [batch, n_samples]."""
        return [each(samples) for each in self.all]


class _OfPeriod(nn.Module):
    """Looks at every so manieth sample, as at the rows of a picture."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, width, 4 * width, 16 * width, 32 * width, 32 * width]
        self.layers = nn.ModuleList(
            _weighted(nn.Conv2d(widths[i], widths[i + 1], (5, 1), (3 if i < 4 else 1, 1), padding=(2, 0)))
            for i in range(5)
        )
        self.score = _weighted(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, samples: Tensor) -> Heard:
        """Return what the layers give."""
        n_samples = samples.shape[1]
        padded = nn.functional.pad(samples[:, None], (0, -n_samples % self.period), "reflect")
        return _layers(self, padded.view(len(samples), 1, -1, self.period))


class _OfResolution(nn.Module):
    """Looks at magnitudes of a spectrum."""

    window: Tensor

    def __init__(self, n_fft: int, hop: int, width: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        strides = [1, 2, 2, 2]  # over frequencies: the first two layers see the most of them
        self.layers = nn.ModuleList(
            [
                _weighted(nn.Conv2d(1, width, (9, 3), (2, 1), padding=(4, 1))),
                *(_weighted(nn.Conv2d(width, width, (9, 3), (2, s), padding=(4, 1))) for s in strides[1:]),
                _weighted(nn.Conv2d(width, width, (3, 3), padding=(1, 1))),
            ]
        )
        self.score = _weighted(nn.Conv2d(width, 1, (3, 3), padding=(1, 1)))

    def forward(self, samples: Tensor) -> Heard:
        """Return what the layers give."""
        with torch.autocast(samples.device.type, enabled=False):
            side = (self.n_fft - self.hop) // 2
            padded = nn.functional.pad(samples.float()[:, None], (side, side), "reflect")[:, 0]
            spectrum = torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
            size = torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-9)
        return _layers(self, size[:, None])


def _layers(of: _OfPeriod | _OfResolution, x: Tensor) -> Heard:
    heard: Heard = []
    for layer in of.layers:
        x = nn.functional.leaky_relu(layer(x), _SLOPE)
        heard.append(x)
    heard.append(of.score(x))
    return heard


def _weighted(layer: nn.Module) -> nn.Module:
    normed: nn.Module = parametrizations.weight_norm(layer)
    return normed


def told_apart(real: list[Heard], made: list[Heard]) -> Tensor:
    """Return the least-squares loss of discriminators, the mean over them: 0.5 if they know nothing, 0 at best."""
    losses = [
        (1 - ours[-1].float()).square().mean() + theirs[-1].float().square().mean()
        for ours, theirs in zip(real, made, strict=True)
    ]
    return torch.stack(losses).mean()


def fooled(made: list[Heard]) -> Tensor:
    """Return the least-squares loss of a generator, summed over discriminators; 0 where all take it for recorded."""
    return torch.stack([(1 - each[-1].float()).square().mean() for each in made]).sum()


def unlike(real: list[Heard], made: list[Heard]) -> Tensor:
    """Return the L1 distance of what the layers give of recorded and made sounds, summed over layers."""
    pairs = [
        (a.detach().float() - b.float()).abs().mean()
        for ours, theirs in zip(real, made, strict=True)
        for a, b in zip(ours[:-1], theirs[:-1], strict=True)
    ]
    return torch.stack(pairs).sum()
