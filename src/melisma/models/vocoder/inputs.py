"""What a generator is told of every 20 ms: the unit, who speaks, and how high."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from melisma.models.vocoder.shape import Shape

NOBODY = 0  # a voice between all speakers: the first row of the table, learnt from segments whose speaker was hidden
UNKNOWN = -1.0  # Hz: a pitch that is not told; 0 Hz is no voice
F0_BINS = 64
F0_LOW_HZ, F0_HIGH_HZ = 50.0, 800.0


class Inputs(nn.Module):
    """Adds up what is known of a frame.

    Parameters
    ----------
    shape : Shape
        Of the generator.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.units = nn.Embedding(shape.k, shape.channels)
        self.speakers = nn.Embedding(shape.n_speakers + 1, shape.channels) if shape.n_speakers else None
        self.pitch = nn.Linear(F0_BINS + 2, shape.channels, bias=False) if shape.with_f0 else None
        self.dropout = nn.Dropout(0.0)  # a training says how much

    def forward(self, units: Tensor, speaker: Tensor | None = None, f0_hz: Tensor | None = None) -> Tensor:
        """Return the frames.

        Parameters
        ----------
        units : int64 [batch, n_frames]
            In [0, k).
        speaker : int64 [batch], optional
            1 for the first speaker, 0 for nobody in particular; nobody without it. A network without speakers does
            not look at it.
        f0_hz : float32 [batch, n_frames], optional
            0 where there is no voice, negative where the pitch is not known; unknown without it. A network without
            pitch does not look at it.

        Returns
        -------
        float32 [batch, channels, n_frames]
        """
        x: Tensor = self.units(units)
        if self.speakers is not None:
            who = speaker if speaker is not None else torch.full_like(units[:, 0], NOBODY)
            x = x + self.speakers(who)[:, None]
        if self.pitch is not None:
            hz = f0_hz if f0_hz is not None else torch.full_like(x[:, :, 0], UNKNOWN)
            x = x + self.pitch(pitch_features(hz))
        frames: Tensor = self.dropout(x)
        return frames.transpose(1, 2)


def pitch_features(f0_hz: Tensor) -> Tensor:
    """Return pitch as a network reads it, float32 [..., F0_BINS + 2].

    Two neighbouring bins share each pitch, on a scale of logarithms; the last two say that there is no voice, and that
    nothing is known.
    """
    low, high = torch.tensor(F0_LOW_HZ).log2().item(), torch.tensor(F0_HIGH_HZ).log2().item()
    hz = f0_hz.clamp(F0_LOW_HZ, F0_HIGH_HZ)
    place = (torch.log2(hz) - low) * ((F0_BINS - 1) / (high - low))
    bins = torch.arange(F0_BINS, device=f0_hz.device, dtype=place.dtype)
    near = torch.relu(1.0 - (place[..., None] - bins).abs()) * (f0_hz > 0)[..., None].to(place.dtype)
    said = torch.stack([(f0_hz == 0).to(place.dtype), (f0_hz < 0).to(place.dtype)], dim=-1)
    return torch.cat([near, said], dim=-1)
