"""The embedded acoustic model as a torch network: log-mels in, phones (CTC) and vocal activity out.

Dense dilated convolutions: on a CPU they train several times faster than depthwise ones, and a window of audio sees
exactly what the whole recording would, so windows can be cut anywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from melisma.models.features import N_MELS, STRIDE

STEM_PADDING = 3  # frames that the first convolution hears beyond its own on either side, so that it is centred on them


@dataclass(frozen=True, slots=True)
class PhoneNetConfig:
    """Shape of the network."""

    n_labels: int  # with the blank, which is label 0
    channels: int = 384
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 16)
    kernel: int = 3
    dropout: float = 0.1
    stride: int = STRIDE  # feature frames of 10 ms per frame of the trunk and of the emission
    fine: bool = False  # a second head beside the first, that says what sounds in each feature frame of 10 ms

    @property
    def reach(self) -> int:
        """Frames of the trunk, `stride` feature frames each, that one frame sees on either side."""
        return sum(self.dilations) * (self.kernel - 1) // 2 + -(-STEM_PADDING // self.stride)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)


class _Block(nn.Module):
    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        # Whole channels: as good here, and drawing a number per value took a seventh of a step.
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = (x + self.dropout(torch.relu(self.norm(self.conv(x))))) * mask
        return out


class PhoneNet(nn.Module):
    """Phone recogniser, by CTC or frame by frame, with a vocal-activity output beside it."""

    def __init__(self, config: PhoneNetConfig) -> None:
        super().__init__()
        self.config = config
        window = config.stride + 2 * STEM_PADDING
        self.stem = nn.Conv1d(N_MELS, config.channels, window, config.stride, STEM_PADDING, bias=False)
        self.stem_norm = nn.BatchNorm1d(config.channels)
        self.blocks = nn.ModuleList(
            _Block(config.channels, config.kernel, dilation, config.dropout) for dilation in config.dilations
        )
        self.head = nn.Conv1d(config.channels, config.n_labels + 1, 1)
        self.fine = nn.Conv1d(config.channels, config.stride * config.n_labels, 1) if config.fine else None

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Run a batch.

        Parameters
        ----------
        features : float32 [batch, N_MELS, n_feature_frames]
            Normalised log-mels, zero beyond each length; the number of frames divides by the stride.
        lengths : int64 [batch]
            Frames of the trunk of each item, `stride` feature frames each.

        Returns
        -------
        logits : float32 [batch, n_labels, n_frames]
            Unnormalised scores; label 0 is the blank.
        vocal : float32 [batch, n_frames]
            Logit of a voice being heard.
        """
        x = self.trunk(features, lengths)
        return self.spell(x)

    def trunk(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return what all heads read, float [batch, channels, n_features / stride]."""
        n_frames = features.shape[2] // self.config.stride
        x: Tensor = torch.relu(self.stem_norm(self.stem(features)))
        # In the type of the activations, or autocast would carry everything on in float32.
        mask = (torch.arange(n_frames, device=x.device)[None] < lengths[:, None]).to(x.dtype)[:, None]
        x = x * mask
        for block in self.blocks:
            x = block(x, mask)
        return x

    def spell(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and vocal activity, as `forward` does, of what the trunk gave."""
        out: Tensor = self.head(x).float()
        return out[:, :-1], out[:, -1]

    def sound(self, x: Tensor) -> Tensor:
        """Return the logits of the second head, float32 [batch, n_labels, n_features], of what the trunk gave."""
        if self.fine is None:
            raise ValueError("this network has no second head")
        return _unfold(self.fine(x).float(), self.config.stride)


def _unfold(x: Tensor, parts: int) -> Tensor:
    """Turn channels that hold `parts` frames each into frames: [b, parts · c, n] → [b, c, parts · n]."""
    if parts == 1:
        return x
    batch, channels, n = x.shape
    return x.view(batch, parts, channels // parts, n).permute(0, 2, 3, 1).reshape(batch, channels // parts, n * parts)
