"""From spectra to samples and back, as matrix products and sums: the same on every device, and in an ONNX graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class InverseSpectra(nn.Module):
    """The inverse short-time Fourier transform, `hop` samples for every frame, no more and no fewer.

    Frame i is centred on sample `i * hop + hop / 2`. Every sample is divided by what the squared windows add up to
    inside of a recording, at its ends too: parts of a long one, taken alone, are the same samples.

    Parameters
    ----------
    n_fft, hop : int
        Samples of a frame, and from one to the next; Hann windows overlap four times at least.
    """

    basis: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        if n_fft % hop or n_fft < 4 * hop or (n_fft - hop) % 2:
            raise ValueError(f"{n_fft} samples do not overlap evenly every {hop}")
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("basis", _basis(n_fft, hop), persistent=False)

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return samples, float32 [batch, n_frames * hop], of spectra, float32 [batch, n_fft / 2 + 1, n_frames]."""
        frames = self.basis @ torch.cat([real, imaginary], dim=1)  # [batch, n_fft, n_frames]
        parts = self.n_fft // self.hop
        total: Tensor | None = None
        for part in range(parts):
            piece = frames[:, part * self.hop : (part + 1) * self.hop]
            shifted = nn.functional.pad(piece, (part, parts - 1 - part))
            total = shifted if total is None else total + shifted
        assert total is not None  # noqa: S101 - there are four parts at least
        samples = total.transpose(1, 2).flatten(1)
        lead = (self.n_fft - self.hop) // 2
        return samples[:, lead : samples.shape[1] - lead]


def _basis(n_fft: int, hop: int) -> Tensor:
    """Return what turns the real and imaginary parts of a spectrum into windowed samples, [n_fft, n_fft + 2]."""
    n_bins = n_fft // 2 + 1
    angles = 2 * np.pi * np.outer(np.arange(n_fft), np.arange(n_bins)) / n_fft
    weights = np.full(n_bins, 2.0)
    weights[[0, -1]] = 1.0  # all others stand for their mirror images, too
    window = np.hanning(n_fft + 1)[:-1]
    scale = window / (np.sum(window**2) / hop)
    basis = np.concatenate([np.cos(angles) * weights, -np.sin(angles) * weights], axis=1) / n_fft
    return torch.from_numpy((basis * scale[:, None]).astype(np.float32))
