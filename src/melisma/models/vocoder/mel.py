"""How far two sounds are from each other for an ear: log-mel spectra, as vocoders learn by them and are judged by them.

Reference: Kong, Kim and Bae, HiFi-GAN, NeurIPS 2020: L1 of natural logs, floor 1e-5 of the magnitude.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

SAMPLE_RATE = 16000
FLOOR = 1e-5
JUDGED = (1024, 256, 80)  # n_fft, hop and bands of the distance that trainings report


class LogMel(nn.Module):
    """Natural logs of mel magnitudes.

    Parameters
    ----------
    n_fft, hop, n_mels : int
        Samples of a Hann window and from one to the next, and bands from 0 to 8 kHz.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, n_fft: int, hop: int, n_mels: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", torch.from_numpy(_filters(n_fft, n_mels)), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return float32 [batch, n_mels, n_samples / hop] of samples, float32 [batch, n_samples]."""
        side = (self.n_fft - self.hop) // 2
        padded = nn.functional.pad(samples, (side, self.n_fft - self.hop - side))
        spectrum = torch.stft(padded, self.n_fft, self.hop, window=self.window, center=False, return_complex=True)
        parts = torch.view_as_real(spectrum)
        size = torch.sqrt(parts.square().sum(-1) + 1e-9)
        return torch.log((self.filters @ size).clamp(min=FLOOR))


class MelDistance(nn.Module):
    """The mean L1 distance of log-mels, over several lengths of windows.

    Parameters
    ----------
    scales : sequence of (int, int, int)
        As `LogMel` takes them.
    """

    def __init__(self, scales: tuple[tuple[int, int, int], ...] = (JUDGED,)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(LogMel(*scale) for scale in scales)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Return the distance, float32 [], of samples, float32 [batch, n_samples] each."""
        with torch.autocast(made.device.type, enabled=False):
            found = [(mel(made.float()) - mel(real.float())).abs().mean() for mel in self.scales]
        return torch.stack(found).mean()


def _mel(hz: np.ndarray | float) -> np.ndarray | float:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def _filters(n_fft: int, n_mels: int) -> np.ndarray:
    """Return triangles of unit area in Hz, float32 [n_mels, n_fft / 2 + 1] (O'Shaughnessy's scale)."""
    edges = 700.0 * (10.0 ** (np.linspace(0.0, _mel(SAMPLE_RATE / 2), n_mels + 2) / 2595.0) - 1.0)
    bins = np.arange(n_fft // 2 + 1) * SAMPLE_RATE / n_fft
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
